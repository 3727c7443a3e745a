//! The I/O around `proto`: UDP sockets on the outer side, a TUN or another [`Inner`](inner::Inner) on the inner side, and
//! one packet thread between them.

mod clock;
pub mod control;
mod device;
pub mod events;
mod host_routes;
mod inbound;
pub mod inherited;
pub mod inner;
mod outbound;
pub mod packet;
pub mod place;
pub mod pmtu;
mod poller;
mod port;
pub mod tun;
mod tun_inner;
pub mod uapi;
pub mod udp;
mod worker;

pub use device::{Device, Handle};
