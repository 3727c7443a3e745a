//! Which peer's timer is due next.
//!
//! Packets move deadlines all the time, nearly always to later. So a peer stands here under a deadline that may be too
//! early, never too late: it is looked at then, and put back. A packet costs a comparison. No peer stands here twice, or
//! those that come and go would fill the memory for as long as their deadlines are away: 18 hours at the most.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::peerid::PeerId;
use crate::peers::Peer;

/// Peers by the time when they want to be looked at.
#[derive(Default)]
pub(crate) struct Schedule {
    entries: BTreeSet<(Duration, PeerId)>,
}

impl Schedule {
    /// Sees to it that `peer` is looked at when its next timer is due.
    pub(crate) fn note(&mut self, id: PeerId, peer: &mut Peer) {
        let Some(deadline) = peer.timers.next() else { return };
        if peer.scheduled.is_none_or(|scheduled| deadline < scheduled) {
            self.forget(id, peer);
            peer.scheduled = Some(deadline);
            self.entries.insert((deadline, id));
        }
    }

    /// Takes a peer out, as before it is removed.
    pub(crate) fn forget(&mut self, id: PeerId, peer: &mut Peer) {
        if let Some(scheduled) = peer.scheduled.take() {
            self.entries.remove(&(scheduled, id));
        }
    }

    /// When to look next.
    pub(crate) fn next(&self) -> Option<Duration> {
        self.entries.first().map(|(deadline, _)| *deadline)
    }

    /// Takes a peer whose time has come.
    pub(crate) fn take_due(&mut self, boot: Duration) -> Option<PeerId> {
        self.next().filter(|deadline| *deadline <= boot)?;
        self.entries.pop_first().map(|(_, id)| id)
    }
}
