//! Errors of ICMP (RFC 792, 1812, 4443): building them, reading them, and when none may be sent.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use device::packet::checksum;

use crate::packet::{self, Header, Packet, Quoted, UDP_BYTES, protocol, short, word};

/// The longest error: RFC 1812, section 4.3.2.3.
const MAX_BYTES_V4: usize = 576;
/// The longest error: RFC 4443, section 2.4 (c).
const MAX_BYTES_V6: usize = 1280;
/// Size of the header of an ICMP message.
const HEADER_BYTES: usize = 8;
/// Hops of what this host sends (IANA's recommended default).
const TTL: u8 = 64;

/// The message of an ICMP error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Error {
    /// There is no route to the network.
    NetworkUnreachable,
    /// The host does not answer on its network.
    HostUnreachable,
    /// The protocol is not supported.
    ProtocolUnreachable,
    /// The port is not open.
    PortUnreachable,
    /// Policy forbids the destination (RFC 1812, section 5.2.7.1; RFC 4443, section 3.1).
    Prohibited,
    /// The packet had no hops left.
    TimeExceeded,
    /// Not all fragments came in time.
    ReassemblyTimeExceeded,
    /// The packet is longer than `mtu`, and must not be fragmented (RFC 1191, RFC 8201).
    TooBig {
        /// The longest packet, in bytes.
        mtu: u32,
    },
    /// Another error, as a router or host sent it.
    Other {
        /// The type.
        kind: u8,
        /// The code.
        code: u8,
        /// The octets behind the checksum, as a number.
        info: u32,
    },
}

impl Error {
    /// Return the error of a received type, code and number behind the checksum; `None` if the type is not of an error.
    #[must_use]
    pub fn received(is_v6: bool, kind: u8, code: u8, info: u32) -> Option<Self> {
        if !is_error(is_v6, kind) {
            return None;
        }
        let known = [
            Self::NetworkUnreachable,
            Self::HostUnreachable,
            Self::PortUnreachable,
            Self::Prohibited,
            Self::TimeExceeded,
            Self::ReassemblyTimeExceeded,
        ];
        let too_big = Self::TooBig { mtu: if is_v6 { info } else { info & 0xffff } };
        let is_same = |error: &Self| error.fields(is_v6, 0).0 == [kind, code];
        let found = known.into_iter().chain([too_big]).find(is_same);
        Some(found.unwrap_or(Self::Other { kind, code, info }))
    }

    /// Return type and code, and the number behind the checksum. A protocol is named at `protocol_at` in the packet.
    fn fields(self, is_v6: bool, protocol_at: usize) -> ([u8; 2], u32) {
        match (self, is_v6) {
            (Self::NetworkUnreachable, false) => ([3, 0], 0),
            (Self::NetworkUnreachable, true) => ([1, 0], 0),
            (Self::HostUnreachable, false) => ([3, 1], 0),
            (Self::HostUnreachable, true) => ([1, 3], 0),
            (Self::ProtocolUnreachable, false) => ([3, 2], 0),
            (Self::ProtocolUnreachable, true) => ([4, 1], protocol_at as u32),
            (Self::PortUnreachable, false) => ([3, 3], 0),
            (Self::PortUnreachable, true) => ([1, 4], 0),
            (Self::Prohibited, false) => ([3, 13], 0),
            (Self::Prohibited, true) => ([1, 1], 0),
            (Self::TimeExceeded, false) => ([11, 0], 0),
            (Self::TimeExceeded, true) => ([3, 0], 0),
            (Self::ReassemblyTimeExceeded, false) => ([11, 1], 0),
            (Self::ReassemblyTimeExceeded, true) => ([3, 1], 0),
            (Self::TooBig { mtu }, false) => ([3, 4], mtu.min(u16::MAX.into())),
            (Self::TooBig { mtu }, true) => ([2, 0], mtu),
            (Self::Other { kind, code, info }, _) => ([kind, code], info),
        }
    }
}

/// Return whether a message reports an error. Redirects count as such: nothing is sent about them either.
fn is_error(is_v6: bool, kind: u8) -> bool {
    if is_v6 { kind < 128 || kind == 137 } else { matches!(kind, 3 | 4 | 5 | 11 | 12) }
}

/// Return whether an error may be sent about a packet: not about an error, what many received, a sender that is not one
/// host, or a fragment other than the first (RFC 1122, section 3.2.2; RFC 4443, section 2.4).
#[must_use]
pub fn may_report(packet: &Packet<'_>) -> bool {
    let is_v6 = packet.source.is_ipv6();
    let is_icmp = packet.protocol == if is_v6 { protocol::ICMPV6 } else { protocol::ICMP };
    let about_error = is_icmp && packet.payload().first().is_none_or(|kind| is_error(is_v6, *kind));
    let to_many = packet.destination.is_multicast() || packet.destination == Ipv4Addr::BROADCAST;
    !about_error && !to_many && !packet.source.is_unspecified() && !packet.is_later_fragment()
}

/// Write into `out`, which is emptied first, an error about a packet to its sender. False if none may be sent.
///
/// `from` has the family of the packet: an own address, or that of the router that reported the error.
pub fn write_error(about: &Packet<'_>, error: Error, from: IpAddr, out: &mut Vec<u8>) -> bool {
    out.clear();
    let is_v6 = about.source.is_ipv6();
    if !may_report(about) || from.is_ipv6() != is_v6 {
        return false;
    }
    let (protocol, max) = if is_v6 { (protocol::ICMPV6, MAX_BYTES_V6) } else { (protocol::ICMP, MAX_BYTES_V4) };
    let header = Header { source: from, destination: about.source, protocol, ttl: TTL, tos: 0, dont_fragment: false };
    let quoted = &about.octets[..about.octets.len().min(max - header.bytes() - HEADER_BYTES)];
    header.write(HEADER_BYTES + quoted.len(), out);
    let ((kind, info), start) = (error.fields(is_v6, about.protocol_at()), out.len());
    out.extend_from_slice(&kind);
    out.extend_from_slice(&[0, 0]);
    out.extend_from_slice(&info.to_be_bytes());
    out.extend_from_slice(quoted);
    seal(&header, &mut out[start..], 2);
    true
}

/// Write an echo reply to `request` into `out`, which is emptied first.
pub fn write_echo_reply(request: &Packet<'_>, identifier: u16, sequence: u16, payload: &[u8], out: &mut Vec<u8>) {
    out.clear();
    let echo = Original::Echo { source: request.destination, destination: request.source, identifier, sequence };
    let kind = if request.source.is_ipv6() { 129 } else { 0 };
    write_echo(&echo.header(TTL), kind, [identifier, sequence], payload, out);
}

/// An echo reply from outside, as it is sent on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) source: IpAddr,
    pub(crate) destination: IpAddr,
    pub(crate) identifier: u16,
    pub(crate) sequence: u16,
    pub(crate) ttl: u8,
}

impl Reply {
    /// Append the packet to `out`.
    pub(crate) fn write(&self, payload: &[u8], out: &mut Vec<u8>) {
        let Self { source, destination, identifier, sequence, ttl } = *self;
        let kind = if source.is_ipv6() { 129 } else { 0 };
        let header = Original::Echo { source, destination, identifier, sequence }.header(ttl);
        write_echo(&header, kind, [identifier, sequence], payload, out);
    }
}

fn write_echo(header: &Header, kind: u8, numbers: [u16; 2], payload: &[u8], out: &mut Vec<u8>) {
    header.write(HEADER_BYTES + payload.len(), out);
    let start = out.len();
    out.extend_from_slice(&[kind, 0, 0, 0]);
    numbers.iter().for_each(|number| out.extend_from_slice(&number.to_be_bytes()));
    out.extend_from_slice(payload);
    seal(header, &mut out[start..], 2);
}

/// Set the checksum of a transport at `place`.
fn seal(header: &Header, transport: &mut [u8], place: usize) {
    let start = if header.protocol == protocol::ICMP {
        0
    } else {
        packet::pseudo_header(header.source, header.destination, header.protocol, transport.len())
    };
    let field = checksum::field(checksum::add(start, transport));
    // A computed zero of UDP is sent as ones: zero stands for no checksum (RFC 768).
    let is_absent = header.protocol == protocol::UDP && field == [0, 0];
    transport[place..place + 2].copy_from_slice(if is_absent { &[0xff, 0xff] } else { &field });
}

/// The packet of a peer that a host socket sent on, whose header an error from outside has to quote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Original {
    /// A datagram of UDP.
    Udp {
        /// The inner address and port.
        source: SocketAddr,
        /// The destination outside.
        destination: SocketAddr,
    },
    /// An echo request.
    Echo {
        /// The inner address.
        source: IpAddr,
        /// The destination outside.
        destination: IpAddr,
        /// The identity that the peer gave.
        identifier: u16,
        /// The number within the session.
        sequence: u16,
    },
}

impl Original {
    /// Write the packet into `out`, which is emptied first, with as much of its payload as the error quoted.
    pub fn write(&self, payload: &[u8], out: &mut Vec<u8>) {
        out.clear();
        // The router that sent the error saw it with its last hop.
        let header = self.header(1);
        match *self {
            Self::Udp { source, destination } => {
                let length = UDP_BYTES + payload.len();
                header.write(length, out);
                let start = out.len();
                for field in [source.port(), destination.port(), length as u16, 0] {
                    out.extend_from_slice(&field.to_be_bytes());
                }
                out.extend_from_slice(payload);
                seal(&header, &mut out[start..], 6);
            }
            Self::Echo { identifier, sequence, .. } => {
                let kind = if header.source.is_ipv6() { 128 } else { 8 };
                write_echo(&header, kind, [identifier, sequence], payload, out);
            }
        }
    }

    fn header(&self, ttl: u8) -> Header {
        let (source, destination, udp) = match *self {
            Self::Udp { source, destination } => (source.ip(), destination.ip(), true),
            Self::Echo { source, destination, .. } => (source, destination, false),
        };
        let protocol = match (udp, source) {
            (true, _) => protocol::UDP,
            (false, IpAddr::V4(_)) => protocol::ICMP,
            (false, IpAddr::V6(_)) => protocol::ICMPV6,
        };
        Header { source, destination, protocol, ttl, tos: 0, dont_fragment: false }
    }
}

/// An error that came from the inner side, about a packet that this host sent there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Report<'a> {
    /// The error.
    pub error: Error,
    /// The packet that it is about.
    pub about: Quoted<'a>,
}

impl Report<'_> {
    /// Return the ports of TCP or UDP; `None` for another protocol, or if the quotation ends before them.
    #[must_use]
    pub fn ports(&self) -> Option<(u16, u16)> {
        let has_ports = matches!(self.about.protocol, protocol::TCP | protocol::UDP);
        let fields = self.about.transport.first_chunk::<4>().filter(|_| has_ports)?;
        Some((short(fields, 0), short(fields, 2)))
    }

    /// Return the sequence number of TCP, by which a connection tells an error from a forgery (RFC 5927, section 4).
    #[must_use]
    pub fn sequence(&self) -> Option<u32> {
        let is_tcp = self.about.protocol == protocol::TCP;
        self.about.transport.first_chunk::<8>().filter(|_| is_tcp).map(|fields| word(fields, 4))
    }
}

/// Read an error from a message of ICMP; `None` for another message, or one that quotes no packet.
#[must_use]
pub fn read_error(is_v6: bool, message: &[u8]) -> Option<Report<'_>> {
    let (header, quoted) = message.split_first_chunk::<HEADER_BYTES>()?;
    let error = Error::received(is_v6, header[0], header[1], word(header, 4))?;
    let about = packet::parse_quoted(quoted)?;
    (about.source.is_ipv6() == is_v6).then_some(Report { error, about })
}

/// The limit of the errors that each peer is sent: 100 in a second, and after a pause as many at once.
#[derive(Debug, Clone)]
pub struct Limit<P> {
    /// The credit of each peer, and when it was computed.
    buckets: HashMap<P, (Duration, Duration)>,
}

/// The credit that an error costs, and that accrues with time: 100 a second.
const COST: Duration = Duration::from_millis(10);
const FULL: Duration = Duration::from_secs(1);

impl<P: Copy + Eq + Hash> Limit<P> {
    /// Take one error from the credit of a peer; false if it is used up.
    pub fn allow(&mut self, peer: P, now: Duration) -> bool {
        let (credit, since) = self.buckets.entry(peer).or_insert((FULL, now));
        *credit = (*credit + now.saturating_sub(*since)).min(FULL);
        *since = now;
        let is_allowed = *credit >= COST;
        if is_allowed {
            *credit -= COST;
        }
        is_allowed
    }

    /// Forget a peer that was removed.
    pub fn remove(&mut self, peer: P) {
        self.buckets.remove(&peer);
    }
}

impl<P> Default for Limit<P> {
    fn default() -> Self {
        Self { buckets: HashMap::new() }
    }
}

/// Return the hops that a packet has left when it is sent on; `None` if it must not be, and its sender is to be told.
#[must_use]
pub fn next_ttl(packet: &Packet<'_>) -> Option<u8> {
    packet.ttl.checked_sub(1).filter(|ttl| *ttl > 0)
}

#[cfg(test)]
mod tests;
