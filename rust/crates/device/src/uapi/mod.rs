//! The text protocol between `wg` and a userspace WireGuard, as wireguard-go serves it on
//! `/var/run/wireguard/IFNAME.sock` (<https://www.wireguard.com/xplatform/#configuration-protocol>).
//!
//! A message consists of lines `key=value` and an empty line. A connection carries any number of messages: `get=1`
//! returns the interface's state, `set=1` carries a change, and every response ends with `errno=N`. There are two
//! differences from wireguard-go: a `set` is applied entirely or not at all, and one that ends without its empty line
//! is not applied. No error repeats a value, since any of them may be a secret; buffers of messages are zeroized.

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
