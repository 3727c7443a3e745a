//! The text protocol by which `wg` speaks to a userspace WireGuard, as wireguard-go serves it on
//! `/var/run/wireguard/IFNAME.sock` (<https://www.wireguard.com/xplatform/#configuration-protocol>).
//!
//! A message is lines `key=value` and then an empty line. A connection carries any number of them:
//! `get=1` is answered with the interface's state, `set=1` carries a change; every answer ends with `errno=N`.
//! Two things differ from wireguard-go: a `set` is carried out whole or not at all, and one that ends without its
//! empty line is not carried out. No error repeats a value, for any of them may be a secret; what held a message is wiped.

pub mod client;
mod clients;
mod conversation;
mod directory;
pub mod format;
mod inbox;
mod line;
mod listener;
pub mod parse;
mod scope;
mod server;
mod value;
mod watch;
mod wiped;

pub use client::ClientError;
pub use directory::{DEFAULT_DIRECTORY, PathError, interfaces, socket_path};
pub use line::{ParseError, Problem};
pub use listener::{ListenError, Listener};
pub use server::{Notice, Server};

/// Octets of a line, without its end. The longest that means anything has 92; wireguard-go stops at 65,536.
pub const MAX_LINE_BYTES: usize = 1024;

/// Octets of a message. 100,000 peers with every key set and five allowed IPs each need about 60 MB; more is a mistake
/// or an attempt to exhaust the memory of a process that must not fail.
pub const MAX_MESSAGE_BYTES: usize = 64 << 20;
