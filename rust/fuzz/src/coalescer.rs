//! Packets of a peer are coalesced for the TUN and split again by the rules of the kernel: the packets stay the same,
//! each flow in order, and none overtakes a packet without a flow.

use device::packet::coalesce::{Coalescer, Kinds, Refused, Sink};
use device::packet::split::Split;
use device::packet::virtio::{Gso, Virtio};

use crate::script::Script;

/// Packets of one run; some hundred fill every table.
const MOST: usize = 400;

/// Run with the packets that `octets` encode.
pub fn run(octets: &[u8]) {
    let mut script = Script(octets);
    let variant = script.octet();
    let kinds = Kinds { tcp: variant & 1 == 0, udp: variant & 2 == 0 };
    let packets = packets(&mut script);
    let kernel = deliver(&packets, kinds, variant & 4 != 0);
    assert_eq!(kernel.len(), packets.len());
    compare(&packets, &kernel);
}

fn compare(sent: &[Vec<u8>], told: &[Vec<u8>]) {
    let mut waiting: Vec<_> = sent.iter().map(|packet| (flow(packet), packet)).collect();
    for packet in told {
        let key = flow(packet);
        let at = waiting.iter().position(|(flow, _)| flow.is_none() || *flow == key);
        let (first, expected) = waiting.remove(at.expect("a packet that nobody sent"));
        assert_eq!(first, key, "past a packet that has no flow");
        assert_eq!(comparable(packet), comparable(expected));
    }
}

/// Return protocol, addresses and ports of an unfragmented packet with consistent lengths.
fn flow(packet: &[u8]) -> Option<Vec<u8>> {
    let short = |at: usize| Some(usize::from(*packet.get(at)?) << 8 | usize::from(*packet.get(at + 1)?));
    let (protocol, addresses, ip) = match packet.first()? {
        0x45 => {
            let whole = short(2)? == packet.len() && packet.get(6)? & 0xbf == 0 && packet[7] == 0;
            (*packet.get(9).filter(|_| whole)?, packet.get(12..20)?, 20)
        }
        first if first >> 4 == 6 => {
            (*packet.get(6).filter(|_| short(4) == packet.len().checked_sub(40))?, packet.get(8..40)?, 40)
        }
        _ => return None,
    };
    let transport = &packet[ip..];
    let fits = match protocol {
        6 => (20..=transport.len()).contains(&(usize::from(*transport.get(12)? >> 4) * 4)),
        17 => transport.len() >= 8 && short(ip + 4)? == transport.len(),
        _ => false,
    };
    fits.then(|| [&[protocol], addresses, &transport[..4]].concat())
}

/// Return the packet without what has no meaning: the identification of an atomic datagram (RFC 6864, section 4.1), and
/// which of the two zeros a valid checksum is written with.
fn comparable(packet: &[u8]) -> Vec<u8> {
    let mut packet = packet.to_vec();
    let Some(protocol) = flow(&packet).map(|flow| flow[0]) else { return packet };
    let ip = if packet[0] == 0x45 { 20 } else { 40 };
    if packet[0] == 0x45 && packet[6] == 0x40 && sum(&packet[..20]) == 0xffff {
        packet[4..6].fill(0);
        packet[10..12].fill(0);
    }
    if transport_sum(&packet, ip, protocol) == 0xffff {
        let field = ip + if protocol == 6 { 16 } else { 6 };
        packet[field..field + 2].fill(0);
    }
    packet
}

fn transport_sum(packet: &[u8], ip: usize, protocol: u8) -> u16 {
    let addresses = if ip == 20 { 12..20 } else { 8..40 };
    let length = (packet.len() - ip) as u16;
    sum(&[&packet[addresses], &[0, protocol], &length.to_be_bytes(), &packet[ip..]].concat())
}

/// Compute the sum of RFC 1071, not complemented.
fn sum(octets: &[u8]) -> u16 {
    let words = octets.chunks(2).map(|pair| u64::from(pair[0]) << 8 | u64::from(*pair.get(1).unwrap_or(&0)));
    let mut sum: u64 = words.sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}

/// Return runs of packets of few flows in sequence; some are changed before their checksums are computed, some after.
fn packets(script: &mut Script<'_>) -> Vec<Vec<u8>> {
    let (mut packets, mut sequence) = (Vec::new(), 0u32);
    while packets.len() < MOST && !script.is_over() {
        let (shape, times, length) = (script.octet(), script.octet(), usize::from(script.short()) % 1500);
        if shape & 0xc0 == 0xc0 {
            packets.push(script.take(length.max(1)).to_vec());
            continue;
        }
        let pokes: Vec<_> = (0..shape >> 4 & 3).map(|_| (script.octet(), script.octet())).collect();
        for number in 0..=times % 80 {
            let mut packet = plain(shape, number, length, sequence);
            sequence = sequence.wrapping_add(length as u32);
            let poke = |packet: &mut Vec<u8>| {
                let count = packet.len();
                pokes.iter().for_each(|(at, value)| packet[usize::from(*at) % count] ^= value);
            };
            if shape & 0xc0 == 0x40 {
                poke(&mut packet);
            }
            seal(&mut packet);
            if shape & 0xc0 == 0x80 {
                poke(&mut packet);
            }
            packets.push(packet);
        }
    }
    packets
}

fn plain(shape: u8, number: u8, length: usize, sequence: u32) -> Vec<u8> {
    let (v6, tcp, flow) = (shape & 1 != 0, shape & 2 != 0, shape >> 2 & 3);
    let mut transport = vec![0, flow, 7, 7];
    if tcp {
        transport.extend(sequence.to_be_bytes());
        transport.extend([0, 0, 0, 5, 0x50, 0x10, 2, 2, 0, 0, 0, 0]);
    } else {
        transport.extend((8 + length as u16).to_be_bytes());
        transport.extend([0, 0]);
    }
    transport.extend((0..length).map(|at| number.wrapping_add(at as u8)));
    let (protocol, count) = (if tcp { 6 } else { 17 }, transport.len() as u16);
    let ip = if v6 {
        let [high, low] = count.to_be_bytes();
        [&[0x60, 0, 0, 7, high, low, protocol, 64][..], &[0xfd; 16], &[0xfc; 16]].concat()
    } else {
        let [high, low] = (20 + count).to_be_bytes();
        [&[0x45, 0, high, low, 0, number, 0x40, 0, 64, protocol, 0, 0][..], &[10, 0, 0, 1, 10, 0, 0, 2]].concat()
    };
    [ip, transport].concat()
}

/// Compute the checksums of a packet that has any.
fn seal(packet: &mut [u8]) {
    let Some((ip, protocol)) = flow(packet).map(|flow| (if packet[0] == 0x45 { 20 } else { 40 }, flow[0])) else {
        return;
    };
    if ip == 20 {
        packet[10..12].fill(0);
        let checksum = !sum(&packet[..20]);
        packet[10..12].copy_from_slice(&checksum.to_be_bytes());
    }
    let field = ip + if protocol == 6 { 16 } else { 6 };
    packet[field..field + 2].fill(0);
    let checksum = match !transport_sum(packet, ip, protocol) {
        0 => 0xffff,
        checksum => checksum,
    };
    packet[field..field + 2].copy_from_slice(&checksum.to_be_bytes());
}

/// The kernel's side of the TUN: splits coalesced packets, or rejects some.
struct Kernel {
    packets: Vec<Vec<u8>>,
    writes: usize,
    refuses: bool,
}

impl Sink for Kernel {
    fn write(&mut self, gso: Gso, parts: &[&[u8]]) -> Result<(), Refused> {
        let header = Virtio::parse(parts[0].try_into().expect("a header of its length")).expect("a header");
        assert_eq!(gso, header.gso);
        self.writes += 1;
        if self.refuses && self.writes.is_multiple_of(3) && header.gso != Gso::None {
            return Err(Refused);
        }
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

/// Deliver the packets in two batches, as from two calls of the kernel.
fn deliver(packets: &[Vec<u8>], kinds: Kinds, refuses: bool) -> Vec<Vec<u8>> {
    let mut kernel = Kernel { packets: Vec::new(), writes: 0, refuses };
    let mut coalescer = Coalescer::new();
    for batch in packets.chunks(packets.len() / 2 + 1) {
        let (storage, mut start) = (batch.concat(), 0);
        for packet in batch {
            coalescer.add(&storage, start..start + packet.len(), kinds, &mut kernel);
            start += packet.len();
        }
        coalescer.flush(&storage, &mut kernel);
    }
    kernel.packets
}
