//! What an interface does when a deadline expires (section 6).

use std::time::Duration;

use crate::clock::Now;
use crate::interface::{Event, Interface};
use crate::peerid::PeerId;
use crate::timers::Due;

impl Interface {
    /// Return the next call of [`Interface::on_deadline`] as a time of [`Now::boot`]. It may be early, never late.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Duration> {
        self.schedule.next()
    }

    /// Process the expired deadlines.
    pub fn on_deadline(&mut self, now: Now) {
        while let Some(id) = self.schedule.take_due(now.boot) {
            let Some(peer) = self.peers.get_mut(id) else { continue };
            peer.scheduled = None;
            while let Some(due) = self.peers.get_mut(id).and_then(|peer| peer.timers.take_due(now.boot)) {
                self.handle(id, due, now);
            }
            if let Some(peer) = self.peers.get_mut(id) {
                self.schedule.update(id, peer);
            }
        }
    }

    fn handle(&mut self, id: PeerId, due: Due, now: Now) {
        match due {
            Due::RetryHandshake => {
                self.forget_source(id);
                self.initiate(id, true, now);
            }
            Due::NewHandshake => {
                self.forget_source(id);
                self.initiate(id, false, now);
            }
            Due::GiveUp => self.give_up(id),
            Due::Keepalive | Due::PersistentKeepalive => self.keep_alive(id, now),
            Due::Wipe => self.wipe(id),
        }
    }

    fn give_up(&mut self, id: PeerId) {
        let Some(peer) = self.peers.get_mut(id) else { return };
        peer.staged.clear();
        self.events.push_back(Event::HandshakeTimedOut { peer: peer.public_key });
    }

    fn wipe(&mut self, id: PeerId) {
        let Some((peer, indices)) = self.peers.with_indices(id) else { return };
        indices.release_all(peer);
    }
}
