//! Coalescing packets of one flow into one write to the TUN, as the kernel's GRO does (`tcp_gro_receive`,
//! `udp_gro_receive`, `inet_gro_receive`): only packets that segmentation restores exactly are coalesced.
//!
//! - Checksums are verified first; otherwise new ones would hide corruption from before the tunnel.
//! - TCP: only segments with ACK, or ACK and PSH, in sequence, with the same acknowledgement, window, urgent pointer
//!   and options.
//! - UDP: only datagrams of the same length; a shorter one is the last.
//! - Addresses, ports, TOS or traffic class (including ECN), TTL, and DF or flow label are the same; IPv4's
//!   identification increments.
//!
//! The order within a flow is kept, and so is the order of all packets that belong to no flow.

use std::ops::Range;

use super::checksum;
use super::headers::{
    ACK, DONT_FRAGMENT, Headers, IPV4_BYTES, IPV6_BYTES, PSH, TCP, TCP_FLAGS, UDP_BYTES, put_short, seal_ipv4, short,
    word,
};
use super::virtio::{Checksum, Gso, HEADER_BYTES, Virtio};

/// Flows coalesced at the same time; one more flushes the oldest.
const FLOWS: usize = 16;
/// Segments in one write: what the kernel coalesces of UDP (UDP_MAX_SEGMENTS); more gains nothing.
const SEGMENTS: usize = 64;
/// Octets in one write: the limit of IPv4's length field.
const WRITE_BYTES: usize = 65_535;
/// Size of the longest headers that are coalesced: IPv6 and TCP with all options.
const HEADERS_BYTES: usize = IPV6_BYTES + 60;

/// The destination of coalesced packets.
pub trait Sink {
    /// Write one packet that consists of `parts`, of which the first is the virtio header; `gso` is its kind.
    ///
    /// # Errors
    /// [`Refused`], of coalesced packets only.
    fn write(&mut self, gso: Gso, parts: &[&[u8]]) -> Result<(), Refused>;
}

/// The sink rejected a coalesced packet: its segments are written one by one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refused;

/// The kinds that are coalesced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kinds {
    /// TCP segments.
    pub tcp: bool,
    /// UDP datagrams.
    pub udp: bool,
}

/// Packets to be written to the TUN. They stay in place in `storage` until they are written.
pub struct Coalescer {
    flows: Vec<Flow>,
    open: usize,
}

struct Flow {
    headers: Headers,
    /// Octets of payload of each segment except the last.
    segment_bytes: usize,
    payload_bytes: usize,
    next_sequence: u32,
    push: u8,
    /// A segment was shorter, or had PSH: nothing can be appended.
    complete: bool,
    count: usize,
    packets: [(u32, u32); SEGMENTS],
}

impl Default for Coalescer {
    fn default() -> Self {
        Self::new()
    }
}

impl Coalescer {
    /// Return an empty coalescer.
    #[must_use]
    pub fn new() -> Self {
        Self { flows: (0..FLOWS).map(|_| Flow::empty()).collect(), open: 0 }
    }

    /// Add the packet at `range` of `storage`; what has to be written goes to `sink`.
    pub fn add(&mut self, storage: &[u8], range: Range<usize>, kinds: Kinds, sink: &mut impl Sink) {
        let packet = &storage[range.clone()];
        let Some(headers) = Headers::parse(packet) else {
            // Its flow is unknown (a fragment, ICMP), so it must not overtake anything.
            self.flush(storage, sink);
            return write_whole(packet, sink);
        };
        let at = self.flows[..self.open].iter().position(|flow| flow.is_of(storage, &headers, packet));
        if !can_coalesce(&headers, packet, kinds) {
            if let Some(at) = at {
                self.flush_flow(at, storage, sink);
            }
            return write_whole(packet, sink);
        }
        match at {
            Some(at) if self.flows[at].takes(storage, &headers, packet) => self.flows[at].push(&headers, packet, range),
            Some(at) => {
                self.flush_flow(at, storage, sink);
                self.begin(&headers, storage, range, sink);
            }
            None => self.begin(&headers, storage, range, sink),
        }
    }

    /// Write everything, in the order in which the first packet of each flow arrived.
    pub fn flush(&mut self, storage: &[u8], sink: &mut impl Sink) {
        for flow in &mut self.flows[..self.open] {
            flow.write(storage, sink);
        }
        self.open = 0;
    }

    fn begin(&mut self, headers: &Headers, storage: &[u8], range: Range<usize>, sink: &mut impl Sink) {
        if self.open == FLOWS {
            self.flush_flow(0, storage, sink);
        }
        self.flows[self.open].begin(headers, &storage[range.clone()], range);
        self.open += 1;
    }

    fn flush_flow(&mut self, at: usize, storage: &[u8], sink: &mut impl Sink) {
        self.flows[at].write(storage, sink);
        self.flows[at..self.open].rotate_left(1);
        self.open -= 1;
    }
}

impl Flow {
    fn empty() -> Self {
        Self {
            headers: Headers { v6: false, protocol: 0, ip_bytes: 0, bytes: 0 },
            segment_bytes: 0,
            payload_bytes: 0,
            next_sequence: 0,
            push: 0,
            complete: false,
            count: 0,
            packets: [(0, 0); SEGMENTS],
        }
    }

    fn begin(&mut self, headers: &Headers, packet: &[u8], range: Range<usize>) {
        self.headers = *headers;
        self.segment_bytes = packet.len() - headers.bytes;
        self.payload_bytes = 0;
        self.push = 0;
        self.complete = false;
        self.count = 0;
        self.push(headers, packet, range);
    }

    fn push(&mut self, headers: &Headers, packet: &[u8], range: Range<usize>) {
        let payload = packet.len() - headers.bytes;
        self.packets[self.count] = (range.start as u32, range.end as u32);
        self.count += 1;
        self.payload_bytes += payload;
        self.complete = payload < self.segment_bytes || self.count == SEGMENTS;
        if headers.protocol == TCP {
            self.next_sequence = word(packet, headers.ip_bytes + 4).wrapping_add(payload as u32);
            self.push = packet[headers.ip_bytes + TCP_FLAGS] & PSH;
            self.complete |= self.push != 0;
        }
    }

    fn packet<'a>(&self, storage: &'a [u8], number: usize) -> &'a [u8] {
        let (start, end) = self.packets[number];
        &storage[start as usize..end as usize]
    }

    fn is_of(&self, storage: &[u8], headers: &Headers, packet: &[u8]) -> bool {
        let first = self.packet(storage, 0);
        let ports = headers.ip_bytes..headers.ip_bytes + 4;
        (self.headers.v6, self.headers.protocol) == (headers.v6, headers.protocol)
            && first[headers.addresses()] == packet[headers.addresses()]
            && first[ports.clone()] == packet[ports]
    }

    /// Return whether a packet of this flow can be appended.
    fn takes(&self, storage: &[u8], headers: &Headers, packet: &[u8]) -> bool {
        let first = self.packet(storage, 0);
        let payload = packet.len() - headers.bytes;
        !self.complete
            && headers.bytes == self.headers.bytes
            && payload <= self.segment_bytes
            && headers.bytes + self.payload_bytes + payload <= WRITE_BYTES
            && self.same_ip(first, packet)
            && (headers.protocol != TCP || self.same_tcp(first, packet))
    }

    fn same_ip(&self, first: &[u8], packet: &[u8]) -> bool {
        if self.headers.v6 {
            // Version, traffic class and flow label; hop limit.
            return first[..4] == packet[..4] && first[7] == packet[7];
        }
        let atomic = first[6] & DONT_FRAGMENT != 0;
        let expected = short(first, 4) as u16;
        let identification = short(packet, 4) as u16;
        // The identification of an atomic datagram has no meaning (RFC 6864, section 4.1); some hosts leave it at zero.
        let follows = identification == expected.wrapping_add(self.count as u16)
            || (atomic && identification == expected && expected == 0);
        first[1] == packet[1] && first[6] == packet[6] && first[8] == packet[8] && follows
    }

    fn same_tcp(&self, first: &[u8], packet: &[u8]) -> bool {
        let at = self.headers.ip_bytes;
        let urgent_and_options = at + 18..self.headers.bytes;
        word(packet, at + 4) == self.next_sequence
            && first[at + 8..at + 12] == packet[at + 8..at + 12]
            && first[at + 14..at + 16] == packet[at + 14..at + 16]
            && first[urgent_and_options.clone()] == packet[urgent_and_options]
    }

    fn write(&mut self, storage: &[u8], sink: &mut impl Sink) {
        let first = self.packet(storage, 0);
        if self.count == 1 {
            return write_whole(first, sink);
        }
        let mut header = [0; HEADERS_BYTES];
        let header = &mut header[..self.headers.bytes];
        header.copy_from_slice(&first[..self.headers.bytes]);
        let virtio = self.coalesced_header(header);
        let (gso, virtio) = (virtio.gso, virtio.encode());
        let mut parts: [&[u8]; SEGMENTS + 2] = [&[]; SEGMENTS + 2];
        (parts[0], parts[1]) = (&virtio, header);
        for (number, part) in parts[2..][..self.count].iter_mut().enumerate() {
            *part = &self.packet(storage, number)[self.headers.bytes..];
        }
        if sink.write(gso, &parts[..self.count + 2]).is_err() {
            (0..self.count).for_each(|number| write_whole(self.packet(storage, number), sink));
        }
    }

    /// Turn the header of the first packet into that of the coalesced packet.
    fn coalesced_header(&self, header: &mut [u8]) -> Virtio {
        let Headers { v6, protocol, ip_bytes, bytes } = self.headers;
        let transport_bytes = bytes - ip_bytes + self.payload_bytes;
        if v6 {
            put_short(header, 4, transport_bytes);
        } else {
            put_short(header, 2, ip_bytes + transport_bytes);
            seal_ipv4(&mut header[..IPV4_BYTES]);
        }
        if protocol == TCP {
            header[ip_bytes + TCP_FLAGS] |= self.push;
        } else {
            put_short(header, ip_bytes + 4, transport_bytes);
        }
        let pseudo = checksum::pseudo_header(&header[self.headers.addresses()], protocol, transport_bytes);
        let field = self.headers.checksum_at();
        header[field..field + 2].copy_from_slice(&checksum::fold(pseudo).to_ne_bytes());
        Virtio {
            checksum: Some(Checksum { start: ip_bytes as u16, offset: (field - ip_bytes) as u16 }),
            gso: match (protocol, v6) {
                (TCP, false) => Gso::Tcp4,
                (TCP, true) => Gso::Tcp6,
                _ => Gso::Udp,
            },
            segment_bytes: self.segment_bytes as u16,
            header_bytes: bytes as u16,
        }
    }
}

/// Return whether a packet can be coalesced at all.
fn can_coalesce(headers: &Headers, packet: &[u8], kinds: Kinds) -> bool {
    let payload = packet.len() - headers.bytes;
    let kind = if headers.protocol == TCP {
        kinds.tcp && packet[headers.ip_bytes + TCP_FLAGS] & !PSH == ACK && packet[headers.ip_bytes + 12] & 0xf == 0
    } else {
        kinds.udp && headers.bytes == headers.ip_bytes + UDP_BYTES
    };
    kind && payload > 0 && headers.checksums_hold(packet)
}

fn write_whole(packet: &[u8], sink: &mut impl Sink) {
    const PLAIN: [u8; HEADER_BYTES] = [0; HEADER_BYTES];
    // A single packet that is rejected is lost and counted by the sink.
    let _ = sink.write(Gso::None, &[&PLAIN, packet]);
}
