//! The shell round `proto`: a TUN on one side, UDP sockets on the other, one thread between them.

pub mod control;
pub mod tun;
pub mod uapi;
pub mod udp;
