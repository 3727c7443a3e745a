//! The identifier of a peer, and the changes of the set of peers.

use crate::key::PublicKey;

/// Identifies a peer of one interface until the peer is removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PeerId(pub(crate) u32);

/// A change of the set of peers. The id of a removed peer may be given to a peer that is added later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Membership {
    /// A peer was added.
    Added {
        /// Its id.
        peer: PeerId,
        /// Its key.
        public_key: PublicKey,
    },
    /// A peer was removed. No packet of it is delivered any more.
    Removed {
        /// Its former id.
        peer: PeerId,
    },
}
