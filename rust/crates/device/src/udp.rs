//! The outer side: WireGuard's datagrams over IPv4 and IPv6, in batches, with the source address that the peer wrote to.
//!
//! Nothing here allocates, locks or forgets per datagram: an [`Inbox`] and an [`Outbox`] are made once and used for ever.

mod address;
mod control;
mod inbox;
mod limits;
mod outbox;
mod socket;

pub use inbox::{Arrival, BATCH, Inbox};
pub use outbox::{Outbox, SendReport, Source};
pub use socket::{BindError, Family, Socket, Sockets, Trains};
