//! The Internet checksum (RFC 1071), summed eight octets of a kind at a time and folded at the end.

/// An unfolded sum of big-endian 16-bit words, in the byte order of this machine.
pub(crate) type Sum = u64;

/// Adds the words of `octets` to a sum; an odd octet at the end counts as if a zero followed.
pub(crate) fn add(sum: Sum, octets: &[u8]) -> Sum {
    let mut sum = sum;
    let (blocks, rest) = octets.as_chunks::<32>();
    let mut lanes = [0u64; 8];
    for block in blocks {
        for (lane, word) in lanes.iter_mut().zip(block.as_chunks::<4>().0) {
            *lane += u64::from(u32::from_ne_bytes(*word));
        }
    }
    // Eight lanes of 2^14 words of 32 bits stay far below 2^64: a packet has at most 2^16 octets.
    sum += lanes.iter().sum::<u64>();
    let (pairs, odd) = rest.as_chunks::<2>();
    sum += pairs.iter().map(|pair| u64::from(u16::from_ne_bytes(*pair))).sum::<u64>();
    sum + odd.first().map_or(0, |octet| u64::from(u16::from_ne_bytes([*octet, 0])))
}

/// Folds a sum to 16 bits, in the byte order of this machine.
pub(crate) fn fold(sum: Sum) -> u16 {
    let mut sum = (sum & 0xffff_ffff) + (sum >> 32);
    sum = (sum & 0xffff) + (sum >> 16 & 0xffff) + (sum >> 32);
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    sum as u16
}

/// The octets of a checksum field: the complement of the folded sum.
pub(crate) fn field(sum: Sum) -> [u8; 2] {
    (!fold(sum)).to_ne_bytes()
}

/// The sum of a pseudo-header: `addresses` as they stand in the IP header, the protocol and the length.
pub(crate) fn pseudo_header(addresses: &[u8], protocol: u8, length: usize) -> Sum {
    let mut tail = [0, protocol, 0, 0];
    tail[2..].copy_from_slice(&(length as u16).to_be_bytes());
    add(add(0, addresses), &tail)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// RFC 1071, section 1, word by word.
    fn plain(octets: &[u8]) -> u16 {
        let mut sum = 0u32;
        for pair in octets.chunks(2) {
            sum += u32::from(u16::from_be_bytes([pair[0], pair.get(1).copied().unwrap_or(0)]));
            sum = (sum & 0xffff) + (sum >> 16);
        }
        sum as u16
    }

    #[test]
    fn the_example_of_rfc_1071() {
        let octets = [0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7];
        assert_eq!(field(add(0, &octets)), (!0xddf2u16).to_be_bytes());
    }

    proptest! {
        #[test]
        fn it_agrees_with_the_plain_sum(octets in prop::collection::vec(any::<u8>(), 0..3000), fill: bool) {
            let octets = if fill { vec![0xff; octets.len()] } else { octets };
            prop_assert_eq!(fold(add(0, &octets)).to_be() % 0xffff, plain(&octets) % 0xffff);
        }
    }
}
