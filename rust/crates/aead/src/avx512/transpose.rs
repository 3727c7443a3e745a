//! Transposition: rows of packets to columns of words, and back.

use core::arch::x86_64::*;

/// Transpose sixteen rows of sixteen 32-bit words.
#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn words(rows: &[__m512i; 16]) -> [__m512i; 16] {
    // Four by four within each 128 bits, then the 128-bit parts four by four.
    let mut parts = *rows;
    for i in [0, 4, 8, 12] {
        let low = [_mm512_unpacklo_epi32(rows[i], rows[i + 1]), _mm512_unpacklo_epi32(rows[i + 2], rows[i + 3])];
        let high = [_mm512_unpackhi_epi32(rows[i], rows[i + 1]), _mm512_unpackhi_epi32(rows[i + 2], rows[i + 3])];
        parts[i] = _mm512_unpacklo_epi64(low[0], low[1]);
        parts[i + 1] = _mm512_unpackhi_epi64(low[0], low[1]);
        parts[i + 2] = _mm512_unpacklo_epi64(high[0], high[1]);
        parts[i + 3] = _mm512_unpackhi_epi64(high[0], high[1]);
    }
    let mut columns = parts;
    for i in 0..4 {
        let low = [
            _mm512_shuffle_i32x4::<0x44>(parts[i], parts[4 + i]),
            _mm512_shuffle_i32x4::<0x44>(parts[8 + i], parts[12 + i]),
        ];
        let high = [
            _mm512_shuffle_i32x4::<0xee>(parts[i], parts[4 + i]),
            _mm512_shuffle_i32x4::<0xee>(parts[8 + i], parts[12 + i]),
        ];
        columns[i] = _mm512_shuffle_i32x4::<0x88>(low[0], low[1]);
        columns[4 + i] = _mm512_shuffle_i32x4::<0xdd>(low[0], low[1]);
        columns[8 + i] = _mm512_shuffle_i32x4::<0x88>(high[0], high[1]);
        columns[12 + i] = _mm512_shuffle_i32x4::<0xdd>(high[0], high[1]);
    }
    columns
}

/// Transpose eight rows of eight 64-bit words.
#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn long_words(rows: &[__m512i; 8]) -> [__m512i; 8] {
    let mut pairs = *rows;
    for i in [0, 2, 4, 6] {
        pairs[i] = _mm512_unpacklo_epi64(rows[i], rows[i + 1]);
        pairs[i + 1] = _mm512_unpackhi_epi64(rows[i], rows[i + 1]);
    }
    let mut columns = pairs;
    for i in 0..2 {
        let even = [
            _mm512_shuffle_i64x2::<0x88>(pairs[i], pairs[2 + i]),
            _mm512_shuffle_i64x2::<0x88>(pairs[4 + i], pairs[6 + i]),
        ];
        let odd = [
            _mm512_shuffle_i64x2::<0xdd>(pairs[i], pairs[2 + i]),
            _mm512_shuffle_i64x2::<0xdd>(pairs[4 + i], pairs[6 + i]),
        ];
        columns[i] = _mm512_shuffle_i64x2::<0x88>(even[0], even[1]);
        columns[2 + i] = _mm512_shuffle_i64x2::<0x88>(odd[0], odd[1]);
        columns[4 + i] = _mm512_shuffle_i64x2::<0xdd>(even[0], even[1]);
        columns[6 + i] = _mm512_shuffle_i64x2::<0xdd>(odd[0], odd[1]);
    }
    columns
}
