//! Whole packets on their way to peers: datagrams, echoes, errors, and segments of no connection.
//!
//! The queue is bounded. What it does not take is dropped, as by a full link, and counted.

use std::collections::VecDeque;

use device::place::Place;
use proto::PeerId;

/// The octets that wait at most.
const MAX_OCTETS: usize = 1 << 20;
/// Buffers that are kept for use.
const MAX_SPARE: usize = 256;

/// The queue.
#[derive(Debug, Default)]
pub(crate) struct Packets {
    waiting: VecDeque<(Option<PeerId>, Vec<u8>)>,
    octets: usize,
    spare: Vec<Vec<u8>>,
    /// Packets that were dropped, because the queue was full or their peer has no such address any more.
    pub(crate) dropped: u64,
}

impl Packets {
    /// Return whether packets of this size are taken.
    pub(crate) fn has_room(&self, octets: usize) -> bool {
        self.octets + octets <= MAX_OCTETS
    }

    /// Return whether none waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Let `write` write a packet for a peer into an empty buffer; false from it discards the packet.
    pub(crate) fn push(&mut self, peer: PeerId, write: impl FnOnce(&mut Vec<u8>) -> bool) {
        self.push_to(Some(peer), write);
    }

    /// Queue a packet for the peer that has its destination.
    pub(crate) fn push_routed(&mut self, write: impl FnOnce(&mut Vec<u8>) -> bool) {
        self.push_to(None, write);
    }

    /// The same for a peer, or for the one that has the destination.
    pub(crate) fn push_to(&mut self, peer: Option<PeerId>, write: impl FnOnce(&mut Vec<u8>) -> bool) {
        let mut buffer = self.spare.pop().unwrap_or_default();
        buffer.clear();
        if !write(&mut buffer) {
            return self.keep(buffer);
        }
        if !self.has_room(buffer.len()) {
            self.dropped += 1;
            return self.keep(buffer);
        }
        self.octets += buffer.len();
        self.waiting.push_back((peer, buffer));
    }

    /// Put packets into `place` while it has room, and show each to `record`. One whose destination is not routed to its peer is dropped.
    pub(crate) fn take(&mut self, place: &mut impl Place, mut record: impl FnMut(&[u8])) {
        while let Some((_, packet)) = self.waiting.front()
            && place.has_room(packet.len() + OVERHEAD)
        {
            let Some((peer, packet)) = self.waiting.pop_front() else { return };
            self.octets -= packet.len();
            let route = place.route(&packet).filter(|route| peer.is_none_or(|peer| peer == route.peer));
            match route.and_then(|route| place.room(route, packet.len())) {
                Some(room) => {
                    room.copy_from_slice(&packet);
                    record(&packet);
                }
                None => self.dropped += 1,
            }
            self.keep(packet);
        }
    }

    /// Drop the packets of a peer that was removed.
    pub(crate) fn remove_peer(&mut self, removed: PeerId) {
        self.waiting.retain(|(peer, _)| *peer != Some(removed));
        self.octets = self.waiting.iter().map(|(_, packet)| packet.len()).sum();
    }

    fn keep(&mut self, buffer: Vec<u8>) {
        if self.spare.len() < MAX_SPARE {
            self.spare.push(buffer);
        }
    }
}

/// What sealing adds to a packet at most, in octets: header, padding and tag.
pub(crate) const OVERHEAD: usize = 16 + 15 + 16;
