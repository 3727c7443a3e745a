//! WireGuard's datagrams over IPv4 and IPv6, in batches, with the local address to which the peer sent.
//!
//! Nothing here allocates or locks per datagram: an [`Inbox`] and an [`Outbox`] are created once and reused.

mod address;
mod control;
mod host;
mod inbox;
mod limits;
mod outbox;
mod slots;
mod socket;

pub use host::{Fields, HostInbox, HostSocket, Kind, QueuedError, Received, take_error};
pub use inbox::{Arrival, Inbox};
pub use outbox::{Outbox, SendReport, Source};
pub use slots::MAX_MESSAGES;
pub use socket::{BindError, Family, Socket, SocketOffloads, Sockets};
