//! Packets of any kind from the TUN: sealed or counted, and opened to the same octets by the peer.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use proto::Interface;
use proto::change::{AllowedIpChange, InterfaceChange, PeerChange};
use proto::clock::Now;
use proto::endpoint::Endpoint;
use proto::key::PrivateKey;
use proto::status::Drops;

use crate::path::chosen;
use crate::random::Dice;
use crate::script::Script;

const NOW: Now = Now { boot: Duration::from_secs(1000), unix: Duration::from_secs(1_700_000_000) };
const HEADER: usize = 16;
/// Header and tag of a data message.
const OVERHEAD: usize = 32;

/// Run with flags, an MTU and a packet, of which a batch is made.
pub fn run(octets: &[u8]) {
    let mut script = Script(octets);
    let (variant, mtu) = (script.octet(), usize::from(script.short()));
    let (everything, count) = (variant & 1 == 0, 1 + usize::from(script.octet() % 40));
    let packet = script.take(usize::MAX);
    let [mut near, mut far] = [0, 1].map(|host| host_with_all(host, everything));
    connect(&mut near, &mut far);
    near.set_aead(chosen(variant >> 1));
    far.set_aead(chosen(variant >> 3));
    near.set_mtu(mtu);
    let Some(batch) = seal(&mut near, packet, mtu, count, everything) else { return };
    open(&mut far, packet, batch, count, everything);
}

/// Return a host whose peer has every address, or the half with a zero first bit.
fn host_with_all(host: u8, everything: bool) -> Interface {
    let mut interface = Interface::new(Box::new(Dice(host.into())));
    let length = u8::from(!everything);
    let prefixes = [
        ipnet::IpNet::new(Ipv4Addr::UNSPECIFIED.into(), length),
        ipnet::IpNet::new(Ipv6Addr::UNSPECIFIED.into(), length),
    ];
    let peer = PeerChange {
        endpoint: Some(address(1 - host)),
        allowed_ips: prefixes.into_iter().flatten().map(AllowedIpChange::Add).collect(),
        ..PeerChange::new(PrivateKey::from_bytes([2 - host; 32]).public_key())
    };
    let private_key = Some(Some(PrivateKey::from_bytes([host + 1; 32])));
    interface.apply(&InterfaceChange { private_key, peers: vec![peer], ..InterfaceChange::default() }, NOW);
    interface.set_up(NOW);
    interface
}

fn address(host: u8) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, host], 51820))
}

/// Establish a session by a first packet.
fn connect(near: &mut Interface, far: &mut Interface) {
    let mut first = [0; HEADER + 20 + 16];
    first[HEADER] = 0x45;
    let (peer, _) = near.route(&first[HEADER..HEADER + 20]).expect("a route to the only peer");
    assert!(!near.seal(peer, &mut first, 52, NOW), "sealed without a session");
    for _ in 0..2 {
        pour(near, far, Endpoint::from(address(0)));
        pour(far, near, Endpoint::from(address(1)));
    }
}

fn pour(from: &mut Interface, to: &mut Interface, place: Endpoint) {
    from.process_handshakes(1, NOW);
    while let Some(mut outgoing) = from.take_outgoing() {
        to.receive(place, &mut outgoing.datagram, NOW);
        to.process_handshakes(1, NOW);
    }
}

/// Return `count` datagrams that carry `packet`, or none for a packet without a peer, which is counted.
fn seal(near: &mut Interface, packet: &[u8], mtu: usize, count: usize, everything: bool) -> Option<Vec<u8>> {
    let before = near.status().drops;
    let routed = near.route(packet);
    let expected = match Fields::of(packet) {
        None => Drops { not_ip: before.not_ip + 1, ..before },
        Some(fields) if !everything && fields.destination >= 0x80 => Drops { no_peer: before.no_peer + 1, ..before },
        Some(_) => before,
    };
    assert_eq!((near.status().drops, routed.is_some()), (expected, expected == before));
    let (peer, _) = routed?;
    let datagram_bytes = near.datagram_bytes(peer, packet.len());
    assert_eq!(datagram_bytes, padded(packet.len(), mtu) + OVERHEAD, "padded otherwise");
    let mut batch = vec![0; datagram_bytes * count];
    for datagram in batch.chunks_mut(datagram_bytes) {
        datagram[HEADER..HEADER + packet.len()].copy_from_slice(packet);
    }
    assert!(near.seal(peer, &mut batch, datagram_bytes, NOW), "not sealed in spite of a session");
    Some(batch)
}

/// Pad to 16 octets, but not beyond the next multiple of the MTU; 0 is unknown.
fn padded(length: usize, mtu: usize) -> usize {
    let last = if mtu == 0 || length <= mtu { length } else { length % mtu };
    let room = if mtu == 0 { usize::MAX } else { mtu - last };
    length + ((16 - last % 16) % 16).min(room)
}

fn open(far: &mut Interface, packet: &[u8], mut batch: Vec<u8>, count: usize, everything: bool) {
    let Some(Fields { source, length, .. }) = Fields::of(packet) else { unreachable!("it was routed") };
    let stride = batch.len() / count;
    let mut padded = packet.to_vec();
    padded.resize(stride - OVERHEAD, 0);
    let whole = (20..=padded.len()).contains(&length) && (everything || source < 0x80);
    let delivered = far.receive_batch(Endpoint::from(address(0)), &mut batch, stride, NOW).to_vec();
    assert_eq!(delivered.len(), if whole { count } else { 0 });
    for each in delivered {
        assert_eq!(batch[each.packet], padded[..length]);
    }
}

/// The first octets of the addresses of an IP packet, and its claimed length.
struct Fields {
    destination: u8,
    source: u8,
    length: usize,
}

impl Fields {
    fn of(packet: &[u8]) -> Option<Self> {
        let short = |at: usize| usize::from(packet[at]) << 8 | usize::from(packet[at + 1]);
        match packet.len() {
            20.. if packet[0] >> 4 == 4 => Some(Self { destination: packet[16], source: packet[12], length: short(2) }),
            40.. if packet[0] >> 4 == 6 => {
                Some(Self { destination: packet[24], source: packet[8], length: short(4) + 40 })
            }
            _ => None,
        }
    }
}
