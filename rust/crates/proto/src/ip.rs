//! The part of IP (RFC 791, RFC 8200) that a tunnel reads: versions, lengths, addresses.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

const IPV4_HEADER: usize = 20;
const IPV6_HEADER: usize = 40;

/// Return the destination of a packet; `None` if it is not an IP packet.
pub(crate) fn destination(packet: &[u8]) -> Option<IpAddr> {
    match packet.first()? >> 4 {
        4 if packet.len() >= IPV4_HEADER => v4(packet, 16),
        6 if packet.len() >= IPV6_HEADER => v6(packet, 24),
        _ => None,
    }
}

/// Return the source of a packet and its length without padding; `None` if it is not an IP packet or is truncated.
pub(crate) fn source_and_length(packet: &[u8]) -> Option<(IpAddr, usize)> {
    let (source, length) = match packet.first()? >> 4 {
        4 if packet.len() >= IPV4_HEADER => (v4(packet, 12)?, short(packet, 2)),
        6 if packet.len() >= IPV6_HEADER => (v6(packet, 8)?, short(packet, 4) + IPV6_HEADER),
        _ => return None,
    };
    (length >= IPV4_HEADER && length <= packet.len()).then_some((source, length))
}

fn v4(packet: &[u8], at: usize) -> Option<IpAddr> {
    let octets: [u8; 4] = packet.get(at..at + 4)?.try_into().ok()?;
    Some(Ipv4Addr::from(octets).into())
}

fn v6(packet: &[u8], at: usize) -> Option<IpAddr> {
    let octets: [u8; 16] = packet.get(at..at + 16)?.try_into().ok()?;
    Some(Ipv6Addr::from(octets).into())
}

fn short(packet: &[u8], at: usize) -> usize {
    usize::from(u16::from_be_bytes([packet[at], packet[at + 1]]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn arbitrary_octets_parse_or_are_rejected(packet in prop::collection::vec(any::<u8>(), 0..64)) {
            if let Some((source, length)) = source_and_length(&packet) {
                prop_assert!(length <= packet.len());
                prop_assert_eq!(source.is_ipv4(), packet[0] >> 4 == 4);
                prop_assert!(destination(&packet).is_some());
            }
        }
    }

    #[test]
    fn padding_is_not_part_of_the_packet() {
        let mut packet = [0; 64];
        packet[0] = 0x60;
        packet[5] = 8;
        assert_eq!(source_and_length(&packet), Some((Ipv6Addr::UNSPECIFIED.into(), 48)));
        packet[5] = 25;
        assert_eq!(source_and_length(&packet), None);
    }
}
