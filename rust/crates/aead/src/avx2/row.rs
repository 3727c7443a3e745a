//! Sixty-four octets in two registers.

use core::arch::x86_64::*;

use crate::lanes::{CHUNK, State};

/// The first and the last 32 octets.
pub(super) type Row = [__m256i; 2];

/// Load eight 32-bit words.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn of_words(words: &[u32; 8]) -> __m256i {
    // SAFETY: the reference covers the 32 octets that are read; no alignment is required.
    unsafe { _mm256_loadu_si256(words.as_ptr().cast()) }
}

/// Load a chunk of text.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn of_chunk(chunk: &[u8; CHUNK]) -> Row {
    let at: *const __m256i = chunk.as_ptr().cast();
    // SAFETY: the reference covers the 64 octets that are read; no alignment is required.
    unsafe { [_mm256_loadu_si256(at), _mm256_loadu_si256(at.add(1))] }
}

/// Store a whole chunk.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn to_chunk([low, high]: Row, chunk: &mut [u8; CHUNK]) {
    let at: *mut __m256i = chunk.as_mut_ptr().cast();
    // SAFETY: the reference covers the 64 octets that are written; no alignment is required.
    unsafe {
        _mm256_storeu_si256(at, low);
        _mm256_storeu_si256(at.add(1), high);
    }
}

/// Return the 64-bit words of a register.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn long_words(register: __m256i) -> [u64; 4] {
    [
        _mm256_extract_epi64::<0>(register),
        _mm256_extract_epi64::<1>(register),
        _mm256_extract_epi64::<2>(register),
        _mm256_extract_epi64::<3>(register),
    ]
    .map(i64::cast_unsigned)
}

/// Combine a row with its key stream.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn xor(row: Row, stream: Row) -> Row {
    [_mm256_xor_si256(row[0], stream[0]), _mm256_xor_si256(row[1], stream[1])]
}

/// Overwrite secrets.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn wipe(secrets: &mut [__m256i]) {
    for secret in secrets {
        // SAFETY: a reference may be written to. Volatile, since nothing reads it any more.
        unsafe { std::ptr::write_volatile(secret, _mm256_setzero_si256()) };
    }
}

/// Overwrite the initial states of a stream.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn wipe_states(states: &mut [State]) {
    let length = size_of_val(states) / size_of::<__m256i>();
    // SAFETY: states have the alignment of registers, their size is a multiple of a register, and any bits are valid
    // numbers.
    wipe(unsafe { std::slice::from_raw_parts_mut(states.as_mut_ptr().cast(), length) });
}
