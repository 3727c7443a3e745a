//! The outer side: WireGuard's datagrams over IPv4 and IPv6, in batches, with the source address that the peer wrote to.
//!
//! Nothing here allocates, locks or forgets per datagram: an [`Inbox`] and an [`Outbox`] are made once and used for ever.

mod address;
mod inbox;
mod outbox;
mod pktinfo;
mod socket;

pub use inbox::Inbox;
pub use outbox::{Outbox, SLOT_BYTES, SendReport, Slots, Source};
pub use socket::{BindError, Family, Socket, Sockets};

/// Datagrams in one batch: past 64 a larger batch no longer saves system calls that matter, and a batch of small
/// datagrams is then done in well under a millisecond, so nothing else waits long.
pub const BATCH: usize = 64;
