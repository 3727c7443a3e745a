//! Sixty-four octets in a register.

use core::arch::x86_64::*;

use crate::lanes::{CHUNK, State};

/// Load the words of a state.
#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn of_state(State(words): &State) -> __m512i {
    // SAFETY: the reference covers the 64 octets that are read; no alignment is required.
    unsafe { _mm512_loadu_si512(words.as_ptr().cast()) }
}

/// Load a row of 64-bit words.
#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn of_long_words(words: &[u64; 8]) -> __m512i {
    // SAFETY: as above.
    unsafe { _mm512_loadu_si512(words.as_ptr().cast()) }
}

/// Load a chunk of text.
#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn of_chunk(chunk: &[u8; CHUNK]) -> __m512i {
    // SAFETY: as above.
    unsafe { _mm512_loadu_si512(chunk.as_ptr().cast()) }
}

/// Store a whole chunk.
#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn to_chunk(row: __m512i, chunk: &mut [u8; CHUNK]) {
    // SAFETY: the reference covers the 64 octets that are written; no alignment is required.
    unsafe { _mm512_storeu_si512(chunk.as_mut_ptr().cast(), row) }
}

/// Load up to 64 octets, padded with zeros.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
pub(super) fn of_part(part: &[u8]) -> __m512i {
    // An empty slice is not accessed: masking octets of an unmapped page costs the processor hundreds of cycles.
    if part.is_empty() {
        return _mm512_setzero_si512();
    }
    // SAFETY: the mask has a bit for each octet of the slice and no other, and octets without a bit are not read.
    unsafe { _mm512_maskz_loadu_epi8(mask(part.len()), part.as_ptr().cast()) }
}

/// Store as many octets as the slice has, up to 64.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
pub(super) fn to_part(row: __m512i, part: &mut [u8]) {
    if part.is_empty() {
        return;
    }
    // SAFETY: the mask has a bit for each octet of the slice and no other, and octets without a bit are not written.
    unsafe { _mm512_mask_storeu_epi8(part.as_mut_ptr().cast(), mask(part.len()), row) }
}

/// Zero the octets from `length` on.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
pub(super) fn cut(row: __m512i, length: usize) -> __m512i {
    _mm512_maskz_mov_epi8(mask(length), row)
}

/// Return a mask of the first `length` octets.
fn mask(length: usize) -> __mmask64 {
    1u64.checked_shl(length as u32).map_or(u64::MAX, |bit| bit - 1)
}

/// Overwrite secrets.
#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn wipe(secrets: &mut [__m512i]) {
    for secret in secrets {
        // SAFETY: a reference may be written to. Volatile, since nothing reads it any more.
        unsafe { std::ptr::write_volatile(secret, _mm512_setzero_si512()) };
    }
}

/// Overwrite the initial states of a stream.
#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn wipe_states(states: &mut [State]) {
    let length = size_of_val(states) / size_of::<__m512i>();
    // SAFETY: states have the alignment of registers, their size is a multiple of a register, and any bits are valid
    // numbers.
    wipe(unsafe { std::slice::from_raw_parts_mut(states.as_mut_ptr().cast(), length) });
}
