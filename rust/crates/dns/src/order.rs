//! The order in which to try addresses: RFC 6724, section 6, then the families in turn (RFC 8305, section 4).

use std::cmp::Reverse;
use std::net::{IpAddr, Ipv6Addr};

/// An address, and the source from which this host would send to it; None if it has no route there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Destination {
    /// The address.
    pub address: IpAddr,
    /// The source.
    pub source: Option<IpAddr>,
}

/// The default policy table (RFC 6724, section 2.1): prefix, its length, precedence and label.
const POLICY: [(Ipv6Addr, u32, u8, u8); 9] = [
    (Ipv6Addr::LOCALHOST, 128, 50, 0),
    (Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, 0, 0), 96, 35, 4),
    (Ipv6Addr::UNSPECIFIED, 96, 1, 3),
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 32, 5, 5),
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16, 30, 2),
    (Ipv6Addr::new(0x3ffe, 0, 0, 0, 0, 0, 0, 0), 16, 1, 12),
    (Ipv6Addr::new(0xfec0, 0, 0, 0, 0, 0, 0, 0), 10, 1, 11),
    (Ipv6Addr::new(0xfc00, 0, 0, 0, 0, 0, 0, 0), 7, 3, 13),
    (Ipv6Addr::UNSPECIFIED, 0, 40, 1),
];

/// Return the addresses in the order in which to try them, each once. Those without a route come last.
///
/// Rules 3, 4 and 7 of RFC 6724 are left out: deprecated and home addresses and native transport are not known here, and
/// the kernel has already considered the first two when it chose the source. Rule 9 is applied to IPv6 only, as a longer
/// common prefix says nothing about the distance of IPv4 addresses.
#[must_use]
pub fn order(destinations: &[Destination]) -> Vec<IpAddr> {
    let mut sorted: Vec<Destination> = Vec::new();
    for destination in destinations {
        if !sorted.iter().any(|known| known.address == destination.address) {
            sorted.push(*destination);
        }
    }
    sorted.sort_by_key(rank);
    let reached = sorted.iter().take_while(|destination| destination.source.is_some()).count();
    let (with_route, without) = sorted.split_at(reached);
    with_families_in_turn(with_route).chain(without.iter().map(|destination| destination.address)).collect()
}

/// The rules that apply, in their order; the lower one comes first.
fn rank(destination: &Destination) -> (bool, bool, bool, Reverse<u8>, u8, Reverse<u32>) {
    let address = mapped(destination.address);
    let (precedence, label) = policy(address);
    let Some(source) = destination.source.map(mapped) else {
        return (true, false, false, Reverse(precedence), scope(address), Reverse(0));
    };
    let common = if destination.address.is_ipv6() { common_prefix(address, source) } else { 0 };
    (
        false,                           // rule 1: avoid unusable destinations
        scope(address) != scope(source), // rule 2: prefer matching scope
        label != policy(source).1,       // rule 5: prefer matching label
        Reverse(precedence),             // rule 6: prefer higher precedence
        scope(address),                  // rule 8: prefer smaller scope
        Reverse(common),                 // rule 9: use longest matching prefix
    )
}

fn with_families_in_turn(sorted: &[Destination]) -> impl Iterator<Item = IpAddr> {
    let first_is_v6 = sorted.first().is_some_and(|first| first.address.is_ipv6());
    let addresses = sorted.iter().map(|destination| destination.address);
    let (first, second): (Vec<IpAddr>, Vec<IpAddr>) = addresses.partition(|address| address.is_ipv6() == first_is_v6);
    let rounds = first.len().max(second.len());
    (0..rounds).flat_map(move |round| [first.get(round).copied(), second.get(round).copied()]).flatten()
}

fn mapped(address: IpAddr) -> Ipv6Addr {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped(),
        IpAddr::V6(address) => address,
    }
}

/// Return the precedence and the label of the longest prefix that contains the address.
fn policy(address: Ipv6Addr) -> (u8, u8) {
    let contains = |prefix: Ipv6Addr, length: u32| {
        length == 0 || address.to_bits() >> (128 - length) == prefix.to_bits() >> (128 - length)
    };
    let matching = POLICY.iter().filter(|(prefix, length, ..)| contains(*prefix, *length));
    matching.max_by_key(|(_, length, ..)| *length).map_or((40, 1), |(.., precedence, label)| (*precedence, *label))
}

/// The scope of an address, as of multicast (RFC 6724, section 3.1).
fn scope(address: Ipv6Addr) -> u8 {
    const LINK_LOCAL: u8 = 2;
    const SITE_LOCAL: u8 = 5;
    const GLOBAL: u8 = 14;
    if let Some(v4) = address.to_ipv4_mapped() {
        return if v4.is_loopback() || v4.is_link_local() { LINK_LOCAL } else { GLOBAL };
    }
    match address.segments()[0] {
        first if first & 0xff00 == 0xff00 => (first & 0xf) as u8,
        first if first & 0xffc0 == 0xfe80 => LINK_LOCAL,
        first if first & 0xffc0 == 0xfec0 => SITE_LOCAL,
        _ if address.is_loopback() => LINK_LOCAL,
        _ => GLOBAL,
    }
}

/// The length of the common prefix, up to the 64 bits of a network (RFC 6724, section 2.2).
fn common_prefix(one: Ipv6Addr, other: Ipv6Addr) -> u32 {
    (one.to_bits() ^ other.to_bits()).leading_zeros().min(64)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ordered(pairs: &[(&str, &str)]) -> Vec<String> {
        let parsed = |(address, source): &(&str, &str)| Destination {
            address: address.parse().unwrap(),
            source: source.parse().ok(),
        };
        order(&pairs.iter().map(parsed).collect::<Vec<_>>()).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn examples_of_rfc_6724() {
        // Section 10.2, as far as sources alone decide.
        assert_eq!(
            ordered(&[("2001:db8:1::1", "2001:db8:1::2"), ("198.51.100.121", "169.254.13.78")]),
            ["2001:db8:1::1", "198.51.100.121"]
        );
        assert_eq!(
            ordered(&[("2001:db8:1::1", "fe80::1"), ("198.51.100.121", "198.51.100.117")]),
            ["198.51.100.121", "2001:db8:1::1"]
        );
        assert_eq!(
            ordered(&[("10.1.2.3", "10.1.2.4"), ("2001:db8:1::1", "2001:db8:1::2")]),
            ["2001:db8:1::1", "10.1.2.3"]
        );
        assert_eq!(
            ordered(&[("2001:db8:1::1", "2001:db8:1::2"), ("fe80::1", "fe80::2")]),
            ["fe80::1", "2001:db8:1::1"]
        );
        // Section 10.4: a source of a transition mechanism does not match.
        assert_eq!(
            ordered(&[("2002:c633:6401::1", "2002:c633:6401::2"), ("2001:db8:1::1", "2002:c633:6401::2")]),
            ["2002:c633:6401::1", "2001:db8:1::1"]
        );
    }

    #[test]
    fn families_take_turns_and_addresses_without_a_route_come_last() {
        let (v6, v4) = ("2001:db8::1", "192.0.2.1");
        assert_eq!(
            ordered(&[
                ("192.0.2.7", v4),
                ("2001:db8:5::1", ""),
                ("2001:db8::8", v6),
                ("2001:db8::9", v6),
                ("192.0.2.8", v4),
                ("192.0.2.8", v4),
            ]),
            ["2001:db8::8", "192.0.2.7", "2001:db8::9", "192.0.2.8", "2001:db8:5::1"]
        );
    }

    proptest! {
        #[test]
        fn no_address_is_lost_or_doubled(addresses: Vec<(IpAddr, Option<IpAddr>)>) {
            let all: Vec<Destination> =
                addresses.iter().map(|(address, source)| Destination { address: *address, source: *source }).collect();
            let mut expected: Vec<IpAddr> = addresses.iter().map(|(address, _)| *address).collect();
            let mut found = order(&all);
            found.sort_unstable();
            expected.sort_unstable();
            expected.dedup();
            prop_assert_eq!(found, expected);
        }
    }
}
