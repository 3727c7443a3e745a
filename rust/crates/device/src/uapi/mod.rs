//! The text protocol by which `wg` speaks to a userspace WireGuard, as wireguard-go serves it on
//! `/var/run/wireguard/IFNAME.sock` (<https://www.wireguard.com/xplatform/#configuration-protocol>).
//!
//! A message is lines `key=value` and then an empty line. A connection carries any number of them:
//! `get=1` is answered with the interface's state, `set=1` carries a change; every answer ends with `errno=N`.
//! Two things differ from wireguard-go: a `set` is carried out whole or not at all, and one that ends without its
//! empty line is not carried out. No error repeats a value, for any of them may be a secret; what held a message is wiped.

pub mod client;
mod clients;
mod connection;
mod directory;
pub mod format;
mod inbox;
mod line;
mod listener;
mod notice;
pub mod parse;
mod scope;
mod server;
mod value;
mod watch;
mod zeroizing;

pub use client::ClientError;
pub use directory::{DEFAULT_DIRECTORY, PathError, interfaces, socket_path};
pub use inbox::{MAX_LINE_BYTES, MAX_MESSAGE_BYTES};
pub use line::{ParseError, Problem};
pub use listener::{ListenError, Listener};
pub use notice::Notice;
pub use server::Server;
