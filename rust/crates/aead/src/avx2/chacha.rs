//! ChaCha20 (RFC 8439, section 2.3): eight blocks in lockstep, one in each 32-bit lane.

use core::arch::x86_64::*;
use std::hint::black_box;

use crate::avx2::row::{self, Row};
use crate::avx2::transpose;
use crate::lanes::{State, WORDS};

/// Independent quarter rounds (RFC 8439, section 2.1); there are too few registers to interleave all of them. A macro
/// keeps the words in registers, which the compiler does not guarantee for array elements with a variable index.
macro_rules! quarter_rounds {
    ($state:ident, $masks:expr, $([$a:literal $b:literal $c:literal $d:literal])+) => {$(
        $state[$a] = _mm256_add_epi32($state[$a], $state[$b]);
        $state[$d] = _mm256_shuffle_epi8(_mm256_xor_si256($state[$d], $state[$a]), $masks.by_16);
        $state[$c] = _mm256_add_epi32($state[$c], $state[$d]);
        $state[$b] = rotated::<12, 20>(_mm256_xor_si256($state[$b], $state[$c]));
        $state[$a] = _mm256_add_epi32($state[$a], $state[$b]);
        $state[$d] = _mm256_shuffle_epi8(_mm256_xor_si256($state[$d], $state[$a]), $masks.by_8);
        $state[$c] = _mm256_add_epi32($state[$c], $state[$d]);
        $state[$b] = rotated::<7, 25>(_mm256_xor_si256($state[$b], $state[$c]));
    )+};
}

/// Parts of the work that is done beside a block.
pub(super) const STEPS: usize = 8;

/// The key streams of eight lanes.
pub(super) struct Stream {
    /// The states before the next blocks, word by word.
    start: [__m256i; WORDS],
    /// The same after the first quarter round of columns 1 to 3, which does not depend on the block counter: a 26th of
    /// the work, done once.
    ahead: [__m256i; WORDS],
    blocks: __m256i,
    masks: RotateMasks,
}

/// Shuffle masks that rotate a word left by 16 and by 8 bits.
#[derive(Clone, Copy)]
struct RotateMasks {
    by_16: __m256i,
    by_8: __m256i,
}

impl Stream {
    /// Create key streams that start at `states`, which are wiped; each call of [`Stream::next`] advances by `blocks`.
    #[inline]
    #[target_feature(enable = "avx2")]
    pub(super) fn new(states: &mut [State; 8], blocks: i32) -> Self {
        let (low, high) =
            (states.each_ref().map(|state| low_words(state)), states.each_ref().map(|state| high_words(state)));
        let (low, high) = (transpose::words(&low), transpose::words(&high));
        let start = std::array::from_fn(|word| if word < 8 { low[word] } else { high[word - 8] });
        row::wipe_states(states);
        let (mut ahead, masks) = (start, RotateMasks::new());
        quarter_rounds!(ahead, masks, [1 5 9 13] [2 6 10 14] [3 7 11 15]);
        Self { start, ahead, blocks: _mm256_set1_epi32(blocks), masks }
    }

    /// Overwrite the keys.
    #[inline]
    #[target_feature(enable = "avx2")]
    pub(super) fn wipe(&mut self) {
        row::wipe(&mut self.start);
        row::wipe(&mut self.ahead);
    }

    /// Return the next block of each lane. In the meantime `work` is called with each of [`STEPS`] steps: other units of
    /// the processor can do it while the vectors are busy.
    #[inline]
    #[target_feature(enable = "avx2")]
    pub(super) fn next(&mut self, mut work: impl FnMut(usize)) -> [Row; 8] {
        let mut state = self.ahead;
        state[12] = self.start[12];
        quarter_rounds!(state, self.masks, [0 4 8 12]);
        quarter_rounds!(state, self.masks, [0 5 10 15] [1 6 11 12] [2 7 8 13] [3 4 9 14]);
        for round in 0..9 {
            quarter_rounds!(state, self.masks, [0 4 8 12] [1 5 9 13] [2 6 10 14] [3 7 11 15]);
            quarter_rounds!(state, self.masks, [0 5 10 15] [1 6 11 12] [2 7 8 13] [3 4 9 14]);
            if round < STEPS {
                work(round);
            }
        }
        for (word, start) in state.iter_mut().zip(&self.start) {
            *word = _mm256_add_epi32(*word, *start);
        }
        self.start[12] = _mm256_add_epi32(self.start[12], self.blocks);
        let low = transpose::words(&std::array::from_fn(|word| state[word]));
        let high = transpose::words(&std::array::from_fn(|word| state[8 + word]));
        std::array::from_fn(|lane| [low[lane], high[lane]])
    }
}

impl RotateMasks {
    /// Hidden from the optimizer, which would replace the rotations and additions by slower instructions: they made the
    /// whole a twelfth slower.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn new() -> Self {
        let lanes = |low, high| black_box(_mm256_setr_epi64x(low, high, low, high));
        Self {
            by_16: lanes(0x0504_0706_0100_0302, 0x0d0c_0f0e_0908_0b0a),
            by_8: lanes(0x0605_0407_0201_0003, 0x0e0d_0c0f_0a09_080b),
        }
    }
}

#[inline]
#[target_feature(enable = "avx2")]
fn low_words(State(words): &State) -> __m256i {
    row::of_words(&std::array::from_fn(|word| words[word]))
}

#[inline]
#[target_feature(enable = "avx2")]
fn high_words(State(words): &State) -> __m256i {
    row::of_words(&std::array::from_fn(|word| words[8 + word]))
}

/// Rotate each word left by `LEFT`, which is 32 minus `RIGHT`.
#[inline]
#[target_feature(enable = "avx2")]
fn rotated<const LEFT: i32, const RIGHT: i32>(words: __m256i) -> __m256i {
    _mm256_or_si256(_mm256_slli_epi32::<LEFT>(words), _mm256_srli_epi32::<RIGHT>(words))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lanes::CHUNK;
    use crate::lanes::block::{STATE, WORDS_OF_BLOCK};
    use crate::path::Path;

    /// Return two rounds of all lanes, and whether nothing is left after wiping.
    #[target_feature(enable = "avx2")]
    fn blocks(states: &mut [State; 8]) -> ([[u8; CHUNK]; 8], [[u8; CHUNK]; 8], bool) {
        let mut stream = Stream::new(states, 1);
        let mut steps = Vec::new();
        let [first, second] = [stream.next(|step| steps.push(step)), stream.next(|_| {})].map(|rows| {
            let mut chunks = [[0; CHUNK]; 8];
            for (chunk, row) in chunks.iter_mut().zip(&rows) {
                row::to_chunk(*row, chunk);
            }
            chunks
        });
        assert!(steps.into_iter().eq(0..STEPS));
        stream.wipe();
        let left = stream.start.iter().chain(&stream.ahead).any(|word| _mm256_testz_si256(*word, *word) == 0);
        (first, second, !left && states.iter().all(|state| state.0 == [0; WORDS]))
    }

    #[test]
    fn the_block_of_rfc_8439_section_2_3_2_in_each_lane() {
        if !Path::Avx2.is_available() {
            return;
        }
        let expected = WORDS_OF_BLOCK.map(u32::to_le_bytes);
        for lane in 0..8 {
            let mut states = [State([7; WORDS]); 8];
            states[lane] = STATE;
            // SAFETY: it is available.
            assert_eq!(unsafe { blocks(&mut states) }.0[lane], expected.as_flattened());
            let mut states = [State([7; WORDS]); 8];
            states[lane] = STATE;
            states[lane].0[12] -= 1;
            // SAFETY: it is available.
            let (_, second, wiped) = unsafe { blocks(&mut states) };
            assert_eq!(second[lane], expected.as_flattened());
            assert!(wiped);
        }
    }
}
