//! Four packets in four lanes of 64 bits: encryption of their texts, and their Poly1305 codes.

use core::arch::x86_64::*;

use crate::avx2::poly::{LANES, Mac};
use crate::avx2::row::{self, Row};
use crate::lanes::{CHUNK, Lanes};
use crate::packet::TAG_BYTES;

/// Four packets and their partial codes.
pub(super) struct Kernel<'a> {
    lanes: Lanes<'a, LANES>,
    lengths: __m256i,
    /// Chunks that every packet has in full.
    full: usize,
    /// Chunks of the longest packet.
    pub(super) chunks: usize,
    mac: Mac,
}

impl<'a> Kernel<'a> {
    /// Take block 0 of each key stream, which is the key of the code, and add the associated data.
    #[inline]
    #[target_feature(enable = "avx2")]
    pub(super) fn new(lanes: Lanes<'a, LANES>, keys: &[Row; LANES]) -> Self {
        let (full, chunks) = (lanes.full_chunks(), lanes.chunks());
        let long = lanes.most_full_chunks() > 0;
        let lengths = lengths(&lanes.texts.each_ref().map(|text| text.len()));
        let mut kernel = Self { lanes, lengths, full, chunks, mac: Mac::new(keys, long) };
        kernel.associate();
        kernel
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn associate(&mut self) {
        let longest = self.lanes.longest_associated();
        let lengths = lengths(&self.lanes.associated.map(<[u8]>::len));
        for at in (0..longest).step_by(CHUNK) {
            let mut rows = [row::zero(); LANES];
            for (row, associated) in rows.iter_mut().zip(self.lanes.associated) {
                let left = associated.get(at..).unwrap_or_default();
                *row = row::of_chunk(&zero_padded(left.get(..CHUNK).unwrap_or(left)));
            }
            self.mac.rest(&rows, lengths, at);
        }
    }

    /// Process what the packets have of chunk `at`, and add the ciphertext to the codes.
    #[inline]
    #[target_feature(enable = "avx2")]
    pub(super) fn process<const SEAL: bool>(&mut self, stream: &[Row; LANES], at: usize) {
        if at >= self.full {
            return self.process_rest::<SEAL>(stream, at);
        }
        let mut rows = [row::zero(); LANES];
        for ((row, stream), text) in rows.iter_mut().zip(stream).zip(&mut self.lanes.texts) {
            if let Some(chunk) = chunk_of(text, at) {
                *row = process_chunk::<SEAL>(chunk, *stream);
            }
        }
        self.mac.chunks(&rows);
    }

    /// Do the same where some packets have only a part of a chunk, or nothing.
    #[inline(never)]
    #[target_feature(enable = "avx2")]
    fn process_rest<const SEAL: bool>(&mut self, stream: &[Row; LANES], at: usize) {
        let mut rows = [row::zero(); LANES];
        for ((row, stream), text) in rows.iter_mut().zip(stream).zip(&mut self.lanes.texts) {
            *row = process_part::<SEAL>(text, *stream, at);
        }
        self.mac.rest(&rows, self.lengths, at * CHUNK);
    }

    /// Return the tags.
    #[inline]
    #[target_feature(enable = "avx2")]
    pub(super) fn tags(mut self) -> [[u8; TAG_BYTES]; LANES] {
        let associated = lengths(&self.lanes.associated.map(<[u8]>::len));
        self.mac.one(associated, self.lengths, _mm256_set1_epi64x(-1));
        let tags = self.mac.tags();
        self.mac.wipe();
        tags
    }
}

/// Process a chunk with its key stream and return the ciphertext.
#[inline]
#[target_feature(enable = "avx2")]
fn process_chunk<const SEAL: bool>(chunk: &mut [u8; CHUNK], stream: Row) -> Row {
    let before = row::of_chunk(chunk);
    let after = row::xor(before, stream);
    row::to_chunk(after, chunk);
    if SEAL { after } else { before }
}

/// Process what a text has of chunk `at` and return the ciphertext, padded with zeros.
#[inline]
#[target_feature(enable = "avx2")]
fn process_part<const SEAL: bool>(text: &mut [u8], stream: Row, at: usize) -> Row {
    let left = text.get_mut(at * CHUNK..).unwrap_or_default();
    let length = left.len().min(CHUNK);
    let left = &mut left[..length];
    let before = zero_padded(left);
    let mut after = before;
    process_chunk::<SEAL>(&mut after, stream);
    left.copy_from_slice(&after[..length]);
    row::of_chunk(&if SEAL { zero_padded(left) } else { before })
}

/// Return chunk `at` of a text, if it is complete.
fn chunk_of(text: &mut [u8], at: usize) -> Option<&mut [u8; CHUNK]> {
    text.as_chunks_mut().0.get_mut(at)
}

/// Return up to a chunk, padded with zeros.
fn zero_padded(part: &[u8]) -> [u8; CHUNK] {
    let mut chunk = [0; CHUNK];
    chunk[..part.len()].copy_from_slice(part);
    chunk
}

/// Return a length for each packet.
#[inline]
#[target_feature(enable = "avx2")]
fn lengths(lengths: &[usize; LANES]) -> __m256i {
    row::of_long_words(&lengths.map(|length| length as u64))
}
