//! Classes of addresses that an exit node treats apart from the rest of the Internet, and IPv4 addresses inside IPv6 ones.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The class of an address with restrictions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Never a destination: it means this host, one link, many hosts, or the metadata of a cloud.
    Never,
    /// A private network (RFC 1918, 6598, 2544, 4193).
    Private,
}

/// A prefix: its address as a number, and its length.
type Block<Bits> = (Bits, u32);

const NEVER_V4: [Block<u32>; 7] = [
    // "This host" (RFC 1122, section 3.2.1.3): connect(2) to 0.0.0.0 reaches 127.0.0.1.
    (v4(0, 0, 0, 0), 8),
    (v4(127, 0, 0, 0), 8),
    // Link-local (RFC 3927), with the metadata service of most clouds.
    (v4(169, 254, 0, 0), 16),
    // Protocol assignments (RFC 6890), with the metadata service of Oracle Cloud.
    (v4(192, 0, 0, 0), 24),
    // Multicast, then reserved and limited broadcast (RFC 1112).
    (v4(224, 0, 0, 0), 3),
    // The metadata services of Alibaba Cloud and of Azure.
    (v4(100, 100, 100, 200), 32),
    (v4(168, 63, 129, 16), 32),
];

const NEVER_V6: [Block<u128>; 9] = [
    // Unspecified, loopback, and the deprecated IPv4-compatible addresses (RFC 4291, section 2.5.5.1).
    (0, 96),
    MAPPED,
    // Link-local, and the deprecated site-local addresses (RFC 3879).
    (v6(0xfe80, 0, 0, 0), 10),
    (v6(0xfec0, 0, 0, 0), 10),
    (v6(0xff00, 0, 0, 0), 8),
    // Teredo (RFC 4380): an IPv4 address and port of somebody's NAT.
    (v6(0x2001, 0, 0, 0), 32),
    // The metadata services of AWS, Google Cloud and Akamai.
    (v6(0xfd00, 0xec2, 0, 0) | 0x254, 128),
    (v6(0xfd20, 0xce, 0, 0) | 0x254, 128),
    (v6(0xfd00, 0xa9fe, 0xa9fe, 0) | 1, 128),
];

const PRIVATE_V4: [Block<u32>; 5] = [
    (v4(10, 0, 0, 0), 8),
    (v4(172, 16, 0, 0), 12),
    (v4(192, 168, 0, 0), 16),
    (v4(100, 64, 0, 0), 10),
    (v4(198, 18, 0, 0), 15),
];

const PRIVATE_V6: Block<u128> = (v6(0xfc00, 0, 0, 0), 7);

/// IPv4-mapped addresses (RFC 4291, section 2.5.5.2).
const MAPPED: Block<u128> = (0xffff << 32, 96);
/// The well-known prefix of NAT64 (RFC 6052, section 2.1).
const NAT64: Block<u128> = (v6(0x64, 0xff9b, 0, 0), 96);
/// The local-use prefix of NAT64 (RFC 8215).
const LOCAL_NAT64: Block<u128> = (v6(0x64, 0xff9b, 1, 0), 48);
/// 6to4 (RFC 3056).
const SIX_TO_FOUR: Block<u128> = (v6(0x2002, 0, 0, 0), 16);

const fn v4(a: u8, b: u8, c: u8, d: u8) -> u32 {
    u32::from_be_bytes([a, b, c, d])
}

/// Return the bits of an address from its first four groups.
const fn v6(a: u16, b: u16, c: u16, d: u16) -> u128 {
    (a as u128) << 112 | (b as u128) << 96 | (c as u128) << 80 | (d as u128) << 64
}

fn holds_v4((bits, length): Block<u32>, address: u32) -> bool {
    (bits ^ address).leading_zeros() >= length
}

fn holds_v6((bits, length): Block<u128>, address: u128) -> bool {
    (bits ^ address).leading_zeros() >= length
}

/// Return the class of an address as it stands, without regard to an IPv4 address inside; `None` for a public one.
#[must_use]
pub fn class(address: IpAddr) -> Option<Class> {
    let (never, private) = match address {
        IpAddr::V4(address) => {
            let inside = |block: &Block<u32>| holds_v4(*block, address.to_bits());
            (NEVER_V4.iter().any(inside), PRIVATE_V4.iter().any(inside))
        }
        IpAddr::V6(address) => {
            let inside = |block: &Block<u128>| holds_v6(*block, address.to_bits());
            (NEVER_V6.iter().any(inside), inside(&PRIVATE_V6))
        }
    };
    match (never, private) {
        (true, _) => Some(Class::Never),
        (false, true) => Some(Class::Private),
        (false, false) => None,
    }
}

/// Return the private range that an address belongs to, as its first address and its length.
#[must_use]
pub fn private_range(address: IpAddr) -> Option<(IpAddr, u8)> {
    match address {
        IpAddr::V4(address) => {
            let block = PRIVATE_V4.into_iter().find(|block| holds_v4(*block, address.to_bits()))?;
            Some((Ipv4Addr::from_bits(block.0).into(), block.1 as u8))
        }
        IpAddr::V6(address) => holds_v6(PRIVATE_V6, address.to_bits())
            .then_some((Ipv6Addr::from_bits(PRIVATE_V6.0).into(), PRIVATE_V6.1 as u8)),
    }
}

/// Return whether an address is IPv4-mapped. Sockets take it for the IPv4 address; on a wire it has no meaning.
#[must_use]
pub fn is_mapped(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(address) if holds_v6(MAPPED, address.to_bits()))
}

/// The addresses that a destination can mean to a translator behind this host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Readings {
    addresses: [IpAddr; 4],
    count: usize,
}

impl Readings {
    fn of(addresses: &[Ipv4Addr]) -> Self {
        let mut readings = Self { addresses: [Ipv4Addr::UNSPECIFIED.into(); 4], count: addresses.len() };
        for (place, address) in readings.addresses.iter_mut().zip(addresses) {
            *place = (*address).into();
        }
        readings
    }

    /// Return the addresses, at least one.
    pub fn iter(&self) -> impl Iterator<Item = IpAddr> + '_ {
        self.addresses[..self.count].iter().copied()
    }
}

/// Return the addresses by which a destination is judged: the IPv4 address inside for NAT64 and 6to4, else itself.
///
/// Behind the local-use prefix of NAT64 a network chooses where in the address the IPv4 address lies (RFC 6052, section
/// 2.2). So each of the four places is a reading of its own. One in 0.0.0.0/8 is the padding of another place; it
/// counts only if there is no other.
#[must_use]
pub fn readings(address: IpAddr) -> Readings {
    let IpAddr::V6(v6) = address else { return itself(address) };
    let (bits, octets) = (v6.to_bits(), v6.octets());
    let inside = |places: [usize; 4]| Ipv4Addr::from(places.map(|place| octets[place]));
    if holds_v6(NAT64, bits) {
        Readings::of(&[inside([12, 13, 14, 15])])
    } else if holds_v6(SIX_TO_FOUR, bits) {
        Readings::of(&[inside([2, 3, 4, 5])])
    } else if holds_v6(LOCAL_NAT64, bits) {
        let places = [[12, 13, 14, 15], [6, 7, 9, 10], [7, 9, 10, 11], [9, 10, 11, 12]];
        let mut used = [Ipv4Addr::UNSPECIFIED; 4];
        let mut count = 0;
        for reading in places.map(inside).into_iter().filter(|reading| reading.octets()[0] != 0) {
            used[count] = reading;
            count += 1;
        }
        Readings::of(&used[..count.max(1)])
    } else {
        itself(address)
    }
}

fn itself(address: IpAddr) -> Readings {
    Readings { addresses: [address; 4], count: 1 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn read(text: &str) -> Vec<IpAddr> {
        readings(ip(text)).iter().collect()
    }

    #[test]
    fn each_block_is_classified_at_its_first_and_last_address_and_not_beside_them() {
        let never = [
            ("0.0.0.0", "0.255.255.255"),
            ("127.0.0.0", "127.255.255.255"),
            ("169.254.0.0", "169.254.255.255"),
            ("192.0.0.0", "192.0.0.255"),
            ("224.0.0.0", "255.255.255.255"),
            ("168.63.129.16", "168.63.129.16"),
            ("::", "::ffff:ffff"),
            ("::ffff:0:0", "::ffff:ffff:ffff"),
            // Link-local, site-local and multicast follow one another.
            ("fe80::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
            ("2001::", "2001:0:ffff:ffff:ffff:ffff:ffff:ffff"),
        ];
        let private = [
            ("10.0.0.0", "10.255.255.255"),
            ("172.16.0.0", "172.31.255.255"),
            ("192.168.0.0", "192.168.255.255"),
            ("100.64.0.0", "100.127.255.255"),
            ("198.18.0.0", "198.19.255.255"),
            ("fc00::", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
        ];
        for (expected, blocks) in [(Class::Never, &never[..]), (Class::Private, &private[..])] {
            for (first, last) in blocks {
                assert_eq!((class(ip(first)), class(ip(last))), (Some(expected), Some(expected)), "{first} {last}");
                for beside in [step(ip(first), false), step(ip(last), true)].into_iter().flatten() {
                    assert_ne!(class(beside), Some(expected), "{beside}");
                }
            }
        }
    }

    /// Return the next or the previous address of the same family.
    fn step(address: IpAddr, up: bool) -> Option<IpAddr> {
        match address {
            IpAddr::V4(v4) => {
                let bits = v4.to_bits();
                Some(Ipv4Addr::from_bits(if up { bits.checked_add(1)? } else { bits.checked_sub(1)? }).into())
            }
            IpAddr::V6(v6) => {
                let bits = v6.to_bits();
                Some(Ipv6Addr::from_bits(if up { bits.checked_add(1)? } else { bits.checked_sub(1)? }).into())
            }
        }
    }

    #[test]
    fn metadata_services_inside_private_ranges_are_never_reached() {
        for text in ["100.100.100.200", "fd00:ec2::254", "fd20:ce::254", "fd00:a9fe:a9fe::1", "169.254.169.254"] {
            assert_eq!(class(ip(text)), Some(Class::Never), "{text}");
        }
        for beside in ["100.100.100.201", "fd00:ec2::253", "fd20:ce::255", "fd00:a9fe:a9fe::2"] {
            assert_eq!(class(ip(beside)), Some(Class::Private), "{beside}");
        }
    }

    #[test]
    fn public_addresses_have_no_class() {
        for text in
            ["8.8.8.8", "192.0.2.1", "100.63.255.255", "198.20.0.0", "2606:4700::1111", "2001:1::1", "64:ff9b::1"]
        {
            assert_eq!((class(ip(text)), private_range(ip(text))), (None, None), "{text}");
        }
    }

    #[test]
    fn a_private_address_names_its_range() {
        assert_eq!(private_range(ip("172.31.4.5")), Some((ip("172.16.0.0"), 12)));
        assert_eq!(private_range(ip("fd12::1")), Some((ip("fc00::"), 7)));
    }

    #[test]
    fn wrapped_addresses_are_read_as_the_ipv4_address_inside() {
        assert_eq!(read("64:ff9b::7f00:1"), [ip("127.0.0.1")]);
        assert_eq!(read("2002:7f00:1::5"), [ip("127.0.0.1")]);
        assert_eq!(read("64:ff9b:1::808:808"), [ip("8.8.8.8")]);
        assert_eq!(read("64:ff9b:1:fffe::a00:1")[0], ip("10.0.0.1"));
        // 192.0.2.33 in each layout of RFC 6052, section 2.4.
        assert!(read("64:ff9b:1:c000:2:2100::").contains(&ip("192.0.2.33")));
        assert!(read("64:ff9b:1:aac0:0:221::").contains(&ip("192.0.2.33")));
        assert!(read("64:ff9b:1:aabb:c0:2:2100:0").contains(&ip("192.0.2.33")));
        assert_eq!(read("64:ff9b:1::"), [ip("0.0.0.0")]);
        assert_eq!(read("64:ff9b:2::7f00:1"), [ip("64:ff9b:2::7f00:1")]);
        assert_eq!(read("8.8.8.8"), [ip("8.8.8.8")]);
    }

    #[test]
    fn mapped_addresses_are_recognised() {
        assert!(is_mapped(ip("::ffff:1.2.3.4")) && class(ip("::ffff:8.8.8.8")) == Some(Class::Never));
        assert!(!is_mapped(ip("::1.2.3.4")) && !is_mapped(ip("1.2.3.4")) && !is_mapped(ip("::fffe:1.2.3.4")));
    }

    proptest! {
        #[test]
        fn a_loopback_address_is_read_wherever_a_translator_may_find_it(host in 0u32..1 << 24, place in 0usize..4) {
            let loopback = Ipv4Addr::from_bits(0x7f00_0000 | host);
            let mut octets = Ipv6Addr::from_bits(LOCAL_NAT64.0).octets();
            let places = [[12, 13, 14, 15], [6, 7, 9, 10], [7, 9, 10, 11], [9, 10, 11, 12]][place];
            for (at, octet) in places.into_iter().zip(loopback.octets()) {
                octets[at] = octet;
            }
            let found = readings(Ipv6Addr::from(octets).into());
            prop_assert!(found.iter().any(|reading| reading == loopback));
        }

        #[test]
        fn every_address_has_a_reading_and_a_private_one_has_a_range(bits: u128) {
            let address = IpAddr::V6(Ipv6Addr::from_bits(bits));
            prop_assert!((1..=4).contains(&readings(address).iter().count()));
            if class(address) == Some(Class::Private) {
                prop_assert!(private_range(address).is_some());
            }
        }
    }
}
