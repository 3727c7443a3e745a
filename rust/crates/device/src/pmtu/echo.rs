//! The echo request of a probe and the reply to it (RFC 792; RFC 4443, section 4). They carry a random token, by which a
//! reply is told from those to other programs of this host.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::packet::checksum;
use crate::packet::headers::{DONT_FRAGMENT, IPV4_BYTES, IPV6_BYTES, put_short, seal_ipv4, short};

/// Identifier, sequence number and payload.
pub(super) const TOKEN_BYTES: usize = 24;
/// Type, code and checksum come before the token.
const ICMP_BYTES: usize = 4 + TOKEN_BYTES;
/// The largest request.
pub(super) const MAX_BYTES: usize = IPV6_BYTES + ICMP_BYTES;
const HOP_LIMIT: u8 = 64;
const ICMPV4: u8 = 1;
const ICMPV6: u8 = 58;
const REQUEST_V4: u8 = 8;
const REPLY_V4: u8 = 0;
const REQUEST_V6: u8 = 128;
const REPLY_V6: u8 = 129;

/// What identifies a probe.
pub(super) type Token = [u8; TOKEN_BYTES];

/// The addresses of a request, of one family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Addresses {
    V4(Ipv4Addr, Ipv4Addr),
    V6(Ipv6Addr, Ipv6Addr),
}

impl Addresses {
    /// Return the addresses of requests from one of `sources` to `destination`; `None` without a source of that family.
    pub(super) fn select(sources: &[IpAddr], destination: IpAddr) -> Option<Self> {
        sources.iter().find_map(|source| match (*source, destination) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => Some(Self::V4(source, destination)),
            (IpAddr::V6(source), IpAddr::V6(destination)) => Some(Self::V6(source, destination)),
            _ => None,
        })
    }

    pub(super) fn destination(&self) -> IpAddr {
        match *self {
            Self::V4(_, destination) => destination.into(),
            Self::V6(_, destination) => destination.into(),
        }
    }
}

/// Write a request to the start of `packet`, which has at least [`MAX_BYTES`].
pub(super) fn write_request(addresses: &Addresses, token: &Token, packet: &mut [u8]) {
    let (ip_bytes, protocol, kind) = match *addresses {
        Addresses::V4(source, destination) => {
            write_ipv4(source, destination, &mut packet[..IPV4_BYTES]);
            (IPV4_BYTES, ICMPV4, REQUEST_V4)
        }
        Addresses::V6(source, destination) => {
            write_ipv6(source, destination, &mut packet[..IPV6_BYTES]);
            (IPV6_BYTES, ICMPV6, REQUEST_V6)
        }
    };
    let (header, message) = packet[..ip_bytes + ICMP_BYTES].split_at_mut(ip_bytes);
    message[..4].copy_from_slice(&[kind, 0, 0, 0]);
    message[4..].copy_from_slice(token);
    // Only ICMPv6 sums a pseudo-header too (RFC 4443, section 2.3).
    let pseudo = if protocol == ICMPV6 { checksum::pseudo_header(&header[8..], protocol, ICMP_BYTES) } else { 0 };
    let field = checksum::field(checksum::add(pseudo, message));
    message[2..4].copy_from_slice(&field);
}

fn write_ipv4(source: Ipv4Addr, destination: Ipv4Addr, header: &mut [u8]) {
    header.fill(0);
    header[0] = 0x45;
    put_short(header, 2, IPV4_BYTES + ICMP_BYTES);
    header[6] = DONT_FRAGMENT;
    header[8] = HOP_LIMIT;
    header[9] = ICMPV4;
    header[12..16].copy_from_slice(&source.octets());
    header[16..20].copy_from_slice(&destination.octets());
    seal_ipv4(header);
}

fn write_ipv6(source: Ipv6Addr, destination: Ipv6Addr, header: &mut [u8]) {
    header[..8].copy_from_slice(&[0x60, 0, 0, 0, 0, 0, ICMPV6, HOP_LIMIT]);
    put_short(header, 4, ICMP_BYTES);
    header[8..24].copy_from_slice(&source.octets());
    header[24..40].copy_from_slice(&destination.octets());
}

/// Return the token of a packet that is a reply of the length of ours. Its checksum is not verified: the packet is
/// authentic, and another token is no reply to a probe.
pub(super) fn parse_reply(packet: &[u8]) -> Option<&Token> {
    let message = match *packet.first()? {
        0x45 if packet.len() == IPV4_BYTES + ICMP_BYTES && packet[9] == ICMPV4 => {
            (short(packet, 6) & 0x3fff == 0).then(|| &packet[IPV4_BYTES..])?
        }
        first if first >> 4 == 6 && packet.len() == IPV6_BYTES + ICMP_BYTES && packet[6] == ICMPV6 => {
            &packet[IPV6_BYTES..]
        }
        _ => return None,
    };
    let kind = if packet.len() == IPV4_BYTES + ICMP_BYTES { REPLY_V4 } else { REPLY_V6 };
    (message[..2] == [kind, 0]).then(|| message[4..].first_chunk())?
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TOKEN: Token = [7; TOKEN_BYTES];

    fn addresses() -> [Addresses; 2] {
        let sources = ["10.0.0.1", "fd00::1"].map(|text| text.parse().unwrap());
        ["10.0.0.2", "fd00::2"].map(|text| Addresses::select(&sources, text.parse().unwrap()).unwrap())
    }

    /// Return the request, cut to its length.
    fn request(addresses: &Addresses) -> Vec<u8> {
        let mut packet = vec![0xff; MAX_BYTES];
        write_request(addresses, &TOKEN, &mut packet);
        packet.truncate(match addresses {
            Addresses::V4(..) => IPV4_BYTES + ICMP_BYTES,
            Addresses::V6(..) => MAX_BYTES,
        });
        packet
    }

    #[test]
    fn the_checksums_of_a_request_hold() {
        let [v4, v6] = addresses().each_ref().map(request);
        assert_eq!(checksum::fold(checksum::add(0, &v4[..IPV4_BYTES])), 0xffff);
        assert_eq!(checksum::fold(checksum::add(0, &v4[IPV4_BYTES..])), 0xffff);
        let pseudo = checksum::pseudo_header(&v6[8..40], ICMPV6, ICMP_BYTES);
        assert_eq!(checksum::fold(checksum::add(pseudo, &v6[IPV6_BYTES..])), 0xffff);
        assert_eq!((short(&v4, 2), short(&v6, 4) + IPV6_BYTES), (v4.len(), v6.len()));
    }

    #[test]
    fn a_reply_is_recognised_and_a_request_is_not() {
        for (addresses, reply) in addresses().iter().zip([REPLY_V4, REPLY_V6]) {
            let mut packet = request(addresses);
            assert_eq!(parse_reply(&packet), None);
            let at = packet.len() - ICMP_BYTES;
            packet[at] = reply;
            assert_eq!(parse_reply(&packet), Some(&TOKEN));
            packet.push(0);
            assert_eq!(parse_reply(&packet), None, "of another length");
        }
    }

    #[test]
    fn a_source_has_the_family_of_the_destination() {
        let v4: IpAddr = "10.0.0.1".parse().unwrap();
        assert_eq!(Addresses::select(&[v4], "fd00::2".parse().unwrap()), None);
        assert_eq!(Addresses::select(&[], v4), None);
        assert!(addresses().iter().all(|addresses| addresses.destination() != v4));
    }

    proptest! {
        #[test]
        fn arbitrary_packets_parse_without_panic(packet in prop::collection::vec(any::<u8>(), 0..80)) {
            if let Some(token) = parse_reply(&packet) {
                prop_assert!(packet.ends_with(token));
            }
        }
    }
}
