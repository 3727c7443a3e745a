//! The peers ordered by their next deadline.
//!
//! Packets move deadlines all the time, nearly always to later. So a peer is scheduled by a deadline that may be too
//! early, never too late: it is checked then and scheduled again. A packet costs a comparison. No peer is scheduled
//! twice; otherwise peers that are added and removed would fill the memory until their deadlines: 18 hours at most.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::peerid::PeerId;
use crate::peers::Peer;

/// Peers by the time of their next check.
#[derive(Default)]
pub(crate) struct Schedule {
    entries: BTreeSet<(Duration, PeerId)>,
}

impl Schedule {
    /// Ensure that `peer` is checked when its next timer expires.
    pub(crate) fn update(&mut self, id: PeerId, peer: &mut Peer) {
        let Some(deadline) = peer.timers.next() else { return };
        if peer.scheduled.is_none_or(|scheduled| deadline < scheduled) {
            self.forget(id, peer);
            peer.scheduled = Some(deadline);
            self.entries.insert((deadline, id));
        }
    }

    /// Remove a peer from the schedule, as before it is removed.
    pub(crate) fn forget(&mut self, id: PeerId, peer: &mut Peer) {
        if let Some(scheduled) = peer.scheduled.take() {
            self.entries.remove(&(scheduled, id));
        }
    }

    /// Return the time of the next check.
    pub(crate) fn next(&self) -> Option<Duration> {
        self.entries.first().map(|(deadline, _)| *deadline)
    }

    /// Take a peer whose check is due.
    pub(crate) fn take_due(&mut self, boot: Duration) -> Option<PeerId> {
        self.next().filter(|deadline| *deadline <= boot)?;
        self.entries.pop_first().map(|(_, id)| id)
    }
}
