//! The Internet checksum (RFC 1071), computed while bytes are copied.

/// Bytes that one step sums in independent lanes, so that the compiler uses vector instructions.
const STEP: usize = 32;

/// A one's complement sum of 16-bit words in network order, whose parts may have any length.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Sum {
    /// The sum of words in the order of this machine.
    words: u64,
    /// Whether an odd number of bytes was added.
    odd: bool,
}

impl Sum {
    /// Add bytes.
    pub(crate) fn add(&mut self, bytes: &[u8]) {
        let (steps, rest) = bytes.as_chunks::<STEP>();
        let mut lanes = [0u64; STEP / 4];
        for step in steps {
            add_step(&mut lanes, step);
        }
        self.finish(&lanes, rest, bytes.len());
    }

    /// Copy `from` to `to`, which is as long, and add its bytes.
    pub(crate) fn copy(&mut self, from: &[u8], to: &mut [u8]) {
        let (steps, rest) = from.as_chunks::<STEP>();
        let (to_steps, to_rest) = to.as_chunks_mut::<STEP>();
        let mut lanes = [0u64; STEP / 4];
        for (step, to) in steps.iter().zip(to_steps) {
            *to = *step;
            add_step(&mut lanes, step);
        }
        to_rest.copy_from_slice(rest);
        self.finish(&lanes, rest, from.len());
    }

    /// Add the lanes and what is less than a step. After an odd number of bytes the words are shifted by one byte,
    /// which swaps the bytes of their sum (RFC 1071, section 2, B).
    fn finish(&mut self, lanes: &[u64; STEP / 4], rest: &[u8], len: usize) {
        let mut words: u64 = lanes.iter().sum();
        let (pairs, last) = rest.as_chunks::<2>();
        words += pairs.iter().map(|pair| u64::from(u16::from_ne_bytes(*pair))).sum::<u64>();
        words += last.iter().map(|&byte| u64::from(u16::from_ne_bytes([byte, 0]))).sum::<u64>();
        let folded = fold(words);
        self.words += u64::from(if self.odd { folded.swap_bytes() } else { folded });
        self.odd ^= len % 2 == 1;
    }

    /// Return the complement of the sum, as the field of the header has it. It is 0 for bytes with a right checksum.
    pub(crate) fn checksum(self) -> u16 {
        !u16::from_be(fold(self.words))
    }
}

fn add_step(lanes: &mut [u64; STEP / 4], step: &[u8; STEP]) {
    for (lane, word) in lanes.iter_mut().zip(step.as_chunks::<4>().0) {
        *lane += u64::from(u32::from_ne_bytes(*word));
    }
}

fn fold(mut sum: u64) -> u16 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// RFC 1071, section 3.
    #[test]
    fn the_example_of_the_rfc_has_its_sum() {
        let mut sum = Sum::default();
        sum.add(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]);
        assert_eq!(sum.checksum(), !0xddf2);
    }

    proptest! {
        #[test]
        fn parts_of_any_length_sum_like_the_whole(
            bytes in prop::collection::vec(any::<u8>(), 0..500),
            cuts in prop::collection::vec(0usize..500, 3),
        ) {
            let expected = {
                let sum: u64 = bytes.chunks(2).map(|pair| {
                    u64::from(u16::from_be_bytes([pair[0], *pair.get(1).unwrap_or(&0)]))
                }).sum();
                !fold(sum)
            };
            let mut cuts: Vec<_> = cuts.into_iter().map(|cut| cut.min(bytes.len())).chain([0, bytes.len()]).collect();
            cuts.sort_unstable();
            let (mut added, mut copied, mut copy) = (Sum::default(), Sum::default(), vec![0; bytes.len()]);
            for pair in cuts.windows(2) {
                let part = &bytes[pair[0]..pair[1]];
                added.add(part);
                copied.copy(part, &mut copy[pair[0]..pair[1]]);
            }
            prop_assert_eq!(added.checksum(), expected);
            prop_assert_eq!(copied.checksum(), expected);
            prop_assert_eq!(copy, bytes);
        }
    }
}
