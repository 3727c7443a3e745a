//! Packets of an interface: outgoing through cryptokey routing and a session, incoming through a session and the source
//! check (sections 2, 5.4.6 and 6.2).

use std::net::IpAddr;
use std::ops::Range;

use crate::clock::{Now, octets};
use crate::endpoint::Endpoint;
use crate::hash::TAG_BYTES;
use crate::interface::{Delivered, Interface, NoRoute, Outgoing};
use crate::ip;
use crate::message::{DATA_HEADER_BYTES, DATA_OVERHEAD_BYTES, DataHeader, Kind, kind};
use crate::peerid::PeerId;
use crate::session::{padded, sealed};

impl Interface {
    /// Return the peer of a packet from the TUN, by its destination, and the peer's endpoint. A packet without one is
    /// counted.
    pub fn route(&mut self, packet: &[u8]) -> Option<(PeerId, Endpoint)> {
        let Some(destination) = ip::destination(packet) else {
            self.drops.not_ip += 1;
            return None;
        };
        match self.route_to(destination) {
            Ok(route) => return Some(route),
            Err(NoRoute::NoPeer) => self.drops.no_peer += 1,
            Err(NoRoute::NoEndpoint) => self.drops.no_endpoint += 1,
        }
        None
    }

    /// Return the peer that has an address among its allowed IPs, and the peer's endpoint.
    ///
    /// # Errors
    /// There is none.
    pub fn route_to(&self, destination: IpAddr) -> Result<(PeerId, Endpoint), NoRoute> {
        let id = self.allowed_ips.lookup(destination).ok_or(NoRoute::NoPeer)?;
        let endpoint = self.peers.get(id).ok_or(NoRoute::NoPeer)?.endpoint;
        endpoint.map(|endpoint| (id, endpoint)).ok_or(NoRoute::NoEndpoint)
    }

    /// Return the size of the datagram for a packet of `packet_bytes` to a peer: header, packet, padding and tag.
    #[must_use]
    pub fn datagram_bytes(&self, peer: PeerId, packet_bytes: usize) -> usize {
        sealed(self.padded(peer, packet_bytes))
    }

    /// Seal in place a batch of datagrams for one peer. Each has `stride` octets, except the last, which may be
    /// shorter: space of 16 octets, a packet padded with zeros, space of 16 octets. Return false if there is no
    /// session: they are staged until a handshake is completed.
    pub fn seal(&mut self, id: PeerId, batch: &mut [u8], stride: usize, now: Now) -> bool {
        let datagrams = batch.len().div_ceil(stride) as u64;
        let ready = self.up && self.local.is_some();
        let Some(peer) = self.peers.get_mut(id).filter(|_| ready) else {
            self.drops.not_up += datagrams;
            return false;
        };
        let Some(session) = peer.keypairs.sending(datagrams, now.boot).filter(|_| peer.staged.is_empty()) else {
            peer.stage(batch.chunks(stride).map(|datagram| &datagram[DATA_HEADER_BYTES..datagram.len() - TAG_BYTES]));
            self.send_staged(id, now);
            return false;
        };
        session.seal_batch(self.aead, batch, stride);
        self.sent(id, batch.len(), true, now);
        true
    }

    /// Process a batch of datagrams of one sender, each of `stride` octets except the last, which may be shorter.
    /// Return the packets to deliver.
    pub fn receive_batch(&mut self, from: Endpoint, batch: &mut [u8], stride: usize, now: Now) -> &[Delivered] {
        self.delivered.clear();
        let mut rest = 0..batch.len();
        while !rest.is_empty() {
            let run = rest.start..rest.start + run_bytes(&batch[rest.clone()], stride);
            match kind(&batch[rest.start..run.end.min(rest.start + stride)]) {
                Some(Kind::Data) => self.receive_data(from, batch, run.clone(), stride, now),
                Some(Kind::Initiation | Kind::Response) => self.receive_handshake(from, &batch[run.clone()], now),
                Some(Kind::CookieReply) => self.receive_cookie(&batch[run.clone()], now),
                None => self.drops.malformed += 1,
            }
            rest.start = run.end;
        }
        &self.delivered
    }

    /// Process one datagram. Return the position of the packet in it, if there is one to deliver.
    pub fn receive(&mut self, from: Endpoint, datagram: &mut [u8], now: Now) -> Option<Range<usize>> {
        let length = datagram.len();
        self.receive_batch(from, datagram, length.max(1), now).first().map(|delivered| delivered.packet.clone())
    }

    /// Process the data messages of one session at `run` of `batch`.
    fn receive_data(&mut self, from: Endpoint, batch: &mut [u8], run: Range<usize>, stride: usize, now: Now) {
        let count = run.len().div_ceil(stride) as u64;
        let Some(index) = DataHeader::parse(&batch[run.clone()]).map(|header| header.receiver) else { return };
        let peer = self.peers.indices.owner(index).and_then(|id| Some((id, self.peers.get_mut(id)?)));
        let Some((id, session)) = peer.and_then(|(id, peer)| Some((id, peer.keypairs.by_index(index)?))) else {
            self.drops.no_session += count;
            return;
        };
        let before = self.delivered.len();
        let mut octets = 0;
        let mut drops = self.drops;
        session.open_batch(self.aead, &mut batch[run.clone()], stride, now.boot, |opened| match opened {
            Ok(text) => {
                octets += sealed(text.len()) as u64;
                self.delivered.push(Delivered { peer: id, packet: run.start + text.start..run.start + text.end });
            }
            Err(why) => drops.refuse(why),
        });
        self.drops = drops;
        let opened = self.delivered.len() > before;
        if !opened {
            return;
        }
        let data = self.delivered[before..].iter().any(|delivered| !delivered.packet.is_empty());
        self.opened(id, index, from, octets, data, now);
        self.keep_deliverable(id, before, batch);
    }

    /// Of the plaintexts delivered since `before`, keep the packets whose source is among the peer's allowed IPs.
    fn keep_deliverable(&mut self, id: PeerId, before: usize, batch: &[u8]) {
        let mut kept = before;
        for at in before..self.delivered.len() {
            let text = self.delivered[at].packet.clone();
            if text.is_empty() {
                continue;
            }
            let Some((source, length)) = ip::source_and_length(&batch[text.clone()]) else {
                self.drops.not_ip += 1;
                continue;
            };
            if self.allowed_ips.lookup(source) != Some(id) {
                self.drops.source_not_allowed += 1;
                continue;
            }
            self.delivered[kept].packet = text.start..text.start + length;
            kept += 1;
        }
        self.delivered.truncate(kept);
    }

    /// Account for authentic packets of the session of `index`; `data` is whether any of them is not empty.
    fn opened(&mut self, id: PeerId, index: u32, from: Endpoint, octets: u64, data: bool, now: Now) {
        let Some((peer, indices)) = self.peers.with_indices(id) else { return };
        peer.rx_bytes += octets;
        let confirmed = peer.keypairs.confirm(index, &mut |index| indices.release(index));
        if data {
            peer.timers.data_received(now.boot);
        }
        let worn = peer.keypairs.current().is_some_and(|session| session.needs_renewal_as_receiver(now.boot));
        let renew = worn && !peer.timers.renewed_on_receipt;
        peer.timers.renewed_on_receipt |= renew;
        self.note_endpoint(id, from, now);
        if confirmed {
            self.handshake_completed(id, now);
            self.send_staged(id, now);
        }
        if renew {
            self.initiate(id, false, now);
        }
    }

    /// Send the staged packets of this peer, or else an empty packet.
    pub(crate) fn keep_alive(&mut self, id: PeerId, now: Now) {
        let Some(peer) = self.peers.get_mut(id) else { return };
        // Whether or not this one is sent, the next is due after an interval.
        peer.timers.traversed(now.boot);
        self.schedule.update(id, peer);
        if peer.endpoint.is_none() {
            return;
        }
        if peer.staged.is_empty() {
            peer.stage([[].as_slice()].into_iter());
        }
        self.send_staged(id, now);
    }

    /// Send the staged packets of this peer, or start the handshake that they need.
    pub(crate) fn send_staged(&mut self, id: PeerId, now: Now) {
        while let Some(peer) = self.peers.get_mut(id) {
            let (Some(endpoint), false) = (peer.endpoint, peer.staged.is_empty()) else { return };
            let Some(session) = peer.keypairs.sending(1, now.boot) else {
                return self.initiate(id, false, now);
            };
            let Some(packet) = peer.staged.pop_front() else { return };
            let text = padded(packet.len(), self.mtu.min(peer.path_mtu));
            let mut datagram = vec![0; sealed(text)];
            datagram[DATA_HEADER_BYTES..DATA_HEADER_BYTES + packet.len()].copy_from_slice(&packet);
            let stride = datagram.len();
            session.seal_batch(self.aead, &mut datagram, stride);
            self.sent(id, datagram.len(), !packet.is_empty(), now);
            self.outgoing.push_back(Outgoing { peer: Some(id), endpoint, datagram });
        }
    }

    /// Account for a transport data message of `octets_sent`.
    fn sent(&mut self, id: PeerId, octets_sent: usize, data: bool, now: Now) {
        let Some(peer) = self.peers.get_mut(id) else { return };
        peer.tx_bytes += octets_sent as u64;
        peer.timers.authenticated_sent(now.boot);
        if data {
            peer.timers.data_sent(now.boot, || u64::from_ne_bytes(octets(&mut *self.random)));
        }
        let worn = peer.keypairs.current().is_some_and(|session| session.needs_renewal(now.boot));
        let renew = worn && peer.timers.may_initiate(now.boot);
        self.schedule.update(id, peer);
        if renew {
            self.initiate(id, false, now);
        }
    }
}

/// Return the size of the datagrams at the start of `batch` that are processed together: those of one session, or a
/// single other one.
fn run_bytes(batch: &[u8], stride: usize) -> usize {
    let first = stride.min(batch.len());
    let index = batch.get(..8);
    if kind(&batch[..first]) != Some(Kind::Data) {
        return first;
    }
    let same = |datagram: &&[u8]| datagram.len() >= DATA_OVERHEAD_BYTES && datagram.get(..8) == index;
    batch.chunks(stride).take_while(same).map(<[u8]>::len).sum()
}
