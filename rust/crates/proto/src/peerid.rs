//! The identifier of a peer.

/// A peer of one interface, for as long as it is in its table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PeerId(pub(crate) u32);
