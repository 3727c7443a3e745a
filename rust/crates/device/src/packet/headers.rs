//! The headers of TCP and UDP over IP (RFC 791, 8200, 9293, 768), as needed to coalesce and segment packets of one
//! flow.

use std::ops::Range;

use super::checksum;

pub(crate) const TCP: u8 = 6;
pub(crate) const UDP: u8 = 17;
/// Size of an IPv4 header without options.
pub(crate) const IPV4_BYTES: usize = 20;
/// Size of an IPv6 header.
pub(crate) const IPV6_BYTES: usize = 40;
pub(crate) const UDP_BYTES: usize = 8;
const TCP_BYTES: usize = 20;

/// Offset of TCP's flags in its header.
pub(crate) const TCP_FLAGS: usize = 13;
pub(crate) const FIN: u8 = 1;
pub(crate) const PSH: u8 = 8;
pub(crate) const ACK: u8 = 16;
pub(crate) const CWR: u8 = 128;
/// The DF bit, in octet 6 of an IPv4 header.
pub(crate) const DONT_FRAGMENT: u8 = 0x40;

/// The positions of a packet's headers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Headers {
    pub(crate) v6: bool,
    /// TCP or UDP.
    pub(crate) protocol: u8,
    /// Size of the IP header, after which the transport header starts.
    pub(crate) ip_bytes: usize,
    /// Size of both headers, after which the payload starts.
    pub(crate) bytes: usize,
}

impl Headers {
    /// Parse the headers of an unfragmented TCP or UDP packet without IP options or extension headers; `None` for
    /// others and for one with inconsistent lengths.
    pub(crate) fn parse(packet: &[u8]) -> Option<Self> {
        let (v6, protocol, ip_bytes) = match packet.first()? {
            0x45 if packet.len() >= IPV4_BYTES => {
                let fragmented = packet[6] & !DONT_FRAGMENT != 0 || packet[7] != 0;
                (!fragmented && short(packet, 2) == packet.len()).then_some((false, packet[9], IPV4_BYTES))?
            }
            first if first >> 4 == 6 && packet.len() >= IPV6_BYTES => {
                (short(packet, 4) + IPV6_BYTES == packet.len()).then_some((true, packet[6], IPV6_BYTES))?
            }
            _ => return None,
        };
        let bytes = ip_bytes + transport_bytes(protocol, &packet[ip_bytes..])?;
        let whole = protocol == TCP || short(packet, ip_bytes + 4) == packet.len() - ip_bytes;
        (whole && bytes <= packet.len()).then_some(Self { v6, protocol, ip_bytes, bytes })
    }

    /// Return the position of the source and destination address in the packet.
    pub(crate) fn addresses(&self) -> Range<usize> {
        if self.v6 { 8..IPV6_BYTES } else { 12..IPV4_BYTES }
    }

    /// Return the position of the transport checksum.
    pub(crate) fn checksum_at(&self) -> usize {
        self.ip_bytes + if self.protocol == TCP { 16 } else { 6 }
    }

    /// Return whether the checksums of a packet with these headers are valid. UDP without a checksum is never
    /// coalesced.
    pub(crate) fn checksums_hold(&self, packet: &[u8]) -> bool {
        let ip = self.v6 || checksum::fold(checksum::add(0, &packet[..self.ip_bytes])) == 0xffff;
        let absent = self.protocol == UDP && packet[self.checksum_at()..][..2] == [0, 0];
        let transport = &packet[self.ip_bytes..];
        let pseudo = checksum::pseudo_header(&packet[self.addresses()], self.protocol, transport.len());
        ip && !absent && checksum::fold(checksum::add(pseudo, transport)) == 0xffff
    }
}

/// Return the size of a complete TCP or UDP header; `None` for others.
pub(crate) fn transport_bytes(protocol: u8, transport: &[u8]) -> Option<usize> {
    match protocol {
        TCP if transport.len() >= TCP_BYTES => {
            let bytes = usize::from(transport[12] >> 4) * 4;
            (TCP_BYTES..=transport.len()).contains(&bytes).then_some(bytes)
        }
        UDP if transport.len() >= UDP_BYTES => Some(UDP_BYTES),
        _ => None,
    }
}

/// Return the position of the transport header, if it has this protocol and no extension header precedes it.
pub(crate) fn transport_at(packet: &[u8], protocol: u8) -> Option<usize> {
    match packet.first()? >> 4 {
        4 if *packet.get(9)? == protocol => Some(usize::from(packet[0] & 0xf) * 4),
        6 if *packet.get(6)? == protocol => Some(IPV6_BYTES),
        _ => None,
    }
}

pub(crate) fn short(octets: &[u8], at: usize) -> usize {
    usize::from(u16::from_be_bytes([octets[at], octets[at + 1]]))
}

pub(crate) fn word(octets: &[u8], at: usize) -> u32 {
    u32::from_be_bytes([octets[at], octets[at + 1], octets[at + 2], octets[at + 3]])
}

pub(crate) fn put_short(octets: &mut [u8], at: usize, value: usize) {
    octets[at..at + 2].copy_from_slice(&(value as u16).to_be_bytes());
}

/// Recompute the checksum of an IPv4 header.
pub(crate) fn seal_ipv4(header: &mut [u8]) {
    header[10..12].fill(0);
    let field = checksum::field(checksum::add(0, header));
    header[10..12].copy_from_slice(&field);
}
