//! Handshakes of an interface: processing, responses and limits (sections 5.3, 5.4, 6).

use std::time::Duration;

use crate::clock::{Now, octets};
use crate::cookie::Proof;
use crate::endpoint::Endpoint;
use crate::interface::{Event, Interface, Outgoing};
use crate::key::PrivateKey;
use crate::message::{CookieReply, INITIATION_BYTES, Initiation, Kind, RESPONSE_BYTES, Response, kind};
use crate::noise::{Consumed, Initiated, Opened};
use crate::peerid::PeerId;
use crate::peers::Peer;
use crate::session::Session;
use crate::timestamp::Timestamp;

/// At most 50 initiations per second of one peer are accepted.
const MIN_INITIATION_INTERVAL: Duration = Duration::from_millis(20);
/// The minimum time between two events of a move: packets that alternate between two paths move a peer with each of
/// them.
const MOVE_EVENT_INTERVAL: Duration = Duration::from_secs(1);

impl Interface {
    /// Queue an initiation or a response, or reply with a cookie (section 5.3).
    pub(crate) fn receive_handshake(&mut self, from: Endpoint, message: &[u8], now: Now) {
        let Some((_, checker)) = &mut self.local else { return };
        let high = self.load.is_high(now.boot);
        match checker.check(message, from.remote, now.boot) {
            Proof::None => self.drops.invalid_mac += 1,
            Proof::Mac1 if high && !self.load.may_send_cookie() => self.drops.rate_limited += 1,
            Proof::Mac1 if high => {
                let reply = checker.reply(message, from.remote, now.boot, &mut *self.random);
                self.outgoing.extend(reply.map(|reply| Outgoing {
                    peer: None,
                    endpoint: from,
                    datagram: reply.into(),
                }));
            }
            Proof::Mac2 if high && !self.load.limit.allow(from.remote.ip(), now.boot) => self.drops.rate_limited += 1,
            Proof::Mac1 | Proof::Mac2 => self.drops.rate_limited += u64::from(!self.load.push(from, message)),
        }
    }

    /// Process at most `most` queued handshake messages, and send as many pending initiations.
    pub fn process_handshakes(&mut self, most: usize, now: Now) {
        self.load.renew_budget();
        for _ in 0..most {
            let (waiting, peer) = (self.load.pop(), self.to_initiate.pop_front());
            if waiting.is_none() && peer.is_none() {
                return;
            }
            if let Some(waiting) = waiting {
                let taken = match kind(waiting.message()) {
                    Some(Kind::Initiation) => self.receive_initiation(waiting.from, waiting.message(), now),
                    Some(Kind::Response) => self.receive_response(waiting.from, waiting.message(), now),
                    _ => None,
                };
                self.drops.invalid_handshake += u64::from(taken.is_none());
            }
            if let Some(id) = peer {
                self.send_initiation(id, now);
            }
        }
    }

    /// Return whether handshake messages wait to be processed or sent.
    #[must_use]
    pub fn has_pending_handshakes(&self) -> bool {
        !self.load.is_empty() || !self.to_initiate.is_empty()
    }

    /// Accept an initiation, respond, and keep the session pending (section 5.4.3). `None` if it is rejected.
    fn receive_initiation(&mut self, from: Endpoint, message: &[u8], now: Now) -> Option<()> {
        let (local, _) = self.local.as_ref()?;
        let opened = Opened::new(local, Initiation::parse(message)?)?;
        let id = self.peers.find(&opened.initiator)?;
        let peer = self.peers.get_mut(id)?;
        let consumed = opened.prove(peer.static_static(local)?)?;
        let flood = peer.last_consumed.is_some_and(|last| now.boot < last + MIN_INITIATION_INTERVAL);
        if consumed.timestamp <= peer.last_timestamp || flood {
            return None;
        }
        peer.last_timestamp = consumed.timestamp;
        peer.last_consumed = Some(now.boot);
        peer.rx_bytes += INITIATION_BYTES as u64;
        self.note_endpoint(id, from, now);
        self.respond(id, consumed, now)
    }

    fn respond(&mut self, id: PeerId, consumed: Consumed, now: Now) -> Option<()> {
        let ephemeral = PrivateKey::filled(|octets| self.random.fill(octets));
        let index = self.peers.indices.claim(id, &mut *self.random);
        let (peer, indices) = self.peers.with_indices(id)?;
        let remote_index = consumed.sender;
        let Some((keys, response)) = consumed.respond(&peer.preshared_key, &ephemeral, index) else {
            indices.release(index);
            return None;
        };
        let session = Session::new(keys, index, remote_index, false, now.boot);
        peer.keypairs.add_as_responder(session, &mut |index| indices.release(index));
        peer.timers.session_derived(now.boot);
        peer.timers.response_sent(now.boot);
        let mut datagram = response.encode();
        peer.macs.add(&mut datagram, now.boot);
        self.dispatch(id, datagram.into());
        Some(())
    }

    /// Accept a response, use the session, and confirm it by a packet (section 5.4.3). `None` if it is rejected.
    fn receive_response(&mut self, from: Endpoint, message: &[u8], now: Now) -> Option<()> {
        let (local, _) = self.local.as_ref()?;
        let response = Response::parse(message)?;
        let id = self.peers.indices.owner(response.receiver)?;
        let (peer, indices) = self.peers.with_indices(id)?;
        let (index, initiated) = peer.initiated.as_deref().filter(|(index, _)| *index == response.receiver)?;
        let keys = initiated.finish(local, &peer.preshared_key, &response)?;
        let session = Session::new(keys, *index, response.sender, true, now.boot);
        peer.initiated = None;
        peer.keypairs.add_as_initiator(session, &mut |index| indices.release(index));
        peer.timers.session_derived(now.boot);
        peer.rx_bytes += RESPONSE_BYTES as u64;
        self.note_endpoint(id, from, now);
        self.handshake_completed(id, now);
        self.keep_alive(id, now);
        Some(())
    }

    /// Keep a cookie for the next message to this peer, which is not sent earlier (section 6.6).
    pub(crate) fn receive_cookie(&mut self, message: &[u8], now: Now) {
        let taken = CookieReply::parse(message).is_some_and(|reply| {
            let id = self.peers.indices.owner(reply.receiver);
            let peer = id.and_then(|id| self.peers.get_mut(id));
            peer.is_some_and(|peer| peer.macs.receive(&reply, now.boot))
        });
        self.drops.invalid_handshake += u64::from(!taken);
    }

    /// Request an initiation, unless one was sent within 5 s (section 5.4.2); it is created by
    /// [`Self::process_handshakes`]. A retry continues the current attempts.
    pub(crate) fn initiate(&mut self, id: PeerId, retry: bool, now: Now) {
        let Some(peer) = self.peers.get_mut(id).filter(|_| self.up && self.local.is_some()) else { return };
        if !retry {
            peer.timers.begin_attempts();
        }
        if !peer.awaits_initiation && peer.timers.may_initiate(now.boot) {
            peer.awaits_initiation = true;
            self.to_initiate.push_back(id);
        }
    }

    /// Send an initiation (section 5.4.2), if the peer still exists.
    fn send_initiation(&mut self, id: PeerId, now: Now) {
        let Some(peer) = self.peers.get_mut(id).filter(|peer| peer.awaits_initiation) else { return };
        peer.awaits_initiation = false;
        if !self.up || peer.endpoint.is_none() || !peer.timers.may_initiate(now.boot) {
            return;
        }
        let ephemeral = PrivateKey::filled(|octets| self.random.fill(octets));
        let index = self.peers.indices.claim(id, &mut *self.random);
        let (Some((local, _)), Some((peer, indices))) = (&self.local, self.peers.with_indices(id)) else { return };
        let timestamp = Timestamp::of(now.unix).after(peer.last_sent_timestamp);
        let public_key = peer.public_key;
        let made = peer
            .static_static(local)
            .and_then(|shared| Initiated::new(local, &public_key, shared, ephemeral, timestamp, index));
        let Some((initiated, message)) = made else { return indices.release(index) };
        peer.last_sent_timestamp = timestamp;
        self.greatest_timestamp = self.greatest_timestamp.max(timestamp);
        indices.release_initiated(peer);
        peer.initiated = Some(Box::new((index, initiated)));
        let mut datagram = message.encode();
        peer.macs.add(&mut datagram, now.boot);
        peer.timers.initiation_sent(now.boot, u64::from_ne_bytes(octets(&mut *self.random)));
        self.dispatch(id, datagram.into());
    }

    /// Complete a handshake: the peer has proven that it holds the keys. A pending initiation of ours becomes void,
    /// since its response could arrive at any time and would move the peer to the address it came from.
    pub(crate) fn handshake_completed(&mut self, id: PeerId, now: Now) {
        let Some((peer, indices)) = self.peers.with_indices(id) else { return };
        indices.release_initiated(peer);
        peer.timers.handshake_completed();
        peer.last_handshake = now.unix;
        self.events.push_back(Event::HandshakeCompleted { peer: peer.public_key });
    }

    /// Record that an authentic message came from `from`: that is the endpoint of the peer (section 2.1).
    pub(crate) fn note_endpoint(&mut self, id: PeerId, from: Endpoint, now: Now) {
        let Some(peer) = self.peers.get_mut(id) else { return };
        let moved = move_event(peer, from, now.boot);
        self.events.extend(moved);
        peer.timers.authenticated_received(now.boot);
        self.schedule.update(id, peer);
    }

    /// Queue a handshake message to a peer.
    fn dispatch(&mut self, id: PeerId, datagram: Vec<u8>) {
        let Some(peer) = self.peers.get_mut(id) else { return };
        let Some(endpoint) = peer.endpoint else { return };
        peer.tx_bytes += datagram.len() as u64;
        self.schedule.update(id, peer);
        self.outgoing.push_back(Outgoing { peer: Some(id), endpoint, datagram });
    }
}

/// Return the event of a move, if the peer had another address and the event is due.
fn move_event(peer: &mut Peer, from: Endpoint, boot: Duration) -> Option<Event> {
    let before = peer.endpoint.replace(from).map(|endpoint| endpoint.remote);
    let quiet = peer.last_move_event.is_none_or(|last| boot >= last + MOVE_EVENT_INTERVAL);
    if before == Some(from.remote) || !quiet {
        return None;
    }
    peer.last_move_event = Some(boot);
    Some(Event::EndpointChanged { peer: peer.public_key, from: before, to: from.remote })
}
