//! Packets of an interface: out through cryptokey routing and a session, in through a session and the source check
//! (sections 2, 5.4.6 and 6.2).

use std::ops::Range;

use crate::clock::{Now, octets};
use crate::endpoint::Endpoint;
use crate::interface::{Interface, Outgoing};
use crate::ip;
use crate::message::{DATA_HEADER_BYTES, DataHeader, Kind, kind};
use crate::peers::PeerId;
use crate::session::{Refused, padded, sealed};
use crate::timers::RENEW_ON_RECEIPT;

/// A packet that was sealed in place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sealed {
    /// Whom it is for.
    pub peer: PeerId,
    /// Where to.
    pub endpoint: Endpoint,
    /// Octets of the datagram, from the start of the buffer.
    pub length: usize,
}

/// Octets that a buffer for [`Interface::seal`] must have besides the packet: header, padding, tag.
pub const SEAL_ROOM: usize = DATA_HEADER_BYTES + 15 + 16;

impl Interface {
    /// Seals the packet at `buffer[16..16 + length]` in place. `None` if it cannot go now: it is dropped and counted, or
    /// kept until a handshake is done. `buffer` has at least `length` + [`SEAL_ROOM`] octets.
    pub fn seal(&mut self, buffer: &mut [u8], length: usize, now: Now) -> Option<Sealed> {
        let packet = &buffer[DATA_HEADER_BYTES..DATA_HEADER_BYTES + length];
        let Some(destination) = ip::destination(packet) else {
            self.drops.not_ip += 1;
            return None;
        };
        let Some(id) = self.allowed_ips.lookup(destination) else {
            self.drops.no_peer += 1;
            return None;
        };
        let peer = self.peers.get_mut(id)?;
        let Some(endpoint) = peer.endpoint else {
            self.drops.no_endpoint += 1;
            return None;
        };
        let Some(session) = peer.keypairs.sending(now.boot).filter(|_| peer.staged.is_empty()) else {
            peer.stage(packet);
            self.send_staged(id, now);
            return None;
        };
        let text = padded(length, self.mtu);
        let datagram = &mut buffer[..sealed(text)];
        datagram[DATA_HEADER_BYTES + length..DATA_HEADER_BYTES + text].fill(0);
        session.seal(datagram);
        let length = datagram.len();
        self.sent(id, length, true, now);
        Some(Sealed { peer: id, endpoint, length })
    }

    /// Takes a datagram from the network. The packet in it, if there is one to deliver, is at the range given.
    pub fn receive(&mut self, from: Endpoint, datagram: &mut [u8], now: Now) -> Option<Range<usize>> {
        match kind(datagram) {
            Some(Kind::Data) => return self.receive_data(from, datagram, now),
            Some(Kind::Initiation | Kind::Response) => self.receive_handshake(from, datagram, now),
            Some(Kind::CookieReply) => self.receive_cookie(datagram, now),
            None => self.drops.malformed += 1,
        }
        None
    }

    fn receive_data(&mut self, from: Endpoint, datagram: &mut [u8], now: Now) -> Option<Range<usize>> {
        let index = DataHeader::parse(datagram)?.receiver;
        let id = self.peers.indices.owner(index);
        let Some((id, peer)) = id.and_then(|id| Some((id, self.peers.get_mut(id)?))) else {
            self.drops.no_session += 1;
            return None;
        };
        let Some(session) = peer.keypairs.by_index(index) else {
            self.drops.no_session += 1;
            return None;
        };
        let octets = datagram.len() as u64;
        let plaintext = match session.open(datagram, now.boot) {
            Ok(plaintext) => plaintext,
            Err(why) => {
                self.drop_refused(why);
                return None;
            }
        };
        peer.rx_bytes += octets;
        let inner = ip::source_and_length(plaintext);
        let empty = plaintext.is_empty();
        self.opened(id, index, from, empty, now);
        if empty {
            return None;
        }
        let Some((source, length)) = inner else {
            self.drops.not_ip += 1;
            return None;
        };
        if self.allowed_ips.lookup(source) != Some(id) {
            self.drops.source_not_allowed += 1;
            return None;
        }
        Some(DATA_HEADER_BYTES..DATA_HEADER_BYTES + length)
    }

    /// An authentic packet came under the session of `index`.
    fn opened(&mut self, id: PeerId, index: u32, from: Endpoint, empty: bool, now: Now) {
        let Some((peer, indices)) = self.peers.with_indices(id) else { return };
        let confirmed = peer.keypairs.confirm(index, &mut |index| indices.release(index));
        if !empty {
            peer.timers.data_received(now.boot);
        }
        let renew = !peer.timers.renewed_on_receipt
            && peer
                .keypairs
                .current()
                .is_some_and(|session| session.initiator && session.age(now.boot) >= RENEW_ON_RECEIPT);
        peer.timers.renewed_on_receipt |= renew;
        self.heard(id, from, now);
        if confirmed {
            self.handshake_completed(id, now);
            self.send_staged(id, now);
        }
        if renew {
            self.initiate(id, false, now);
        }
    }

    fn drop_refused(&mut self, why: Refused) {
        match why {
            Refused::Malformed => self.drops.malformed += 1,
            Refused::Expired => self.drops.no_session += 1,
            Refused::NotAuthentic => self.drops.not_authentic += 1,
            Refused::Replayed => self.drops.replayed += 1,
        }
    }

    /// Sends what waits for this peer, or else an empty packet.
    pub(crate) fn keep_alive(&mut self, id: PeerId, now: Now) {
        let Some(peer) = self.peers.get_mut(id).filter(|peer| peer.endpoint.is_some()) else { return };
        if peer.staged.is_empty() {
            peer.stage(&[]);
        }
        self.send_staged(id, now);
    }

    /// Sends what waits for this peer, or starts the handshake that it waits for.
    pub(crate) fn send_staged(&mut self, id: PeerId, now: Now) {
        while let Some(peer) = self.peers.get_mut(id) {
            let (Some(endpoint), false) = (peer.endpoint, peer.staged.is_empty()) else { return };
            let Some(session) = peer.keypairs.sending(now.boot) else {
                return self.initiate(id, false, now);
            };
            let Some(packet) = peer.staged.pop_front() else { return };
            let text = padded(packet.len(), self.mtu);
            let mut datagram = vec![0; sealed(text)];
            datagram[DATA_HEADER_BYTES..DATA_HEADER_BYTES + packet.len()].copy_from_slice(&packet);
            session.seal(&mut datagram);
            self.sent(id, datagram.len(), !packet.is_empty(), now);
            self.outgoing.push_back(Outgoing { peer: Some(id), endpoint, datagram });
        }
    }

    /// A transport data message of `octets` goes out.
    fn sent(&mut self, id: PeerId, octets_sent: usize, data: bool, now: Now) {
        let Some(peer) = self.peers.get_mut(id) else { return };
        peer.tx_bytes += octets_sent as u64;
        peer.timers.authenticated_sent(now.boot);
        if data {
            peer.timers.data_sent(now.boot, || u64::from_ne_bytes(octets(&mut *self.random)));
        }
        let worn = peer.keypairs.current().is_some_and(|session| session.is_worn(now.boot));
        let renew = worn && peer.timers.may_initiate(now.boot);
        self.schedule.note(id, peer);
        if renew {
            self.initiate(id, false, now);
        }
    }
}
