//! ChaCha20 (RFC 8439, section 2.3): sixteen blocks in lockstep, one in each 32-bit lane.

use core::arch::x86_64::*;

use crate::avx512::row;
use crate::avx512::transpose;
use crate::lanes::{State, WORDS};

/// Independent quarter rounds (RFC 8439, section 2.1), interleaved. A macro keeps the words in registers, which the
/// compiler does not guarantee for array elements with a variable index.
macro_rules! quarter_rounds {
    ($state:ident, $([$a:literal $b:literal $c:literal $d:literal])+) => {
        $($state[$a] = _mm512_add_epi32($state[$a], $state[$b]);)+
        $($state[$d] = _mm512_rol_epi32::<16>(_mm512_xor_si512($state[$d], $state[$a]));)+
        $($state[$c] = _mm512_add_epi32($state[$c], $state[$d]);)+
        $($state[$b] = _mm512_rol_epi32::<12>(_mm512_xor_si512($state[$b], $state[$c]));)+
        $($state[$a] = _mm512_add_epi32($state[$a], $state[$b]);)+
        $($state[$d] = _mm512_rol_epi32::<8>(_mm512_xor_si512($state[$d], $state[$a]));)+
        $($state[$c] = _mm512_add_epi32($state[$c], $state[$d]);)+
        $($state[$b] = _mm512_rol_epi32::<7>(_mm512_xor_si512($state[$b], $state[$c]));)+
    };
}

/// The key streams of sixteen lanes.
pub(super) struct Stream {
    /// The states before the next blocks, word by word.
    start: [__m512i; WORDS],
    /// The same after the first quarter round of columns 1 to 3, which does not depend on the block counter: a 26th of
    /// the work, done once.
    ahead: [__m512i; WORDS],
    blocks: __m512i,
}

impl Stream {
    /// Create key streams that start at `states`, which are wiped; each call of [`Stream::next`] advances by `blocks`.
    #[inline]
    #[target_feature(enable = "avx512f")]
    pub(super) fn new(states: &mut [State; 16], blocks: i32) -> Self {
        let start = transpose::words(&states.each_ref().map(|state| row::of_state(state)));
        row::wipe_states(states);
        let mut ahead = start;
        quarter_rounds!(ahead, [1 5 9 13] [2 6 10 14] [3 7 11 15]);
        Self { start, ahead, blocks: _mm512_set1_epi32(blocks) }
    }

    /// Overwrite the keys.
    #[inline]
    #[target_feature(enable = "avx512f")]
    pub(super) fn wipe(&mut self) {
        row::wipe(&mut self.start);
        row::wipe(&mut self.ahead);
    }

    /// Return the next block of each lane, in two halves.
    #[inline]
    #[target_feature(enable = "avx512f")]
    pub(super) fn next(&mut self) -> [[__m512i; 8]; 2] {
        let mut state = self.ahead;
        state[12] = self.start[12];
        quarter_rounds!(state, [0 4 8 12]);
        quarter_rounds!(state, [0 5 10 15] [1 6 11 12] [2 7 8 13] [3 4 9 14]);
        for _ in 0..9 {
            quarter_rounds!(state, [0 4 8 12] [1 5 9 13] [2 6 10 14] [3 7 11 15]);
            quarter_rounds!(state, [0 5 10 15] [1 6 11 12] [2 7 8 13] [3 4 9 14]);
        }
        for (word, start) in state.iter_mut().zip(&self.start) {
            *word = _mm512_add_epi32(*word, *start);
        }
        self.start[12] = _mm512_add_epi32(self.start[12], self.blocks);
        let rows = transpose::words(&state);
        [std::array::from_fn(|row| rows[row]), std::array::from_fn(|row| rows[8 + row])]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lanes::CHUNK;
    use crate::lanes::block::{STATE, WORDS_OF_BLOCK};
    use crate::path::Path;

    /// Return two rounds of all lanes, and whether nothing is left after wiping.
    #[target_feature(enable = "avx512f")]
    fn blocks(states: &mut [State; 16]) -> ([[u8; CHUNK]; 16], [[u8; CHUNK]; 16], bool) {
        let mut stream = Stream::new(states, 1);
        let [first, second] = [stream.next(), stream.next()].map(|halves| {
            let mut chunks = [[0; CHUNK]; 16];
            for (chunk, row) in chunks.iter_mut().zip(halves.as_flattened()) {
                row::to_chunk(*row, chunk);
            }
            chunks
        });
        stream.wipe();
        let left = stream.start.iter().chain(&stream.ahead).any(|word| _mm512_test_epi32_mask(*word, *word) != 0);
        (first, second, !left && states.iter().all(|state| state.0 == [0; WORDS]))
    }

    #[test]
    fn the_block_of_rfc_8439_section_2_3_2_in_each_lane() {
        if !Path::Avx512.is_available() {
            return;
        }
        let expected = WORDS_OF_BLOCK.map(u32::to_le_bytes);
        for lane in 0..16 {
            let mut states = [State([7; WORDS]); 16];
            states[lane] = STATE;
            // SAFETY: it is available.
            assert_eq!(unsafe { blocks(&mut states) }.0[lane], expected.as_flattened());
            let mut states = [State([7; WORDS]); 16];
            states[lane] = STATE;
            states[lane].0[12] -= 1;
            // SAFETY: it is available.
            let (_, second, wiped) = unsafe { blocks(&mut states) };
            assert_eq!(second[lane], expected.as_flattened());
            assert!(wiped);
        }
    }
}
