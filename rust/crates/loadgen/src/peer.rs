//! One peer: a key, the protocol state machine, and the packet that it sends.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use proto::change::{AllowedIpChange, InterfaceChange, PeerChange};
use proto::clock::Now;
use proto::key::{KEY_BYTES, PrivateKey, PublicKey};
use proto::{Event, Interface};

use crate::clock::SystemRandom;
use crate::packet::{self, DATAGRAM_BYTES, PACKET_BYTES};

/// The octets from which all private keys are derived.
pub(crate) type Seed = [u8; KEY_BYTES];

/// Octets of a data message before its packet.
const HEADER_BYTES: usize = 16;

/// Return the key of a peer: the seed with its number in the middle, where clamping changes nothing.
pub(crate) fn private_key(seed: &Seed, number: u32) -> PrivateKey {
    let mut octets = *seed;
    octets[8..12].copy_from_slice(&number.to_le_bytes());
    PrivateKey::from_bytes(octets)
}

/// A simulated peer.
pub(crate) struct Peer {
    pub(crate) interface: Interface,
    packet: Vec<u8>,
    /// Completed handshakes.
    pub(crate) sessions: u32,
}

impl Peer {
    pub(crate) fn new(seed: &Seed, number: u32, engine: PublicKey, at: SocketAddr, now: Now) -> Self {
        let mut interface = Interface::new(Box::new(SystemRandom));
        let anywhere = IpAddr::from(Ipv4Addr::UNSPECIFIED);
        let peer = PeerChange {
            endpoint: Some(at),
            allowed_ips: ipnet::IpNet::new(anywhere, 0).map(AllowedIpChange::Add).into_iter().collect(),
            ..PeerChange::new(engine)
        };
        let change = InterfaceChange {
            private_key: Some(Some(private_key(seed, number))),
            peers: vec![peer],
            ..InterfaceChange::default()
        };
        interface.apply(&change, now);
        interface.set_mtu(PACKET_BYTES);
        interface.set_up(now);
        Self { interface, packet: packet::from(packet::inner(number)), sessions: 0 }
    }

    /// Fill `batch`, a whole number of datagrams, with packets and seal it. Return false when there is no session; a
    /// handshake is then started unless one is pending.
    pub(crate) fn seal(&mut self, batch: &mut [u8], now: Now) -> bool {
        for datagram in batch.chunks_mut(DATAGRAM_BYTES) {
            datagram[HEADER_BYTES..][..PACKET_BYTES].copy_from_slice(&self.packet);
        }
        let Some((peer, _)) = self.interface.route(&self.packet) else { return false };
        let sealed = self.interface.seal(peer, batch, DATAGRAM_BYTES, now);
        if !sealed {
            self.interface.process_handshakes(1, now);
        }
        sealed
    }

    /// Count the handshakes completed since the last call.
    pub(crate) fn note_events(&mut self) {
        while let Some(event) = self.interface.take_event() {
            self.sessions += u32::from(matches!(event, Event::HandshakeCompleted { .. }));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// The engine is a second state machine that has the generated peer's public key.
    #[test]
    fn packets_of_a_batch_are_delivered_unchanged() {
        let now = Now { boot: Duration::from_secs(9), unix: Duration::from_secs(1_700_000_000) };
        let at = |host: u8| SocketAddr::from(([192, 0, 2, host], 51820));
        let (seed, key) = ([7; KEY_BYTES], PrivateKey::from_bytes([9; KEY_BYTES]));
        let mut sender = Peer::new(&seed, 3, key.public_key(), at(1), now);
        let mut engine = Interface::new(Box::new(SystemRandom));
        let peer = PeerChange {
            allowed_ips: vec![AllowedIpChange::Add(IpAddr::from(packet::inner(3)).into())],
            ..PeerChange::new(private_key(&seed, 3).public_key())
        };
        let change = InterfaceChange { private_key: Some(Some(key)), peers: vec![peer], ..Default::default() };
        engine.apply(&change, now);
        engine.set_up(now);

        let mut batch = vec![0; 2 * DATAGRAM_BYTES];
        assert!(!sender.seal(&mut batch[..DATAGRAM_BYTES], now));
        let mut initiation = sender.interface.take_outgoing().expect("a handshake is started").datagram;
        engine.receive(at(2).into(), &mut initiation, now);
        engine.process_handshakes(1, now);
        let mut response = engine.take_outgoing().expect("the initiation is answered").datagram;
        sender.interface.receive(at(1).into(), &mut response, now);
        sender.interface.process_handshakes(1, now);
        sender.note_events();
        assert_eq!(sender.sessions, 1);

        assert!(sender.seal(&mut batch, now));
        let delivered = engine.receive_batch(at(2).into(), &mut batch, DATAGRAM_BYTES, now).to_vec();
        assert_eq!(delivered.len(), 2);
        assert!(delivered.into_iter().all(|delivered| batch[delivered.packet] == *sender.packet));
    }
}
