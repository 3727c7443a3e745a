//! Bytes as a TCP segment: malformed, or written again to a segment that says the same.

use std::net::{Ipv4Addr, Ipv6Addr};

use tcp::segment::{self, HEADER_LEN};
use tcp::{Addresses, Malformed};

const V4: Addresses =
    Addresses::V4 { source: Ipv4Addr::new(192, 0, 2, 1), destination: Ipv4Addr::new(198, 51, 100, 2) };
const V6: Addresses = Addresses::V6 { source: Ipv6Addr::LOCALHOST, destination: Ipv6Addr::UNSPECIFIED };

/// Parse the bytes as they are, then with the checksum that they should have.
pub fn run(octets: &[u8]) {
    for addresses in [V4, V6] {
        check(octets, &addresses);
        let mut repaired = octets.to_vec();
        if repair(&mut repaired, &addresses) {
            assert_ne!(check(&repaired, &addresses), Some(Malformed::Checksum));
        }
    }
}

/// Parse, and compare what is written again. Return why the bytes are malformed.
fn check(octets: &[u8], addresses: &Addresses) -> Option<Malformed> {
    let segment = match segment::parse(octets, addresses) {
        Ok(segment) => segment,
        Err(malformed) => return Some(malformed),
    };
    assert!(segment.payload.len() + HEADER_LEN <= octets.len());
    assert!(octets.ends_with(segment.payload));
    let mut out = vec![0xee; octets.len() + 61];
    let (first, second) = segment.payload.split_at(segment.payload.len() / 2);
    let len = segment::write(&segment.header, (first, second), addresses, &mut out).expect("room for all options");
    assert!(out[len..].iter().all(|&octet| octet == 0xee), "written beyond its length");
    let again = segment::parse(&out[..len], addresses).expect("what was written");
    // A SACK option of four blocks has no room beside timestamps.
    let (mut header, blocks) = (segment.header, again.header.options.sack);
    assert!(header.options.sack.as_slice().starts_with(blocks.as_slice()));
    header.options.sack = blocks;
    assert_eq!((again.header, again.payload), (header, segment.payload));
    if let Some(reset) = segment.reset() {
        assert!(segment::write(&reset, (&[], &[]), addresses, &mut out).is_some());
    }
    None
}

/// Write the checksum. Return whether there is room for one.
fn repair(octets: &mut [u8], addresses: &Addresses) -> bool {
    if octets.len() < HEADER_LEN || octets.len() > usize::from(u16::MAX) {
        return false;
    }
    octets[16..18].fill(0);
    let mut all = match addresses {
        Addresses::V4 { source, destination } => [source.octets(), destination.octets()].concat(),
        Addresses::V6 { source, destination } => [source.octets(), destination.octets()].concat(),
    };
    all.extend_from_slice(&[0, 6]);
    all.extend_from_slice(&(octets.len() as u16).to_be_bytes());
    all.extend_from_slice(octets);
    let words = all.chunks(2).map(|word| u32::from(word[0]) << 8 | u32::from(*word.get(1).unwrap_or(&0)));
    let mut sum: u32 = words.fold(0, |sum, word| (sum + word & 0xffff) + (sum + word >> 16));
    sum = (sum & 0xffff) + (sum >> 16);
    octets[16..18].copy_from_slice(&(!(sum as u16)).to_be_bytes());
    true
}
