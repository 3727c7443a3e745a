//! From the inner side to the network: route, seal, send.

use std::net::IpAddr;

use proto::clock::Now;
use proto::message::DATA_HEADER_BYTES;
use proto::{Interface, NoRoute, PeerId};

use crate::place::{Place, Route};
use crate::udp::{Outbox, Sockets};

/// The transmit path.
pub(crate) struct Outbound {
    pub(crate) outbox: Outbox<PeerId>,
    /// Datagrams that the kernel did not send.
    pub(crate) refused: u64,
}

impl Outbound {
    pub(crate) fn new() -> Self {
        Self { outbox: Outbox::new(), refused: 0 }
    }

    /// Begin a turn: what is put into the place is sent by [`Turn::end`] at the latest. Without sockets it is dropped.
    pub(crate) fn turn<'a>(
        &'a mut self,
        interface: &'a mut Interface,
        sockets: Option<&'a Sockets>,
        now: Now,
    ) -> Turn<'a> {
        Turn { outbound: self, interface, sockets, now, sent: false }
    }
}

/// One turn of the inner side, whose packets are sealed in the outbox.
pub(crate) struct Turn<'a> {
    outbound: &'a mut Outbound,
    interface: &'a mut Interface,
    sockets: Option<&'a Sockets>,
    now: Now,
    /// Whether the outbox became full and was sent.
    sent: bool,
}

impl Turn<'_> {
    /// Send what is left.
    pub(crate) fn end(mut self) {
        self.send();
    }

    fn send(&mut self) {
        let Self { outbound: Outbound { outbox, refused }, interface, sockets, now, .. } = self;
        if outbox.is_empty() {
            return;
        }
        outbox.prepare(|peer, batch, stride| interface.seal(peer, batch, stride, *now));
        match sockets {
            Some(sockets) => {
                let report = outbox.flush(sockets, |peer| interface.forget_source(peer));
                *refused += report.failed as u64;
            }
            None => outbox.clear(),
        }
    }
}

impl Place for Turn<'_> {
    fn route(&mut self, packet: &[u8]) -> Option<Route> {
        self.interface.route(packet).map(|(peer, endpoint)| Route { peer, endpoint })
    }

    fn route_to(&self, destination: IpAddr) -> Result<Route, NoRoute> {
        self.interface.route_to(destination).map(|(peer, endpoint)| Route { peer, endpoint })
    }

    fn room(&mut self, route: Route, packet_bytes: usize) -> Option<&mut [u8]> {
        let datagram_bytes = self.interface.datagram_bytes(route.peer, packet_bytes);
        if !self.outbound.outbox.has_room(datagram_bytes) {
            self.send();
            self.sent = true;
        }
        let room = self.outbound.outbox.room(route.peer, route.endpoint, datagram_bytes)?;
        let (packet, rest) = room[DATA_HEADER_BYTES..].split_at_mut(packet_bytes);
        rest.fill(0);
        Some(packet)
    }

    fn queued(&self) -> usize {
        self.outbound.outbox.len()
    }

    fn has_room(&self, bytes: usize) -> bool {
        !self.sent && self.outbound.outbox.has_room(bytes)
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use proto::change::{AllowedIpChange, InterfaceChange, PeerChange};
    use proto::key::PrivateKey;

    use super::*;
    use crate::clock::{SystemRandom, now};

    const PEER: [u8; 4] = [10, 0, 0, 2];

    /// Return an interface with one peer.
    fn interface() -> Interface {
        let mut interface = Interface::new(Box::new(SystemRandom));
        interface.set_mtu(1420);
        let peer = PeerChange {
            endpoint: Some(([127, 0, 0, 1], 9).into()),
            allowed_ips: vec![AllowedIpChange::Add(IpAddr::from(PEER).into())],
            ..PeerChange::new(PrivateKey::from_bytes([2; 32]).public_key())
        };
        interface.apply(&InterfaceChange { peers: vec![peer], ..InterfaceChange::default() }, now());
        interface
    }

    /// Return a packet to that peer.
    fn packet() -> [u8; 20] {
        let mut packet = [0; 20];
        packet[0] = 0x45;
        packet[16..].copy_from_slice(&PEER);
        packet
    }

    #[test]
    fn a_turn_is_over_once_a_full_batch_was_sent() {
        let (mut interface, mut outbound) = (interface(), Outbound::new());
        let mut turn = outbound.turn(&mut interface, None, now());
        let route = turn.route(&packet()).unwrap();
        let mut placed = 0;
        while turn.has_room(1500) {
            turn.room(route, 1400).unwrap();
            placed += 1;
        }
        assert!(placed > 100 && turn.queued() > 100 * 1400, "only {placed} packets in a batch");
        while turn.has_room(0) {
            turn.room(route, 1400).unwrap();
        }
        assert_eq!(turn.queued(), 16 + 1408 + 16, "the packet after those that were sent");
        assert!(turn.room(route, 1 << 20).is_none(), "larger than a batch");
        turn.end();
        assert!(outbound.outbox.is_empty());
        assert!(outbound.turn(&mut interface, None, now()).has_room(1500));
    }

    #[test]
    fn a_packet_is_padded_with_zeros_where_others_were_before() {
        let (mut interface, mut outbound) = (interface(), Outbound::new());
        for (bytes, padded) in [(1400, 1408), (21, 32)] {
            let mut turn = outbound.turn(&mut interface, None, now());
            let route = turn.route(&packet()).unwrap();
            turn.room(route, bytes).unwrap().fill(0xff);
            outbound.outbox.prepare(|_, batch, _| {
                assert_eq!(batch.len(), 16 + padded + 16);
                assert!(batch[16..16 + bytes].iter().all(|octet| *octet == 0xff));
                assert!(batch[16 + bytes..16 + padded].iter().all(|octet| *octet == 0));
                batch.fill(0xff);
                true
            });
            outbound.outbox.clear();
        }
    }
}
