//! The WireGuard protocol as a pure state machine: no socket, no clock, no randomness of its own.
//!
//! Section numbers are those of the paper (J. A. Donenfeld, "WireGuard: Next Generation Kernel Network Tunnel").
#![forbid(unsafe_code)]

pub mod change;
pub mod endpoint;
pub mod key;
pub mod status;
