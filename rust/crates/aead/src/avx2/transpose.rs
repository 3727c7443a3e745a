//! Transposition: rows of packets to columns of words, and back.

use core::arch::x86_64::*;

/// Transpose eight rows of eight 32-bit words.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn words(rows: &[__m256i; 8]) -> [__m256i; 8] {
    // Four by four within each 128 bits, then the halves.
    let mut parts = *rows;
    for i in [0, 4] {
        let low = [_mm256_unpacklo_epi32(rows[i], rows[i + 1]), _mm256_unpacklo_epi32(rows[i + 2], rows[i + 3])];
        let high = [_mm256_unpackhi_epi32(rows[i], rows[i + 1]), _mm256_unpackhi_epi32(rows[i + 2], rows[i + 3])];
        parts[i] = _mm256_unpacklo_epi64(low[0], low[1]);
        parts[i + 1] = _mm256_unpackhi_epi64(low[0], low[1]);
        parts[i + 2] = _mm256_unpacklo_epi64(high[0], high[1]);
        parts[i + 3] = _mm256_unpackhi_epi64(high[0], high[1]);
    }
    let mut columns = parts;
    for i in 0..4 {
        columns[i] = _mm256_permute2x128_si256::<0x20>(parts[i], parts[4 + i]);
        columns[4 + i] = _mm256_permute2x128_si256::<0x31>(parts[i], parts[4 + i]);
    }
    columns
}
