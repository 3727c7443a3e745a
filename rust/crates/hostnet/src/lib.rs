//! Links, addresses and routes of this host over netlink (rtnetlink(7)): does what it is told, decides nothing.
//!
//! Synchronous: a call returns when the kernel has answered, which it does at once. A socket belongs to the network
//! namespace of the thread that opened it, and stays there.
#![forbid(unsafe_code)]

mod address;
mod error;
mod link;
mod netlink;
mod route;
mod watch;

pub use error::NetError;
pub use link::Link;
pub use netlink::Netlink;
pub use route::Route;
pub use watch::{Changes, Watch};
