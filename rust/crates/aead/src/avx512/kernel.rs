//! Eight or four packets in eight lanes of 64 bits: encryption of their texts, and their Poly1305 codes.

use core::arch::x86_64::*;

use crate::avx512::poly::{ALL_POWERS, BLOCKS, LANES, Mac};
use crate::avx512::row;
use crate::lanes::{CHUNK, Lanes};
use crate::packet::TAG_BYTES;

/// `N` packets and their partial codes. Four packets have two lanes each, for chunks with odd and with even number;
/// single chunks use the last `N` lanes.
pub(super) struct Kernel<'a, const N: usize> {
    lanes: Lanes<'a, N>,
    lengths: __m512i,
    /// Chunks that every packet has in full.
    full: usize,
    /// Chunks of the longest packet.
    pub(super) chunks: usize,
    mac: Mac,
    /// Whether both lanes of a packet have a part of its sum.
    apart: bool,
}

impl<'a, const N: usize> Kernel<'a, N> {
    /// Take block 0 of each key stream, which is the key of the code, and add the associated data.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512ifma")]
    pub(super) fn new(lanes: Lanes<'a, N>, keys: &[__m512i; N]) -> Self {
        let (full, chunks) = (lanes.full_chunks(), lanes.chunks());
        let lengths = lengths(&lanes.texts.each_ref().map(|text| text.len()));
        let powers = match (N, full, lanes.most_full_chunks()) {
            // Four packets process the first chunk alone, the next two together.
            (FEW, 3.., _) => ALL_POWERS,
            (LANES, _, 1..) | (FEW, _, 2..) => BLOCKS,
            _ => 1,
        };
        let mac = Mac::new(&std::array::from_fn(|lane| keys[lane % N]), powers);
        let mut kernel = Self { lanes, lengths, full, chunks, mac, apart: false };
        kernel.associate();
        kernel
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512ifma")]
    fn associate(&mut self) {
        let longest = self.lanes.longest_associated();
        let lengths = lengths(&self.lanes.associated.map(<[u8]>::len));
        for at in (0..longest).step_by(CHUNK) {
            let mut rows = [_mm512_setzero_si512(); N];
            for (row, associated) in rows.iter_mut().zip(self.lanes.associated) {
                let left = associated.get(at..).unwrap_or_default();
                *row = row::of_part(left.get(..CHUNK).unwrap_or(left));
            }
            self.mac.rest(&last(&rows, _mm512_setzero_si512()), lengths, at);
        }
    }

    /// Process what the packets have of chunk `at`, and add the ciphertext to the codes.
    #[inline(never)]
    #[target_feature(enable = "avx512f,avx512bw,avx512ifma")]
    pub(super) fn process_rest<const SEAL: bool>(&mut self, stream: &[__m512i; N], at: usize) {
        let mut rows = [_mm512_setzero_si512(); N];
        for ((row, stream), text) in rows.iter_mut().zip(stream).zip(&mut self.lanes.texts) {
            *row = process_part::<SEAL>(text, *stream, at);
        }
        self.mac.rest(&last(&rows, _mm512_setzero_si512()), self.lengths, at * CHUNK);
    }

    /// Return the tags.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    pub(super) fn tags(mut self) -> [[u8; TAG_BYTES]; N] {
        self.combine();
        self.mac.one(lengths(&self.lanes.associated.map(<[u8]>::len)), self.lengths, !0);
        let tags = self.mac.tags();
        self.mac.wipe();
        std::array::from_fn(|packet| tags[LANES - N + packet])
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    fn combine(&mut self) {
        if self.apart {
            self.mac.combine();
            self.apart = false;
        }
    }
}

impl Kernel<'_, LANES> {
    /// Process chunk `at` of each packet, and add the ciphertext to the codes.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512ifma")]
    pub(super) fn process<const SEAL: bool>(&mut self, stream: &[__m512i; LANES], at: usize) {
        if at >= self.full {
            return self.process_rest::<SEAL>(stream, at);
        }
        let mut rows = [_mm512_setzero_si512(); LANES];
        for ((row, stream), text) in rows.iter_mut().zip(stream).zip(&mut self.lanes.texts) {
            if let Some(chunk) = chunk_of(text, at) {
                *row = process_chunk::<SEAL>(chunk, *stream);
            }
        }
        self.mac.chunks(&rows);
    }
}

/// Packets of a kernel with two lanes each.
pub(super) const FEW: usize = LANES / 2;

impl Kernel<'_, FEW> {
    /// Process chunks `at` and `at + 1` of each packet, and add the ciphertext to the codes.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512ifma")]
    pub(super) fn process<const SEAL: bool>(&mut self, stream: &[__m512i; LANES], at: usize) {
        if at + 1 >= self.full {
            self.combine();
            self.process_rest::<SEAL>(&std::array::from_fn(|packet| stream[packet]), at);
            self.process_rest::<SEAL>(&std::array::from_fn(|packet| stream[FEW + packet]), at + 1);
            return;
        }
        let mut rows = [_mm512_setzero_si512(); LANES];
        for (packet, text) in self.lanes.texts.iter_mut().enumerate() {
            if let Some([first, second]) = text.as_chunks_mut().0.get_mut(at..).and_then(<[_]>::first_chunk_mut) {
                rows[packet] = process_chunk::<SEAL>(first, stream[packet]);
                rows[FEW + packet] = process_chunk::<SEAL>(second, stream[FEW + packet]);
            }
        }
        self.mac.pairs(&rows);
        self.apart = true;
    }
}

/// Process a chunk with its key stream and return the ciphertext.
#[inline]
#[target_feature(enable = "avx512f")]
fn process_chunk<const SEAL: bool>(chunk: &mut [u8; CHUNK], stream: __m512i) -> __m512i {
    let before = row::of_chunk(chunk);
    let after = _mm512_xor_si512(before, stream);
    row::to_chunk(after, chunk);
    if SEAL { after } else { before }
}

/// Process what a text has of chunk `at` and return the ciphertext, padded with zeros.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn process_part<const SEAL: bool>(text: &mut [u8], stream: __m512i, at: usize) -> __m512i {
    let left = text.get_mut(at * CHUNK..).unwrap_or_default();
    let length = left.len().min(CHUNK);
    let left = &mut left[..length];
    let before = row::of_part(left);
    let after = row::cut(_mm512_xor_si512(before, stream), length);
    row::to_part(after, left);
    if SEAL { after } else { before }
}

/// Return chunk `at` of a text, if it is complete.
fn chunk_of(text: &mut [u8], at: usize) -> Option<&mut [u8; CHUNK]> {
    text.as_chunks_mut().0.get_mut(at)
}

/// Return a length for each packet, in the last lanes.
#[inline]
#[target_feature(enable = "avx512f")]
fn lengths<const N: usize>(lengths: &[usize; N]) -> __m512i {
    row::of_long_words(&last(&lengths.map(|length| length as u64), 0))
}

/// Return the last of eight lanes, preceded by `fill`.
fn last<T: Copy, const N: usize>(values: &[T; N], fill: T) -> [T; LANES] {
    let mut lanes = [fill; LANES];
    lanes[LANES - N..].copy_from_slice(values);
    lanes
}
