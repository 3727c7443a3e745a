//! What a stack reports about itself.

use crate::counts::Counts;

/// A snapshot of a stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Status {
    /// TCP flows.
    pub tcp_flows: usize,
    /// The memory of all flows, in bytes.
    pub memory: usize,
    /// Refusals and bad packets.
    pub counts: Counts,
    /// Packets to peers that were dropped.
    pub dropped: u64,
}
