//! Packets of the inner side: headers of IPv4 (RFC 791) and IPv6 (RFC 8200) with its extension headers, and the
//! transport behind them. Lengths and checksums are verified; a bad packet is dropped by reason.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use device::packet::checksum;

use crate::special;

/// The number of a protocol in an IP header (IANA, Protocol Numbers).
pub mod protocol {
    /// ICMP for IPv4.
    pub const ICMP: u8 = 1;
    /// TCP.
    pub const TCP: u8 = 6;
    /// UDP.
    pub const UDP: u8 = 17;
    /// ICMP for IPv6.
    pub const ICMPV6: u8 = 58;
}

/// Size of an IPv4 header without options.
pub const IPV4_BYTES: usize = 20;
/// Size of an IPv6 header.
pub const IPV6_BYTES: usize = 40;
/// Size of a UDP header, and of the header of an ICMP message.
pub const UDP_BYTES: usize = 8;

const TCP_BYTES: usize = 20;
pub(crate) const MORE_FRAGMENTS: u16 = 0x2000;
const DONT_FRAGMENT: u16 = 0x4000;
/// Extension headers of one packet. Honest packets have at most one of each kind (RFC 8200, section 4.1).
const MAX_EXTENSIONS: usize = 8;

const HOP_BY_HOP: u8 = 0;
const ROUTING: u8 = 43;
const FRAGMENT: u8 = 44;
const AUTHENTICATION: u8 = 51;
const DESTINATION_OPTIONS: u8 = 60;

/// The options of IPv4 by which a sender chooses the path: loose and strict source routing (RFC 7126, section 4.3).
const SOURCE_ROUTES: [u8; 2] = [131, 137];

/// Why a packet is dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum BadPacket {
    /// Neither IPv4 nor IPv6.
    #[error("not an IP packet")]
    Version,
    /// A length of the IP header is inconsistent, or the packet is truncated.
    #[error("inconsistent length")]
    Length,
    /// The checksum of the IPv4 header is wrong.
    #[error("wrong checksum of the IPv4 header")]
    HeaderChecksum,
    /// Source routing, which lets the sender choose the path.
    #[error("source routing")]
    SourceRoute,
    /// Extension headers that are cut off, repeated without end, or out of place.
    #[error("invalid extension headers")]
    Extensions,
    /// A source that no host has: multicast or IPv4-mapped.
    #[error("invalid source address")]
    Source,
    /// A fragment with inconsistent length or offset.
    #[error("invalid fragment")]
    Fragment,
    /// The header of the transport is cut off or its length inconsistent.
    #[error("invalid transport header")]
    Transport,
    /// The checksum of TCP, UDP or ICMP is wrong or missing.
    #[error("wrong checksum of the transport")]
    TransportChecksum,
}

impl BadPacket {
    /// All reasons, in the order of their numbers.
    pub const ALL: [Self; 9] = [
        Self::Version,
        Self::Length,
        Self::HeaderChecksum,
        Self::SourceRoute,
        Self::Extensions,
        Self::Source,
        Self::Fragment,
        Self::Transport,
        Self::TransportChecksum,
    ];
}

/// The place of a fragment in its datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fragment {
    /// The identity of the datagram among those of its addresses and protocol.
    pub id: u32,
    /// The offset of the payload in bytes.
    pub offset: usize,
    /// Whether fragments follow.
    pub more: bool,
}

/// A packet whose IP header is consistent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packet<'a> {
    /// The sender.
    pub source: IpAddr,
    /// The receiver.
    pub destination: IpAddr,
    /// The protocol of the payload.
    pub protocol: u8,
    /// Time to live, or hop limit.
    pub ttl: u8,
    /// Type of service or traffic class, with the bits of ECN.
    pub tos: u8,
    /// Whether routers must not fragment it; always so for IPv6.
    pub dont_fragment: bool,
    /// The place in a datagram, for one of several fragments.
    pub fragment: Option<Fragment>,
    /// The whole packet, without padding behind it.
    pub octets: &'a [u8],
    /// The offset of the field that names the protocol, or the header of a fragment (IPv6).
    protocol_at: usize,
    /// The offset of the payload.
    header_bytes: usize,
}

/// The payload of a packet by protocol, its checksum verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport<'a> {
    /// A segment of TCP.
    Tcp {
        /// The port of the sender.
        source: u16,
        /// The port of the receiver.
        destination: u16,
        /// The segment with its header.
        segment: &'a [u8],
    },
    /// A datagram of UDP.
    Udp {
        /// The port of the sender.
        source: u16,
        /// The port of the receiver.
        destination: u16,
        /// The content.
        payload: &'a [u8],
    },
    /// An echo request.
    EchoRequest {
        /// The identity of the sender's session.
        identifier: u16,
        /// The number within the session.
        sequence: u16,
        /// The content.
        payload: &'a [u8],
    },
    /// Another message of ICMP.
    Icmp {
        /// The type.
        kind: u8,
        /// The code.
        code: u8,
        /// The message with its header.
        message: &'a [u8],
    },
    /// A protocol that is not supported.
    Other,
}

/// Parse the IP header of a packet.
///
/// # Errors
/// [`BadPacket`].
pub fn parse(octets: &[u8]) -> Result<Packet<'_>, BadPacket> {
    let packet = match octets.first().map(|first| first >> 4) {
        Some(4) => parse_v4(octets)?,
        Some(6) => parse_v6(octets)?,
        _ => return Err(BadPacket::Version),
    };
    if packet.source.is_multicast() || packet.source == Ipv4Addr::BROADCAST || special::is_mapped(packet.source) {
        return Err(BadPacket::Source);
    }
    if packet.fragment.is_some_and(|fragment| !fragment.is_consistent(packet.payload().len())) {
        return Err(BadPacket::Fragment);
    }
    Ok(packet)
}

fn parse_v4(octets: &[u8]) -> Result<Packet<'_>, BadPacket> {
    let header = octets.first_chunk::<IPV4_BYTES>().ok_or(BadPacket::Length)?;
    let header_bytes = usize::from(header[0] & 0xf) * 4;
    let length = usize::from(short(header, 2));
    if header_bytes < IPV4_BYTES || length < header_bytes || octets.len() < length {
        return Err(BadPacket::Length);
    }
    if checksum::fold(checksum::add(0, &octets[..header_bytes])) != 0xffff {
        return Err(BadPacket::HeaderChecksum);
    }
    verify_options(&octets[IPV4_BYTES..header_bytes])?;
    let place = short(header, 6);
    let fragment = Fragment {
        id: short(header, 4).into(),
        offset: usize::from(place & 0x1fff) * 8,
        more: place & MORE_FRAGMENTS != 0,
    };
    Ok(Packet {
        source: address_v4(header, 12),
        destination: address_v4(header, 16),
        protocol: header[9],
        ttl: header[8],
        tos: header[1],
        dont_fragment: place & DONT_FRAGMENT != 0,
        fragment: fragment.is_part().then_some(fragment),
        octets: &octets[..length],
        protocol_at: 9,
        header_bytes,
    })
}

/// Verify that the options of IPv4 end within the header and name no path.
fn verify_options(mut options: &[u8]) -> Result<(), BadPacket> {
    loop {
        options = match options {
            [] | [0, ..] => return Ok(()),
            [1, rest @ ..] => rest,
            [kind, ..] if SOURCE_ROUTES.contains(kind) => return Err(BadPacket::SourceRoute),
            [_, length, ..] if *length >= 2 => options.get(usize::from(*length)..).ok_or(BadPacket::Length)?,
            _ => return Err(BadPacket::Length),
        }
    }
}

fn parse_v6(octets: &[u8]) -> Result<Packet<'_>, BadPacket> {
    let header = octets.first_chunk::<IPV6_BYTES>().ok_or(BadPacket::Length)?;
    let length = usize::from(short(header, 4)) + IPV6_BYTES;
    if octets.len() < length {
        return Err(BadPacket::Length);
    }
    let octets = &octets[..length];
    let chain = extensions(octets)?;
    Ok(Packet {
        source: address_v6(octets, 8),
        destination: address_v6(octets, 24),
        protocol: chain.protocol,
        ttl: header[7],
        tos: (word(header, 0) >> 20) as u8,
        dont_fragment: true,
        fragment: chain.fragment,
        octets,
        protocol_at: chain.protocol_at,
        header_bytes: chain.end,
    })
}

/// The end of a chain of extension headers.
struct Chain {
    protocol: u8,
    /// The offset of the field that names the protocol, or the header of a fragment.
    protocol_at: usize,
    end: usize,
    fragment: Option<Fragment>,
}

/// Walk the extension headers of an IPv6 packet, up to the payload, or to the payload of a fragment.
fn extensions(octets: &[u8]) -> Result<Chain, BadPacket> {
    let (mut protocol_at, mut end) = (6, IPV6_BYTES);
    for count in 0..=MAX_EXTENSIONS {
        let protocol = octets[protocol_at];
        let header = octets.get(end..).ok_or(BadPacket::Extensions)?;
        let length = match protocol {
            // Hop-by-hop options stand directly behind the IPv6 header (RFC 8200, section 4.3).
            HOP_BY_HOP if count == 0 => extension_bytes(header, 8, 8)?,
            HOP_BY_HOP => return Err(BadPacket::Extensions),
            DESTINATION_OPTIONS => extension_bytes(header, 8, 8)?,
            // A routing header that is not used up would send the packet on from here (RFC 5095).
            ROUTING if header.get(3) != Some(&0) => return Err(BadPacket::SourceRoute),
            ROUTING => extension_bytes(header, 8, 8)?,
            AUTHENTICATION => extension_bytes(header, 8, 4)?,
            FRAGMENT => {
                let place = usize::from(short(header.first_chunk::<8>().ok_or(BadPacket::Extensions)?, 2));
                let (id, offset, more) = (word(header, 4), place & !7, place & 1 != 0);
                let fragment = Fragment { id, offset, more };
                if fragment.is_part() {
                    let (protocol, end) = (header[0], end + 8);
                    return Ok(Chain { protocol, protocol_at, end, fragment: Some(fragment) });
                }
                8 // A datagram in one fragment (RFC 6946).
            }
            _ => return Ok(Chain { protocol, protocol_at, end, fragment: None }),
        };
        (protocol_at, end) = (end, end + length);
    }
    Err(BadPacket::Extensions)
}

/// Return the size of an extension header, which is given in units behind its first `first` bytes.
fn extension_bytes(header: &[u8], first: usize, unit: usize) -> Result<usize, BadPacket> {
    let length = first + usize::from(*header.get(1).ok_or(BadPacket::Extensions)?) * unit;
    if length <= header.len() { Ok(length) } else { Err(BadPacket::Extensions) }
}

impl Fragment {
    /// Return whether the datagram has other fragments.
    fn is_part(&self) -> bool {
        self.offset != 0 || self.more
    }

    /// Return whether a payload of this length can be at this place: in units of 8 bytes but for the last one, and
    /// within the longest datagram.
    fn is_consistent(&self, length: usize) -> bool {
        let whole = !self.more || length.is_multiple_of(8);
        length > 0 && whole && self.offset + length <= usize::from(u16::MAX)
    }
}

impl<'a> Packet<'a> {
    /// Return the content behind the IP header and its extension headers.
    #[must_use]
    pub fn payload(&self) -> &'a [u8] {
        &self.octets[self.header_bytes..]
    }

    /// Return whether it is a fragment other than the first.
    #[must_use]
    pub fn is_later_fragment(&self) -> bool {
        self.fragment.is_some_and(|fragment| fragment.offset != 0)
    }

    /// Return the IP header with its extension headers; of a fragment in IPv6, without the header of the fragment.
    pub(crate) fn header(&self) -> &'a [u8] {
        let fragment_bytes = if self.fragment.is_some() && self.source.is_ipv6() { 8 } else { 0 };
        &self.octets[..self.header_bytes - fragment_bytes]
    }

    /// Return the offset, in the header, of the field that names the protocol, or the header of a fragment (IPv6).
    pub(crate) fn protocol_at(&self) -> usize {
        self.protocol_at
    }

    /// Verify the transport and return it.
    ///
    /// # Errors
    /// [`BadPacket::Transport`] and [`BadPacket::TransportChecksum`]; [`BadPacket::Fragment`] for a fragment, which
    /// has to be reassembled first.
    pub fn transport(&self) -> Result<Transport<'a>, BadPacket> {
        if self.fragment.is_some() {
            return Err(BadPacket::Fragment);
        }
        let payload = self.payload();
        match (self.protocol, self.source) {
            (protocol::TCP, _) => self.tcp(payload),
            (protocol::UDP, _) => self.udp(payload),
            (protocol::ICMP, IpAddr::V4(_)) | (protocol::ICMPV6, IpAddr::V6(_)) => self.icmp(payload),
            _ => Ok(Transport::Other),
        }
    }

    fn tcp(&self, segment: &'a [u8]) -> Result<Transport<'a>, BadPacket> {
        let header = segment.first_chunk::<TCP_BYTES>().ok_or(BadPacket::Transport)?;
        if !(TCP_BYTES..=segment.len()).contains(&(usize::from(header[12] >> 4) * 4)) {
            return Err(BadPacket::Transport);
        }
        self.verify_checksum(segment)?;
        Ok(Transport::Tcp { source: short(header, 0), destination: short(header, 2), segment })
    }

    fn udp(&self, datagram: &'a [u8]) -> Result<Transport<'a>, BadPacket> {
        let header = datagram.first_chunk::<UDP_BYTES>().ok_or(BadPacket::Transport)?;
        let datagram = datagram.get(..short(header, 4).into()).ok_or(BadPacket::Transport)?;
        let payload = datagram.get(UDP_BYTES..).ok_or(BadPacket::Transport)?;
        // Zero stands for no checksum, which only IPv4 has (RFC 768; RFC 8200, section 8.1).
        if self.source.is_ipv6() && short(header, 6) == 0 {
            return Err(BadPacket::TransportChecksum);
        }
        if short(header, 6) != 0 {
            self.verify_checksum(datagram)?;
        }
        Ok(Transport::Udp { source: short(header, 0), destination: short(header, 2), payload })
    }

    fn icmp(&self, message: &'a [u8]) -> Result<Transport<'a>, BadPacket> {
        let header = message.first_chunk::<UDP_BYTES>().ok_or(BadPacket::Transport)?;
        self.verify_checksum(message)?;
        let request = if self.source.is_ipv4() { 8 } else { 128 };
        Ok(if header[..2] == [request, 0] {
            let (identifier, sequence) = (short(header, 4), short(header, 6));
            Transport::EchoRequest { identifier, sequence, payload: &message[UDP_BYTES..] }
        } else {
            Transport::Icmp { kind: header[0], code: header[1], message }
        })
    }

    fn verify_checksum(&self, transport: &[u8]) -> Result<(), BadPacket> {
        let start = if self.protocol == protocol::ICMP {
            0
        } else {
            pseudo_header(self.source, self.destination, self.protocol, transport.len())
        };
        let holds = checksum::fold(checksum::add(start, transport)) == 0xffff;
        if holds { Ok(()) } else { Err(BadPacket::TransportChecksum) }
    }
}

/// Return the sum of a pseudo-header (RFC 9293, section 3.1; RFC 8200, section 8.1).
#[must_use]
pub fn pseudo_header(source: IpAddr, destination: IpAddr, protocol: u8, length: usize) -> checksum::Sum {
    let mut addresses = [0; 32];
    let end = match (source, destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            addresses[..4].copy_from_slice(&source.octets());
            addresses[4..8].copy_from_slice(&destination.octets());
            8
        }
        (source, destination) => {
            addresses[..16].copy_from_slice(&v6_octets(source));
            addresses[16..].copy_from_slice(&v6_octets(destination));
            32
        }
    };
    checksum::pseudo_header(&addresses[..end], protocol, length)
}

fn v6_octets(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
        IpAddr::V6(address) => address.octets(),
    }
}

/// The fields of a packet that this host sends to the inner side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// The sender.
    pub source: IpAddr,
    /// The receiver, of the same family.
    pub destination: IpAddr,
    /// The protocol of the payload.
    pub protocol: u8,
    /// Time to live, or hop limit.
    pub ttl: u8,
    /// Type of service or traffic class, with the bits of ECN.
    pub tos: u8,
    /// Whether routers must not fragment it (IPv4).
    pub dont_fragment: bool,
}

impl Header {
    /// Return the size of the header.
    #[must_use]
    pub fn bytes(&self) -> usize {
        if self.source.is_ipv4() { IPV4_BYTES } else { IPV6_BYTES }
    }

    /// Append the header of a packet with a payload of `length` bytes to `out`.
    pub fn write(&self, length: usize, out: &mut Vec<u8>) {
        let start = out.len();
        out.resize(start + self.bytes(), 0);
        self.put(length, &mut out[start..]);
    }

    /// Write the header of a packet with a payload of `length` bytes into `out`, which has its size.
    ///
    /// An IPv4 packet has the identity 0, which an unfragmented one may have (RFC 6864, section 4.1).
    ///
    /// # Panics
    /// `out` has another size.
    pub fn put(&self, length: usize, out: &mut [u8]) {
        match (self.source, self.destination) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => out.copy_from_slice(&self.v4(source, destination, length)),
            (source, destination) => out.copy_from_slice(&self.v6(v6_octets(source), v6_octets(destination), length)),
        }
    }

    fn v4(&self, source: Ipv4Addr, destination: Ipv4Addr, length: usize) -> [u8; IPV4_BYTES] {
        let mut header = [0; IPV4_BYTES];
        header[..2].copy_from_slice(&[0x45, self.tos]);
        put_short(&mut header, 2, (IPV4_BYTES + length) as u16);
        put_short(&mut header, 6, if self.dont_fragment { DONT_FRAGMENT } else { 0 });
        header[8..10].copy_from_slice(&[self.ttl, self.protocol]);
        header[12..16].copy_from_slice(&source.octets());
        header[16..].copy_from_slice(&destination.octets());
        seal_v4(&mut header);
        header
    }

    fn v6(&self, source: [u8; 16], destination: [u8; 16], length: usize) -> [u8; IPV6_BYTES] {
        let mut header = [0; IPV6_BYTES];
        header[..4].copy_from_slice(&(6 << 28 | u32::from(self.tos) << 20).to_be_bytes());
        put_short(&mut header, 4, length as u16);
        header[6..8].copy_from_slice(&[self.protocol, self.ttl]);
        header[8..24].copy_from_slice(&source);
        header[24..].copy_from_slice(&destination);
        header
    }
}

/// The addresses, the protocol and the transport of a packet that an ICMP error quotes, which may be truncated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quoted<'a> {
    /// The sender of the packet.
    pub source: IpAddr,
    /// The receiver of the packet.
    pub destination: IpAddr,
    /// The protocol of its payload.
    pub protocol: u8,
    /// The beginning of its payload.
    pub transport: &'a [u8],
}

/// Parse the beginning of a packet; `None` if it is not one, if its header is cut off, or for a later fragment.
#[must_use]
pub fn parse_quoted(octets: &[u8]) -> Option<Quoted<'_>> {
    let (source, destination, protocol, end) = match octets.first()? >> 4 {
        4 if octets.len() >= IPV4_BYTES => {
            let end = usize::from(octets[0] & 0xf) * 4;
            let is_first = short(octets, 6) & 0x1fff == 0 && end >= IPV4_BYTES;
            is_first.then(|| (address_v4(octets, 12), address_v4(octets, 16), octets[9], end))?
        }
        6 if octets.len() >= IPV6_BYTES => {
            let chain = extensions(octets).ok()?;
            let is_first = chain.fragment.is_none_or(|fragment| fragment.offset == 0);
            is_first.then(|| (address_v6(octets, 8), address_v6(octets, 24), chain.protocol, chain.end))?
        }
        _ => return None,
    };
    Some(Quoted { source, destination, protocol, transport: octets.get(end..)? })
}

/// Set the length in an IP header in front of a payload of `length` bytes, and the checksum of IPv4.
pub(crate) fn seal(header: &mut [u8], length: usize) {
    if header[0] >> 4 == 4 {
        put_short(header, 2, (header.len() + length) as u16);
        seal_v4(header);
    } else {
        put_short(header, 4, (header.len() - IPV6_BYTES + length) as u16);
    }
}

/// Compute the checksum of an IPv4 header.
fn seal_v4(header: &mut [u8]) {
    header[10..12].fill(0);
    let field = checksum::field(checksum::add(0, header));
    header[10..12].copy_from_slice(&field);
}

fn address_v4(octets: &[u8], at: usize) -> IpAddr {
    Ipv4Addr::from_bits(word(octets, at)).into()
}

fn address_v6(octets: &[u8], at: usize) -> IpAddr {
    let mut address = [0; 16];
    address.copy_from_slice(&octets[at..at + 16]);
    Ipv6Addr::from(address).into()
}

pub(crate) fn short(octets: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([octets[at], octets[at + 1]])
}

pub(crate) fn word(octets: &[u8], at: usize) -> u32 {
    u32::from_be_bytes([octets[at], octets[at + 1], octets[at + 2], octets[at + 3]])
}

pub(crate) fn put_short(octets: &mut [u8], at: usize, value: u16) {
    octets[at..at + 2].copy_from_slice(&value.to_be_bytes());
}

#[cfg(test)]
mod tests;
