//! The Internet checksum (RFC 1071), summed in lanes and folded at the end.

/// An unfolded sum of big-endian 16-bit words, in the byte order of this machine.
pub type Sum = u64;

/// Octets summed in one step.
const BLOCK: usize = 64;

/// Add the words of `octets` to a sum; an odd octet at the end counts as if a zero followed.
#[must_use]
pub fn add(sum: Sum, octets: &[u8]) -> Sum {
    let (blocks, rest) = octets.as_chunks();
    sum + lanes::add(blocks) + add_rest(rest)
}

/// Copy `from` to `to` and add its words to a sum.
///
/// # Panics
/// If the lengths differ.
pub fn copy(sum: Sum, from: &[u8], to: &mut [u8]) -> Sum {
    assert_eq!(from.len(), to.len(), "a copy is as long as its original");
    let ((blocks, rest), (to_blocks, to_rest)) = (from.as_chunks(), to.as_chunks_mut());
    to_rest.copy_from_slice(rest);
    sum + lanes::copy(blocks, to_blocks) + add_rest(rest)
}

fn add_rest(rest: &[u8]) -> Sum {
    let (words, rest) = rest.as_chunks::<4>();
    let (pairs, odd) = rest.as_chunks::<2>();
    words.iter().map(|word| u64::from(u32::from_ne_bytes(*word))).sum::<u64>()
        + pairs.iter().map(|pair| u64::from(u16::from_ne_bytes(*pair))).sum::<u64>()
        + odd.first().map_or(0, |octet| u64::from(u16::from_ne_bytes([*octet, 0])))
}

/// Sums of whole blocks, in lanes that the compiler keeps in registers: wider ones where the CPU has AVX2.
mod lanes {
    use super::{BLOCK, Sum};

    const LANES: usize = BLOCK / 8;

    pub(super) fn add(blocks: &[[u8; BLOCK]]) -> Sum {
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2") {
            // SAFETY: the CPU has AVX2.
            return unsafe { add_avx2(blocks) };
        }
        add_plain(blocks)
    }

    pub(super) fn copy(from: &[[u8; BLOCK]], to: &mut [[u8; BLOCK]]) -> Sum {
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2") {
            // SAFETY: the CPU has AVX2.
            return unsafe { copy_avx2(from, to) };
        }
        copy_plain(from, to)
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2")]
    fn add_avx2(blocks: &[[u8; BLOCK]]) -> Sum {
        add_plain(blocks)
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2")]
    fn copy_avx2(from: &[[u8; BLOCK]], to: &mut [[u8; BLOCK]]) -> Sum {
        copy_plain(from, to)
    }

    #[inline(always)]
    fn add_plain(blocks: &[[u8; BLOCK]]) -> Sum {
        let mut sums = Sums::default();
        blocks.iter().for_each(|block| sums.add(block));
        sums.total()
    }

    #[inline(always)]
    fn copy_plain(from: &[[u8; BLOCK]], to: &mut [[u8; BLOCK]]) -> Sum {
        let mut sums = Sums::default();
        for (from, to) in from.iter().zip(to) {
            sums.add(from);
            *to = *from;
        }
        sums.total()
    }

    /// The lower and the upper halves of 64-bit words, lane by lane. A packet has at most 2^10 blocks, so none
    /// overflows.
    #[derive(Default)]
    struct Sums {
        lower: [u64; LANES],
        upper: [u64; LANES],
    }

    impl Sums {
        #[inline(always)]
        fn add(&mut self, block: &[u8; BLOCK]) {
            for (lane, octets) in block.as_chunks().0.iter().enumerate() {
                let word = u64::from_ne_bytes(*octets);
                self.lower[lane] += word & 0xffff_ffff;
                self.upper[lane] += word >> 32;
            }
        }

        #[inline(always)]
        fn total(&self) -> Sum {
            self.lower.iter().chain(&self.upper).sum()
        }
    }
}

/// Return what a field of 16 bits adds to a sum.
#[must_use]
pub fn short(value: u16) -> Sum {
    value.to_be().into()
}

/// Return what a field of 32 bits adds to a sum.
#[must_use]
pub fn word(value: u32) -> Sum {
    value.to_be().into()
}

/// Subtract the 16-bit words of `octets` at `places` from a sum.
#[must_use]
pub fn without(sum: Sum, octets: &[u8], places: &[usize]) -> Sum {
    sum + places.iter().map(|at| u64::from(!u16::from_ne_bytes([octets[*at], octets[at + 1]]))).sum::<u64>()
}

/// Fold a sum to 16 bits, in the byte order of this machine.
#[must_use]
pub fn fold(sum: Sum) -> u16 {
    let mut sum = (sum & 0xffff_ffff) + (sum >> 32);
    sum = (sum & 0xffff) + (sum >> 16 & 0xffff) + (sum >> 32);
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    sum as u16
}

/// Return the octets of a checksum field: the complement of the folded sum.
#[must_use]
pub fn field(sum: Sum) -> [u8; 2] {
    (!fold(sum)).to_ne_bytes()
}

/// Return the sum of a pseudo-header: `addresses` as in the IP header, the protocol and the length.
#[must_use]
pub fn pseudo_header(addresses: &[u8], protocol: u8, length: usize) -> Sum {
    let mut tail = [0, protocol, 0, 0];
    tail[2..].copy_from_slice(&(length as u16).to_be_bytes());
    add(add(0, addresses), &tail)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Compute the checksum word by word as in RFC 1071, section 1.
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

        #[test]
        fn a_copy_is_the_same_and_has_the_same_sum(octets in prop::collection::vec(any::<u8>(), 0..3000), start: u16) {
            let mut copied = vec![0; octets.len()];
            prop_assert_eq!(copy(start.into(), &octets, &mut copied), add(start.into(), &octets));
            prop_assert_eq!(copied, octets);
        }
    }
}
