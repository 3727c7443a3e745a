//! The WireGuard protocol as a pure state machine: no socket, no clock; randomness is passed in.
//!
//! Section numbers are those of the paper (J. A. Donenfeld, "WireGuard: Next Generation Kernel Network Tunnel").
//!
//! | section | rule | file |
//! |---|---|---|
//! | 2 | cryptokey routing | `allowedips`, `transport` |
//! | 2.1 | endpoints_are_parsed_and_formatted and roaming | `endpoint`, `handshaking` |
//! | 5.1 | timestamps | `timestamp` |
//! | 5.3, 5.4.4, 5.4.7 | MACs, cookies, load | `cookie`, `load`, `ratelimit` |
//! | 5.4 | messages, hashes | `message`, `hash` |
//! | 5.4.1 – 5.4.3, 5.4.5 | handshake | `noise`, `handshaking` |
//! | 5.4.6 | transport data, replay window | `session`, `replay`, `transport` |
//! | 6.1 – 6.6 | timers, limits, renewal | `timers`, `session`, `keypairs`, `deadlines` |
#![forbid(unsafe_code)]

mod allowedips;
pub mod change;
pub mod clock;
mod cookie;
mod deadlines;
pub mod endpoint;
mod handshaking;
mod hash;
pub mod interface;
mod ip;
pub mod key;
mod keypairs;
mod load;
pub mod message;
mod noise;
mod peerid;
mod peers;
mod probe;
mod ratelimit;
mod replay;
mod schedule;
mod session;
pub mod status;
mod timers;
mod timestamp;
mod transport;
#[cfg(test)]
mod vectors;

pub use interface::{Delivered, Event, Interface, NoRoute, Outgoing};
pub use peerid::{Membership, PeerId};
