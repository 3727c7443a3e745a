//! Coalescing and splitting are inverse for all input: no packet is lost, changed, duplicated or overtaken by one of
//! its own flow.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "what cannot be set up is a failure of its own"
)]

use device::packet::coalesce::{Coalescer, Kinds, Refused, Sink};
use device::packet::split::Split;
use device::packet::virtio::{Checksum, Gso, HEADER_BYTES, Virtio};
use proptest::prelude::*;

/// What distinguishes one packet of a stream from the next.
#[derive(Debug, Clone)]
struct Shape {
    v6: bool,
    tcp: bool,
    flow: u8,
    payload: usize,
    flags: u8,
    /// A rare variation.
    odd: Odd,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Odd {
    Nothing,
    /// ECN marks that alternate (RFC 3168).
    Congestion,
    /// IPv4 options, or an IPv6 extension header.
    Options,
    /// First, middle and last ones.
    Fragment,
    BadChecksum,
    BadIpChecksum,
    NoUdpChecksum,
    OutOfOrder,
    OtherTtl,
    OtherWindow,
    OtherAcknowledgement,
    OtherTimestamp,
    SelectiveAcknowledgement,
    UrgentPointer,
    OtherLabel,
    /// The UDP length is less than the packet.
    ShortLength,
    /// A TCP header that ends beyond the packet.
    LongHeader,
    MayFragment,
    ConstantIdentification,
    Icmp,
    Esp,
    CutShort,
    AtomicWithoutIdentification,
}

const ODDITIES: [Odd; 21] = [
    Odd::Congestion,
    Odd::Options,
    Odd::Fragment,
    Odd::BadChecksum,
    Odd::BadIpChecksum,
    Odd::NoUdpChecksum,
    Odd::OutOfOrder,
    Odd::OtherTtl,
    Odd::OtherWindow,
    Odd::OtherAcknowledgement,
    Odd::OtherTimestamp,
    Odd::SelectiveAcknowledgement,
    Odd::UrgentPointer,
    Odd::OtherLabel,
    Odd::ShortLength,
    Odd::LongHeader,
    Odd::MayFragment,
    Odd::ConstantIdentification,
    Odd::Icmp,
    Odd::Esp,
    Odd::CutShort,
];

fn odd() -> impl Strategy<Value = Odd> {
    prop_oneof![
        30 => Just(Odd::Nothing),
        6 => Just(Odd::AtomicWithoutIdentification),
        20 => prop::sample::select(&ODDITIES[..]),
    ]
}

fn shapes() -> impl Strategy<Value = Vec<Shape>> {
    let payload = prop_oneof![8 => Just(1368usize), 2 => Just(500), 2 => 0usize..1400, 1 => Just(9000)];
    // ACK, and with PSH, ECE, CWR, FIN or anything.
    let flags = prop_oneof![
        12 => Just(0x10u8), 3 => Just(0x18), 1 => Just(0x50), 1 => Just(0x90), 1 => Just(0x11), 1 => any::<u8>()
    ];
    let shape = (any::<bool>(), any::<bool>(), 0u8..3, payload, flags, odd())
        .prop_map(|(v6, tcp, flow, payload, flags, odd)| Shape { v6, tcp, flow, payload, flags, odd });
    // Runs of one shape, as in bulk traffic, are coalesced.
    let length = prop_oneof![3 => 1usize..90, 1 => 1usize..3];
    prop::collection::vec((shape, length), 1..12)
        .prop_map(|runs| runs.into_iter().flat_map(|(shape, times)| std::iter::repeat_n(shape, times)).collect())
}

/// Creates the packets of a stream: sequence numbers and identifications continue within each flow.
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
        let protocol = match shape.odd {
            Odd::Icmp => 1,
            Odd::Esp => 50,
            _ if shape.tcp => 6,
            _ => 17,
        };
        let mut packet = if shape.v6 {
            self.ipv6(shape, protocol, transport.len())
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
            transport.extend((5 + self.changing(shape, Odd::OtherAcknowledgement)).to_be_bytes());
            let sack = shape.odd == Odd::SelectiveAcknowledgement;
            let words = if shape.odd == Odd::LongHeader && shape.payload < 28 { 15 } else { 8 + u8::from(sack) * 3 };
            transport.extend([words << 4, shape.flags]);
            transport.extend(if shape.odd == Odd::OtherWindow { [1, 1] } else { [2, 2] });
            transport.extend([0, 0]);
            transport.extend((self.changing(shape, Odd::UrgentPointer) as u16).to_be_bytes());
            transport.extend([1, 1, 8, 10]);
            transport.extend((1 + self.changing(shape, Odd::OtherTimestamp)).to_be_bytes());
            transport.extend([0, 0, 0, 2]);
            if sack {
                transport.extend([1, 1, 5, 10, 0, 0, 0, 1]);
                transport.extend(self.made.to_be_bytes());
            }
        } else {
            let missing = u16::from(shape.odd == Odd::ShortLength && shape.payload > 0);
            transport.extend((8 + shape.payload as u16 - missing).to_be_bytes());
            transport.extend([0, 0]);
        }
        // Each payload is different, so that a mix-up is detected.
        let text = self.made.to_be_bytes();
        transport.extend((0..shape.payload).map(|at| text[at % 4].wrapping_add(at as u8)));
        transport
    }

    /// Return another value for every second packet of that variation, otherwise 0.
    fn changing(&self, shape: &Shape, odd: Odd) -> u32 {
        u32::from(shape.odd == odd) * (self.made / 2)
    }

    /// The two bits of ECN.
    fn congestion(&self, shape: &Shape) -> u8 {
        (self.changing(shape, Odd::Congestion) % 4) as u8
    }

    fn ipv4(&mut self, shape: &Shape, slot: usize, protocol: u8, transport: usize) -> Vec<u8> {
        let options = if shape.odd == Odd::Options { 4 } else { 0 };
        let identification = match shape.odd {
            Odd::AtomicWithoutIdentification => 0,
            Odd::ConstantIdentification => 77,
            _ => self.identification[slot],
        };
        self.identification[slot] = self.identification[slot].wrapping_add(1);
        let mut ip = vec![0x45 + options as u8 / 4, self.congestion(shape)];
        ip.extend(((20 + options + transport) as u16).to_be_bytes());
        ip.extend(identification.to_be_bytes());
        ip.extend(match (shape.odd, self.made % 3) {
            (Odd::Fragment, 0) => [0x20, 0],
            (Odd::Fragment, 1) => [0x20, 9],
            (Odd::Fragment, _) => [0, 18],
            (Odd::MayFragment, _) => [0, 0],
            (Odd::ConstantIdentification, _) if shape.flow == 0 => [0, 0],
            _ => [0x40, 0],
        });
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

    fn ipv6(&mut self, shape: &Shape, protocol: u8, transport: usize) -> Vec<u8> {
        // Destination options that are padding, or a fragment header (RFC 8200, sections 4.6 and 4.5).
        let extension: &[u8] = match shape.odd {
            Odd::Options => &[protocol, 0, 1, 4, 0, 0, 0, 0],
            Odd::Fragment => &[protocol, 0, 0, [1, 0x71, 0xd0][self.made as usize % 3], 0, 0, 0, 7],
            _ => &[],
        };
        let first = match shape.odd {
            Odd::Options => 60,
            Odd::Fragment => 44,
            _ => protocol,
        };
        let mut ip = vec![0x60, self.congestion(shape) << 4, 0, (7 + self.changing(shape, Odd::OtherLabel)) as u8];
        ip.extend(((extension.len() + transport) as u16).to_be_bytes());
        ip.extend([first, if shape.odd == Odd::OtherTtl { 9 } else { 64 }]);
        ip.extend([0xfd; 16]);
        ip.extend([0xfc; 16]);
        ip.extend(extension);
        ip
    }
}

fn checksum(octets: &[u8]) -> u16 {
    let mut sum: u32 =
        octets.chunks(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], *pair.get(1).unwrap_or(&0)]))).sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

/// The kernel's side of the TUN: splits coalesced packets, or rejects them.
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

/// Return the key by which order is checked: the addresses and ports of a packet, if it has them.
fn flow(packet: &[u8]) -> Vec<u8> {
    if packet[0] == 0x45 && (packet[6] & 0xbf, packet[7]) == (0, 0) && [6, 17].contains(&packet[9]) {
        [&packet[9..10], &packet[12..24]].concat()
    } else if packet[0] >> 4 == 6 && [6, 17].contains(&packet[6]) {
        [&packet[6..7], &packet[8..44]].concat()
    } else {
        Vec::new()
    }
}

/// Return the packet without the identification of atomic datagrams, which has no meaning (RFC 6864), and its checksum.
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
    fn coalesced_packets_split_into_the_same_packets(shapes in shapes(), kinds in (any::<bool>(), any::<bool>()), refuses: bool) {
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
    fn an_inconsistent_header_is_rejected(header: [u8; 10], packet in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Some(split) = Virtio::parse(header).and_then(|header| Split::plan(&header, &packet)) {
            for number in 0..split.count() {
                let mut out = vec![0; split.length(number)];
                split.write(number, &packet, &mut out);
            }
        }
    }
}

/// As hardware that coalesces gives it: complete, with the checksum of the first segment or any other.
#[test]
fn segments_with_a_complete_checksum_are_split_too() {
    for (v6, tcp) in [(false, true), (true, true), (false, false), (true, false)] {
        let shape = Shape { v6, tcp, flow: 0, payload: 4000, flags: 0x18, odd: Odd::Nothing };
        let packet = Stream::default().packet(&shape);
        let ip = if v6 { 40 } else { 20 };
        let gso = match (tcp, v6) {
            (true, false) => Gso::Tcp4,
            (true, true) => Gso::Tcp6,
            _ => Gso::Udp,
        };
        let complete = Virtio { checksum: None, gso, segment_bytes: 1368, header_bytes: 0 };
        let pending = Checksum { start: ip, offset: if tcp { 16 } else { 6 } };
        let cut = |header: Virtio| {
            let split = Split::plan(&header, &packet).unwrap();
            let packets = (0..split.count()).map(|number| {
                let mut out = vec![0; split.length(number)];
                split.write(number, &packet, &mut out);
                out
            });
            packets.collect::<Vec<_>>()
        };
        assert_eq!(cut(complete).len(), 3);
        assert_eq!(cut(complete), cut(Virtio { checksum: Some(pending), ..complete }));
    }
}

#[test]
fn bulk_segments_are_coalesced_up_to_the_maximum_packet() {
    for (v6, tcp) in [(false, true), (true, true), (false, false), (true, false)] {
        let shape = Shape { v6, tcp, flow: 0, payload: 1368, flags: 0x10, odd: Odd::Nothing };
        let mut stream = Stream::default();
        let packets: Vec<_> = (0..94).map(|_| stream.packet(&shape)).collect();
        let kernel = deliver(&packets, BOTH, false);
        assert_eq!((kernel.packets == packets, kernel.writes), (true, 2), "v6 {v6} tcp {tcp}");
    }
}

#[test]
fn interleaved_flows_are_coalesced_separately() {
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
