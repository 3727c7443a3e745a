//! One peer: a key, a machine, and the packet that it sends.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use proto::change::{AllowedIpChange, InterfaceChange, PeerChange};
use proto::clock::Now;
use proto::key::{KEY_BYTES, PrivateKey, PublicKey};
use proto::{Event, Interface};

use crate::clock::SystemRandom;
use crate::packet::{self, DATAGRAM_BYTES, PACKET_BYTES};

/// What all private keys of a crowd are made from.
pub(crate) type Seed = [u8; KEY_BYTES];

/// Octets of a data message before its packet.
const HEADER_BYTES: usize = 16;

/// The key of a member: the seed, with its number in the middle, where clamping changes nothing.
pub(crate) fn private_key(seed: &Seed, number: u32) -> PrivateKey {
    let mut octets = *seed;
    octets[8..12].copy_from_slice(&number.to_le_bytes());
    PrivateKey::from_bytes(octets)
}

/// See the module.
pub(crate) struct Member {
    pub(crate) interface: Interface,
    packet: Vec<u8>,
    /// Handshakes done.
    pub(crate) sessions: u32,
}

impl Member {
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

    /// Fills `train`, a whole number of datagrams, with packets, and seals it. False if there is no session to send it
    /// under: then a handshake has begun, if none had.
    pub(crate) fn seal(&mut self, train: &mut [u8], now: Now) -> bool {
        for datagram in train.chunks_mut(DATAGRAM_BYTES) {
            datagram[HEADER_BYTES..][..PACKET_BYTES].copy_from_slice(&self.packet);
        }
        let Some((peer, _)) = self.interface.route(&self.packet) else { return false };
        let sealed = self.interface.seal(peer, train, DATAGRAM_BYTES, now);
        if !sealed {
            self.interface.work_off_handshakes(1, now);
        }
        sealed
    }

    /// Counts the handshakes done since it was last asked.
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

    /// A member and a machine with its key as peer: the packets of a train come out as they went in.
    #[test]
    fn what_a_member_sends_is_delivered() {
        let now = Now { boot: Duration::from_secs(9), unix: Duration::from_secs(1_700_000_000) };
        let at = |host: u8| SocketAddr::from(([192, 0, 2, host], 51820));
        let (seed, key) = ([7; KEY_BYTES], PrivateKey::from_bytes([9; KEY_BYTES]));
        let mut member = Member::new(&seed, 3, key.public_key(), at(1), now);
        let mut engine = Interface::new(Box::new(SystemRandom));
        let peer = PeerChange {
            allowed_ips: vec![AllowedIpChange::Add(IpAddr::from(packet::inner(3)).into())],
            ..PeerChange::new(private_key(&seed, 3).public_key())
        };
        let change = InterfaceChange { private_key: Some(Some(key)), peers: vec![peer], ..Default::default() };
        engine.apply(&change, now);
        engine.set_up(now);

        let mut train = vec![0; 2 * DATAGRAM_BYTES];
        assert!(!member.seal(&mut train[..DATAGRAM_BYTES], now));
        let mut initiation = member.interface.take_outgoing().expect("a handshake has begun").datagram;
        engine.receive(at(2).into(), &mut initiation, now);
        engine.work_off_handshakes(1, now);
        let mut response = engine.take_outgoing().expect("it is answered").datagram;
        member.interface.receive(at(1).into(), &mut response, now);
        member.interface.work_off_handshakes(1, now);
        member.note_events();
        assert_eq!(member.sessions, 1);

        assert!(member.seal(&mut train, now));
        let delivered = engine.receive_train(at(2).into(), &mut train, DATAGRAM_BYTES, now).to_vec();
        assert_eq!(delivered.len(), 2);
        assert!(delivered.into_iter().all(|packet| train[packet] == *member.packet));
    }
}
