//! Segmenting a packet of the TUN (TSO, USO) into complete packets with checksums.

use super::checksum;
use super::headers::{
    CWR, FIN, IPV4_BYTES, IPV6_BYTES, PSH, TCP, TCP_FLAGS, UDP, put_short, short, transport_at, transport_bytes, word,
};
use super::virtio::{Gso, Virtio};

/// How one packet of the TUN is segmented.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Split {
    whole_bytes: usize,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Not segmented, but its checksum may have to be completed: the positions where it starts and of its field.
    Whole(Option<(usize, usize)>),
    Segments(Segments),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Segments {
    v6: bool,
    protocol: u8,
    ip_bytes: usize,
    header_bytes: usize,
    segment_bytes: usize,
    /// What all segments share of the sums of the IPv4 header, and of the transport header with its pseudo-header.
    ip_sum: checksum::Sum,
    transport_sum: checksum::Sum,
}

impl Split {
    /// Plan the segmentation. `None` if the header does not match the packet.
    #[must_use]
    pub fn plan(virtio: &Virtio, packet: &[u8]) -> Option<Self> {
        let kind = match virtio.gso {
            Gso::None => Kind::Whole(match virtio.checksum {
                Some(checksum) => {
                    let start = usize::from(checksum.start);
                    let field = start + usize::from(checksum.offset);
                    (start <= packet.len() && field + 2 <= packet.len()).then_some(Some((start, field)))?
                }
                None => None,
            }),
            Gso::Tcp4 | Gso::Tcp6 | Gso::Udp => Kind::Segments(Segments::plan(virtio, packet)?),
        };
        Some(Self { whole_bytes: packet.len(), kind })
    }

    /// Return the number of packets.
    #[must_use]
    pub fn count(&self) -> usize {
        match &self.kind {
            Kind::Whole(_) => 1,
            Kind::Segments(cut) => (self.whole_bytes - cut.header_bytes).div_ceil(cut.segment_bytes).max(1),
        }
    }

    /// Return the size of packet `number`, counted from 0.
    #[must_use]
    pub fn length(&self, number: usize) -> usize {
        match &self.kind {
            Kind::Whole(_) => self.whole_bytes,
            Kind::Segments(cut) => {
                let start = cut.header_bytes + number * cut.segment_bytes;
                cut.header_bytes + cut.segment_bytes.min(self.whole_bytes - start)
            }
        }
    }

    /// Write packet `number` of `packet` to the first [`Split::length`] octets of `out`.
    pub fn write(&self, number: usize, packet: &[u8], out: &mut [u8]) {
        match &self.kind {
            Kind::Whole(checksum) => {
                let out = &mut out[..packet.len()];
                out.copy_from_slice(packet);
                if let Some((start, field)) = *checksum {
                    let sum = checksum::field(checksum::add(0, &out[start..]));
                    out[field..field + 2].copy_from_slice(&nonzero(sum));
                }
            }
            Kind::Segments(cut) => cut.write(number, packet, &mut out[..self.length(number)]),
        }
    }
}

impl Segments {
    fn plan(virtio: &Virtio, packet: &[u8]) -> Option<Self> {
        let protocol = if virtio.gso == Gso::Udp { UDP } else { TCP };
        let v6 = packet.first()? >> 4 == 6;
        // Options or extension headers may precede the transport header: the checksum's start is its position. Segments
        // that hardware coalesced and verified have no checksum start (VIRTIO_NET_HDR_F_DATA_VALID).
        let ip_bytes = match virtio.checksum {
            Some(checksum) => checksum.start.into(),
            None => transport_at(packet, protocol)?,
        };
        let least = if v6 { IPV6_BYTES } else { IPV4_BYTES };
        if ip_bytes < least || ip_bytes > packet.len() {
            return None;
        }
        let header_bytes = ip_bytes + transport_bytes(protocol, &packet[ip_bytes..])?;
        let addresses = if v6 { &packet[8..IPV6_BYTES] } else { &packet[12..IPV4_BYTES] };
        let (ip, transport) = packet[..header_bytes].split_at(ip_bytes);
        let pseudo = checksum::pseudo_header(addresses, protocol, 0);
        let differing: &[usize] = if protocol == UDP { &[4, 6] } else { &[4, 6, 12, 16] };
        (virtio.segment_bytes > 0).then_some(Self {
            v6,
            protocol,
            ip_bytes,
            header_bytes,
            segment_bytes: virtio.segment_bytes.into(),
            ip_sum: if v6 { 0 } else { checksum::without(checksum::add(0, ip), ip, &[2, 4, 10]) },
            transport_sum: checksum::without(checksum::add(pseudo, transport), transport, differing),
        })
    }

    fn write(&self, number: usize, packet: &[u8], out: &mut [u8]) {
        let offset = number * self.segment_bytes;
        let (header, payload) = out.split_at_mut(self.header_bytes);
        header.copy_from_slice(&packet[..self.header_bytes]);
        let of_payload = checksum::copy(0, &packet[self.header_bytes + offset..][..payload.len()], payload);
        let last = self.header_bytes + offset + payload.len() == packet.len();
        let (ip, transport) = header.split_at_mut(self.ip_bytes);
        let transport_bytes = transport.len() + payload.len();
        self.write_ip(number, ip, transport_bytes);
        let sum = self.transport_sum + of_payload + checksum::short(transport_bytes as u16);
        if self.protocol == UDP {
            put_short(transport, 4, transport_bytes);
            let sum = sum + checksum::short(transport_bytes as u16);
            transport[6..8].copy_from_slice(&nonzero(checksum::field(sum)));
        } else {
            let sum = sum + self.write_tcp(number, offset, last, transport);
            transport[16..18].copy_from_slice(&nonzero(checksum::field(sum)));
        }
    }

    fn write_ip(&self, number: usize, ip: &mut [u8], transport_bytes: usize) {
        if self.v6 {
            return put_short(ip, 4, ip.len() - IPV6_BYTES + transport_bytes);
        }
        let length = (ip.len() + transport_bytes) as u16;
        let identification = (short(ip, 4) + number) as u16;
        let sum = self.ip_sum + checksum::short(length) + checksum::short(identification);
        ip[2..4].copy_from_slice(&length.to_be_bytes());
        ip[4..6].copy_from_slice(&identification.to_be_bytes());
        ip[10..12].copy_from_slice(&checksum::field(sum));
    }

    /// Write the TCP fields and return what the fields that differ between segments add to the checksum.
    fn write_tcp(&self, number: usize, offset: usize, last: bool, transport: &mut [u8]) -> checksum::Sum {
        let sequence = word(transport, 4).wrapping_add(offset as u32);
        let mut flags = transport[TCP_FLAGS];
        if !last {
            flags &= !(FIN | PSH);
        }
        if number > 0 {
            flags &= !CWR;
        }
        transport[4..8].copy_from_slice(&sequence.to_be_bytes());
        transport[TCP_FLAGS] = flags;
        checksum::word(sequence) + checksum::short(u16::from_be_bytes([transport[TCP_FLAGS - 1], flags]))
    }
}

/// Replace zero, which means "none" in UDP's field (RFC 768), by all ones, which is the same sum, for TCP too.
fn nonzero(field: [u8; 2]) -> [u8; 2] {
    if field == [0, 0] { [0xff, 0xff] } else { field }
}
