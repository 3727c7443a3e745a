//! Which peer's timer is due next.
//!
//! Packets move deadlines all the time, nearly always to later. So a peer stands in the heap under a deadline that may
//! be too early, never too late: it is looked at then, and put back. A packet costs a comparison.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use crate::peers::{Peer, PeerId};

/// Peers by the time when they want to be looked at.
#[derive(Default)]
pub(crate) struct Schedule {
    heap: BinaryHeap<Reverse<(Duration, PeerId)>>,
}

impl Schedule {
    /// Sees to it that `peer` is looked at when its next timer is due.
    pub(crate) fn note(&mut self, id: PeerId, peer: &mut Peer) {
        let Some(deadline) = peer.timers.next() else { return };
        if peer.scheduled.is_none_or(|scheduled| deadline < scheduled) {
            peer.scheduled = Some(deadline);
            self.heap.push(Reverse((deadline, id)));
        }
    }

    /// When to look next.
    pub(crate) fn next(&self) -> Option<Duration> {
        self.heap.peek().map(|Reverse((deadline, _))| *deadline)
    }

    /// Takes an entry whose time has come: the peer may be gone, or stand under another deadline by now.
    pub(crate) fn take_due(&mut self, boot: Duration) -> Option<(Duration, PeerId)> {
        self.next().filter(|deadline| *deadline <= boot)?;
        self.heap.pop().map(|Reverse(entry)| entry)
    }
}
