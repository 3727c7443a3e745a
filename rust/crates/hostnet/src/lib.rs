//! Links, addresses, routes, rules (rtnetlink(7)), the kernel's WireGuard (generic netlink) and the nftables guard of a
//! default route: carries out operations and decides nothing.
//!
//! Synchronous: a call returns when the kernel has answered, which it does at once. A socket stays in the network
//! namespace of the thread that opened it.
#![forbid(unsafe_code)]

mod added_addresses;
mod address;
mod attribute;
mod error;
mod link;
mod monitor;
mod netlink;
mod nftables;
mod route;
mod rule;
mod socket;
mod watch;
mod wireguard;

pub use address::Address;
pub use error::NetError;
pub use link::Link;
pub use monitor::{HostChanges, Monitor};
pub use netlink::{Netlink, OURS};
pub use nftables::{Guard, Nftables};
pub use route::Route;
pub use rule::{Rule, Version};
pub use watch::{Changes, Watch};
pub use wireguard::WireGuard;
