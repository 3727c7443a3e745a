//! Prefixes are added, moved and removed, and compared with a plain list: the prefixes of each peer, and the peer of a
//! packet.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use ipnet::IpNet;
use proto::Interface;
use proto::change::{AllowedIpChange, InterfaceChange, PeerChange};
use proto::clock::Now;
use proto::key::{PrivateKey, PublicKey};

use crate::random::Dice;
use crate::script::Script;

const PEERS: u8 = 4;
const STEPS: usize = 200;
/// Queries of the peer of a packet; each costs a handshake.
const QUESTIONS: usize = 8;
/// After this time a peer may be sent a first message again (section 6.1).
const BETWEEN_QUESTIONS: Duration = Duration::from_secs(6);

struct Table {
    interface: Interface,
    boot: Duration,
    /// In the order in which they were added.
    model: Vec<(IpNet, u8)>,
    /// The existing peers, in the order in which they were created.
    peers: Vec<u8>,
}

/// Run the steps that `octets` encode.
pub fn run(octets: &[u8]) {
    let (mut script, mut table) = (Script(octets), Table::new());
    let mut questions = 0;
    for _ in 0..STEPS {
        if script.is_over() {
            break;
        }
        let (what, peer) = (script.octet(), script.octet() % PEERS);
        match what % 8 {
            0..=2 => table.change(peer, Some(AllowedIpChange::Add(prefix(&mut script))), false),
            3 => table.change(peer, Some(AllowedIpChange::Remove(prefix(&mut script))), false),
            4 => table.change(peer, Some(AllowedIpChange::Add(prefix(&mut script))), true),
            5 => table.remove(peer),
            6 => table.replace(peer),
            _ if questions < QUESTIONS => {
                questions += 1;
                table.ask(prefix(&mut script).addr());
            }
            _ => {}
        }
        table.compare();
    }
}

fn key(peer: u8) -> PublicKey {
    PrivateKey::from_bytes([peer + 1; 32]).public_key()
}

fn endpoint(peer: u8) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, peer], 51820))
}

/// Return an address of few distinct bits at both ends, so that prefixes nest and collide, or of any bits.
fn prefix(script: &mut Script<'_>) -> IpNet {
    let (variant, length) = (script.octet(), script.octet());
    let [high, low] = [script.octet(), script.octet()].map(u128::from);
    let bits = match variant >> 1 & 3 {
        0 => high << 120,
        1 => low,
        2 => high << 120 | low,
        _ => script.take(16).iter().fold(0, |bits, octet| bits << 8 | u128::from(*octet)),
    };
    let (address, most): (IpAddr, u8) = if variant & 1 == 0 {
        (Ipv4Addr::from_bits((bits >> 96) as u32 | bits as u32).into(), 32)
    } else {
        (Ipv6Addr::from_bits(bits).into(), 128)
    };
    IpNet::new(address, length % (most + 1)).expect("no longer than its address")
}

impl Table {
    fn new() -> Self {
        let mut interface = Interface::new(Box::new(Dice(1)));
        let boot = Duration::from_secs(1000);
        let private_key = Some(Some(PrivateKey::from_bytes([0x77; 32])));
        interface.apply(&InterfaceChange { private_key, ..InterfaceChange::default() }, Now { boot, unix: boot });
        interface.set_up(Now { boot, unix: boot });
        Self { interface, boot, model: Vec::new(), peers: Vec::new() }
    }

    fn apply(&mut self, peer: PeerChange, replace_peers: bool) {
        let now = Now { boot: self.boot, unix: self.boot };
        let change = InterfaceChange { replace_peers, peers: vec![peer], ..InterfaceChange::default() };
        self.interface.apply(&change, now);
    }

    fn change(&mut self, peer: u8, prefix: Option<AllowedIpChange>, replace_allowed_ips: bool) {
        let allowed_ips = prefix.into_iter().collect();
        let named = PeerChange { endpoint: Some(endpoint(peer)), ..PeerChange::new(key(peer)) };
        self.apply(PeerChange { allowed_ips, replace_allowed_ips, ..named }, false);
        if !self.peers.contains(&peer) {
            self.peers.push(peer);
        }
        if replace_allowed_ips {
            self.model.retain(|(_, owner)| *owner != peer);
        }
        match prefix {
            Some(AllowedIpChange::Add(prefix)) if !self.model.contains(&(prefix.trunc(), peer)) => {
                self.model.retain(|(had, _)| *had != prefix.trunc());
                self.model.push((prefix.trunc(), peer));
            }
            Some(AllowedIpChange::Remove(prefix)) => self.model.retain(|entry| *entry != (prefix.trunc(), peer)),
            _ => {}
        }
    }

    fn remove(&mut self, peer: u8) {
        self.apply(PeerChange { remove: true, ..PeerChange::new(key(peer)) }, false);
        self.peers.retain(|had| *had != peer);
        self.model.retain(|(_, owner)| *owner != peer);
    }

    fn replace(&mut self, peer: u8) {
        self.apply(PeerChange { endpoint: Some(endpoint(peer)), ..PeerChange::new(key(peer)) }, true);
        (self.peers, self.model) = (vec![peer], Vec::new());
    }

    /// Compare the status with the list.
    fn compare(&self) {
        let status = self.interface.status();
        let told: Vec<_> = status.peers.iter().map(|peer| (peer.public_key, peer.allowed_ips.clone())).collect();
        let prefixes =
            |peer| self.model.iter().filter(|(_, owner)| *owner == peer).map(|(prefix, _)| *prefix).collect();
        let expected: Vec<_> = self.peers.iter().map(|peer| (key(*peer), prefixes(*peer))).collect();
        assert_eq!(told, expected);
    }

    /// Send a packet to `address`: only the peer with the longest matching prefix is sent an initiation.
    fn ask(&mut self, address: IpAddr) {
        self.boot += BETWEEN_QUESTIONS;
        let mut datagram = [0; 16 + 40 + 16];
        let packet = &mut datagram[16..56];
        match address {
            IpAddr::V4(address) => {
                packet[0] = 0x45;
                packet[16..20].copy_from_slice(&address.octets());
            }
            IpAddr::V6(address) => {
                packet[0] = 0x60;
                packet[24..40].copy_from_slice(&address.octets());
            }
        }
        let routed = self.interface.route(packet);
        if let Some((peer, _)) = routed {
            let now = Now { boot: self.boot, unix: self.boot };
            assert!(!self.interface.seal(peer, &mut datagram, 72, now), "sealed without a session");
            self.interface.process_handshakes(1, now);
        }
        let called: Vec<_> =
            std::iter::from_fn(|| self.interface.take_outgoing()).map(|outgoing| outgoing.endpoint.remote).collect();
        let holders = self.model.iter().filter(|(prefix, _)| prefix.contains(&address));
        let owner = holders.max_by_key(|(prefix, _)| prefix.prefix_len()).map(|(_, owner)| endpoint(*owner));
        assert_eq!(routed.map(|(_, endpoint)| endpoint.remote), owner);
        assert_eq!(called, Vec::from_iter(owner));
    }
}
