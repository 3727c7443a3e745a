//! Links, addresses, routes, rules (rtnetlink(7)), the kernel's own WireGuard (generic netlink) and the guard of a default
//! route (nf_tables): does what it is told, decides nothing.
//!
//! Synchronous: a call returns when the kernel has answered, which it does at once. A socket belongs to the network
//! namespace of the thread that opened it, and stays there.
#![forbid(unsafe_code)]

mod address;
mod attribute;
mod error;
mod link;
mod netlink;
mod nftables;
mod route;
mod rule;
mod socket;
mod watch;
mod wireguard;

pub use error::NetError;
pub use link::Link;
pub use netlink::{Netlink, OURS};
pub use nftables::{Guard, Nftables};
pub use route::Route;
pub use rule::{Rule, Version};
pub use watch::{Changes, Watch};
pub use wireguard::WireGuard;
