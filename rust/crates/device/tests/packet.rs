//! Joining and cutting are each other's inverse, whatever comes: no packet lost, changed, doubled or overtaken by one of
//! its own flow.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "what cannot be set up is a failure of its own"
)]

use device::packet::coalesce::{Coalescer, Kinds, Refused, Sink};
use device::packet::split::Split;
use device::packet::virtio::{Gso, HEADER_BYTES, Virtio};
use proptest::prelude::*;

/// What distinguishes one packet of a stream from the next.
#[derive(Debug, Clone)]
struct Shape {
    v6: bool,
    tcp: bool,
    flow: u8,
    payload: usize,
    flags: u8,
    /// Oddities, each rare.
    odd: Odd,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Odd {
    Nothing,
    Congestion,
    Options,
    Fragment,
    BadChecksum,
    BadIpChecksum,
    NoUdpChecksum,
    OutOfOrder,
    OtherTtl,
    OtherWindow,
    Icmp,
    CutShort,
    AtomicWithoutIdentification,
}

fn odd() -> impl Strategy<Value = Odd> {
    prop_oneof![
        30 => Just(Odd::Nothing),
        6 => Just(Odd::AtomicWithoutIdentification),
        1 => Just(Odd::Congestion), 1 => Just(Odd::Options), 1 => Just(Odd::Fragment), 1 => Just(Odd::BadChecksum),
        1 => Just(Odd::BadIpChecksum), 1 => Just(Odd::NoUdpChecksum), 1 => Just(Odd::OutOfOrder),
        1 => Just(Odd::OtherTtl), 1 => Just(Odd::OtherWindow), 1 => Just(Odd::Icmp), 1 => Just(Odd::CutShort),
    ]
}

fn shapes() -> impl Strategy<Value = Vec<Shape>> {
    let payload = prop_oneof![8 => Just(1368usize), 2 => Just(500), 2 => 0usize..1400, 1 => Just(9000)];
    let flags = prop_oneof![12 => Just(0x10u8), 3 => Just(0x18), 1 => any::<u8>()];
    let shape = (any::<bool>(), any::<bool>(), 0u8..3, payload, flags, odd())
        .prop_map(|(v6, tcp, flow, payload, flags, odd)| Shape { v6, tcp, flow, payload, flags, odd });
    // Runs of one shape, as bulk traffic has them, are what is joined.
    prop::collection::vec((shape, 1usize..90), 1..12)
        .prop_map(|runs| runs.into_iter().flat_map(|(shape, times)| std::iter::repeat_n(shape, times)).collect())
}

/// Makes the packets of a stream: sequence numbers and identifications go on within each flow.
#[derive(Default)]
struct Stream {
    sequence: [u32; 16],
    identification: [u16; 16],
    made: u32,
}

impl Stream {
    fn packet(&mut self, shape: &Shape) -> Vec<u8> {
        self.made += 1;
        let slot = usize::from(shape.flow) * 4 + usize::from(shape.v6) * 2 + usize::from(shape.tcp);
        let mut transport = self.transport(shape, slot);
        let protocol = if shape.odd == Odd::Icmp {
            1
        } else if shape.tcp {
            6
        } else {
            17
        };
        let mut packet = if shape.v6 {
            ipv6(shape, protocol, transport.len())
        } else {
            self.ipv4(shape, slot, protocol, transport.len())
        };
        if shape.odd != Odd::NoUdpChecksum || shape.tcp {
            let addresses = if shape.v6 { 8..40 } else { 12..20 };
            let mut covered = packet[addresses].to_vec();
            covered.extend([0, protocol]);
            covered.extend((transport.len() as u16).to_be_bytes());
            covered.extend(&transport);
            let field = if shape.tcp { 16 } else { 6 };
            let sum = match checksum(&covered) {
                0 => 0xffff,
                sum => sum,
            };
            transport[field..field + 2].copy_from_slice(&sum.to_be_bytes());
        }
        if shape.odd == Odd::BadChecksum {
            *transport.last_mut().unwrap() ^= 1;
        }
        packet.extend(transport);
        if shape.odd == Odd::CutShort {
            packet.pop();
        }
        packet
    }

    fn transport(&mut self, shape: &Shape, slot: usize) -> Vec<u8> {
        let mut transport = Vec::new();
        transport.extend((1000 + u16::from(shape.flow)).to_be_bytes());
        transport.extend(2000u16.to_be_bytes());
        if shape.tcp {
            if shape.odd == Odd::OutOfOrder {
                self.sequence[slot] = self.sequence[slot].wrapping_sub(77);
            }
            transport.extend(self.sequence[slot].to_be_bytes());
            self.sequence[slot] = self.sequence[slot].wrapping_add(shape.payload as u32);
            transport.extend(5u32.to_be_bytes());
            transport.extend([0x80, shape.flags]);
            transport.extend(if shape.odd == Odd::OtherWindow { [1, 1] } else { [2, 2] });
            transport.extend([0, 0, 0, 0, 1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2]);
            transport.drain(16 + 16..);
        } else {
            transport.extend(((8 + shape.payload) as u16).to_be_bytes());
            transport.extend([0, 0]);
        }
        // Each payload differs, so that a mix-up shows.
        let text = self.made.to_be_bytes();
        transport.extend((0..shape.payload).map(|at| text[at % 4].wrapping_add(at as u8)));
        transport
    }

    fn ipv4(&mut self, shape: &Shape, slot: usize, protocol: u8, transport: usize) -> Vec<u8> {
        let options = if shape.odd == Odd::Options { 4 } else { 0 };
        let atomic = shape.odd == Odd::AtomicWithoutIdentification;
        let identification = if atomic { 0 } else { self.identification[slot] };
        self.identification[slot] = self.identification[slot].wrapping_add(1);
        let mut ip = vec![0x45 + options as u8 / 4, u8::from(shape.odd == Odd::Congestion) * 3];
        ip.extend(((20 + options + transport) as u16).to_be_bytes());
        ip.extend(identification.to_be_bytes());
        ip.extend(if shape.odd == Odd::Fragment { [0x20, 0] } else { [0x40, 0] });
        ip.extend([if shape.odd == Odd::OtherTtl { 9 } else { 64 }, protocol, 0, 0]);
        ip.extend([10, 0, 0, 1, 10, 0, 0, 2]);
        ip.extend(vec![1; options]);
        let sum = checksum(&ip);
        ip[10..12].copy_from_slice(&sum.to_be_bytes());
        if shape.odd == Odd::BadIpChecksum {
            ip[10] ^= 1;
        }
        ip
    }
}

fn ipv6(shape: &Shape, protocol: u8, transport: usize) -> Vec<u8> {
    let mut ip = vec![0x60, u8::from(shape.odd == Odd::Congestion) * 0x30, 0, 7];
    ip.extend((transport as u16).to_be_bytes());
    ip.extend([protocol, if shape.odd == Odd::OtherTtl { 9 } else { 64 }]);
    ip.extend([0xfd; 16]);
    ip.extend([0xfc; 16]);
    ip
}

fn checksum(octets: &[u8]) -> u16 {
    let mut sum: u32 =
        octets.chunks(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], *pair.get(1).unwrap_or(&0)]))).sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

/// The kernel's end of the TUN: takes joined packets apart again, or refuses them.
#[derive(Default)]
struct Kernel {
    packets: Vec<Vec<u8>>,
    writes: usize,
    refuses: bool,
}

impl Sink for Kernel {
    fn write(&mut self, gso: Gso, parts: &[&[u8]]) -> Result<(), Refused> {
        let header = Virtio::parse(parts[0].try_into().unwrap()).unwrap();
        assert_eq!((parts[0].len(), gso), (HEADER_BYTES, header.gso));
        if self.refuses && header.gso != Gso::None {
            return Err(Refused);
        }
        self.writes += 1;
        let packet = parts[1..].concat();
        assert!(packet.len() <= 65_535);
        let split = Split::plan(&header, &packet).expect("a header that fits");
        for number in 0..split.count() {
            let mut out = vec![0; split.length(number)];
            split.write(number, &packet, &mut out);
            self.packets.push(out);
        }
        Ok(())
    }
}

fn deliver(packets: &[Vec<u8>], kinds: Kinds, refuses: bool) -> Kernel {
    let (mut coalescer, mut kernel) = (Coalescer::new(), Kernel { refuses, ..Kernel::default() });
    let storage = packets.concat();
    let mut start = 0;
    for packet in packets {
        coalescer.add(&storage, start..start + packet.len(), kinds, &mut kernel);
        start += packet.len();
    }
    coalescer.flush(&storage, &mut kernel);
    kernel
}

/// What the order is kept of: the addresses and ports of a packet, if it has them.
fn flow(packet: &[u8]) -> Vec<u8> {
    if packet[0] == 0x45 && packet[6] & 0x20 == 0 {
        [&packet[9..10], &packet[12..24]].concat()
    } else if packet[0] >> 4 == 6 {
        [&packet[6..7], &packet[8..44]].concat()
    } else {
        Vec::new()
    }
}

/// Without the identification of atomic datagrams, which means nothing (RFC 6864), and so without its checksum.
fn comparable(packet: &[u8]) -> Vec<u8> {
    let mut packet = packet.to_vec();
    if packet[0] == 0x45 && packet[6] == 0x40 && checksum(&packet[..20]) == 0 {
        packet[4..6].fill(0);
        packet[10..12].fill(0);
    }
    packet
}

const BOTH: Kinds = Kinds { tcp: true, udp: true };

proptest! {
    #![proptest_config(ProptestConfig::with_cases(std::env::var("PROPTEST_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(200)))]

    #[test]
    fn what_was_joined_is_cut_into_the_same_packets(shapes in shapes(), kinds in (any::<bool>(), any::<bool>()), refuses: bool) {
        let mut stream = Stream::default();
        let packets: Vec<_> = shapes.iter().map(|shape| stream.packet(shape)).collect();
        let kernel = deliver(&packets, Kinds { tcp: kinds.0, udp: kinds.1 }, refuses);
        prop_assert_eq!(kernel.packets.len(), packets.len());
        for one in packets.iter().map(|packet| flow(packet)).collect::<std::collections::HashSet<_>>() {
            let of_flow = |all: &[Vec<u8>]| all.iter().filter(|p| flow(p) == one).map(|p| comparable(p)).collect::<Vec<_>>();
            prop_assert!(of_flow(&packets) == of_flow(&kernel.packets), "a flow of {} arrived otherwise", of_flow(&packets).len());
        }
    }

    #[test]
    fn a_header_that_lies_is_refused_not_believed(header: [u8; 10], packet in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Some(split) = Virtio::parse(header).and_then(|header| Split::plan(&header, &packet)) {
            for number in 0..split.count() {
                let mut out = vec![0; split.length(number)];
                split.write(number, &packet, &mut out);
            }
        }
    }
}

#[test]
fn bulk_is_joined_as_far_as_one_packet_can_hold() {
    for (v6, tcp) in [(false, true), (true, true), (false, false), (true, false)] {
        let shape = Shape { v6, tcp, flow: 0, payload: 1368, flags: 0x10, odd: Odd::Nothing };
        let mut stream = Stream::default();
        let packets: Vec<_> = (0..94).map(|_| stream.packet(&shape)).collect();
        let kernel = deliver(&packets, BOTH, false);
        assert_eq!((kernel.packets == packets, kernel.writes), (true, 2), "v6 {v6} tcp {tcp}");
    }
}

#[test]
fn interleaved_flows_are_joined_each_by_itself() {
    let mut stream = Stream::default();
    let packets: Vec<_> = (0..120)
        .map(|number| {
            stream.packet(&Shape {
                v6: false,
                tcp: true,
                flow: number % 3,
                payload: 1368,
                flags: 0x10,
                odd: Odd::Nothing,
            })
        })
        .collect();
    assert_eq!(deliver(&packets, BOTH, false).writes, 3);
}
