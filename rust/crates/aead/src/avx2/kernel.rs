//! Encryption of packets in lockstep, and their Poly1305 codes in the meantime.

use zeroize::Zeroize;

use crate::avx2::chacha::{STEPS, Stream};
use crate::avx2::mac::Mac;
use crate::avx2::row::{self, Row};
use crate::lanes::{CHUNK, Lanes, State};
use crate::packet::TAG_BYTES;

/// Lanes of the key stream.
const LANES: usize = 8;
/// Octets that a step adds to the codes of two packets.
const STEP_BYTES: usize = LANES * CHUNK / (2 * STEPS);

/// `N` packets and their partial codes. Each gets `CHUNKS` chunks of a round of key stream.
pub(super) struct Kernel<'a, const N: usize, const CHUNKS: usize> {
    lanes: Lanes<'a, N>,
    macs: [Mac; N],
}

impl<'a, const N: usize, const CHUNKS: usize> Kernel<'a, N, CHUNKS> {
    /// Process the texts of the packets in place and return the tags of their ciphertexts.
    ///
    /// The ciphertext of a round is added to the codes while the key stream of a round is computed: of the same when
    /// opening, of the next when sealing. The chunks at the end, which not all packets have in full, are added by
    /// themselves.
    #[inline]
    #[target_feature(enable = "avx2")]
    pub(super) fn run<const SEAL: bool>(lanes: Lanes<'a, N>, states: &mut [State; LANES]) -> [[u8; TAG_BYTES]; N] {
        let (full, chunks) = (lanes.full_chunks(), lanes.chunks());
        let mut stream = Stream::new(states, CHUNKS as i32);
        let first = stream.next(|_| {});
        let mut kernel = Self::new(lanes, &first);
        // Block 0 is the key of the code; the first round has one chunk less.
        let mut at = CHUNKS - 1;
        kernel.finish::<SEAL>(&first[N..], 0);
        let mut sealed = None;
        while at < chunks {
            let whole = at + CHUNKS <= full;
            let ciphertext = if SEAL { sealed.take() } else { whole.then_some(at) };
            let rows = stream.next(|step| {
                if let Some(at) = ciphertext {
                    kernel.authenticate(at, step);
                }
            });
            if whole {
                kernel.encrypt(&rows, at);
                sealed = SEAL.then_some(at);
            } else {
                kernel.finish::<SEAL>(&rows, at);
            }
            at += CHUNKS;
        }
        if let Some(at) = sealed {
            (0..STEPS).for_each(|step| kernel.authenticate(at, step));
        }
        stream.wipe();
        kernel.tags()
    }

    /// Take block 0 of each key stream, which is the key of the code, and add the associated data.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn new(lanes: Lanes<'a, N>, keys: &[Row; LANES]) -> Self {
        let mut macs = std::array::from_fn(|lane| Mac::new(row::long_words(keys[lane][0])));
        for (mac, associated) in macs.iter_mut().zip(lanes.associated) {
            mac.update(associated);
        }
        Self { lanes, macs }
    }

    /// Add a part of the ciphertext from chunk `at` on to the codes: with each of [`STEPS`] steps, two blocks of two
    /// packets, so that neither waits for the other. All packets have the round's chunks in full.
    #[inline(always)]
    fn authenticate(&mut self, at: usize, step: usize) {
        let (pair, part) = (step % (N / 2), step / (N / 2));
        let start = at * CHUNK + part * STEP_BYTES;
        for lane in [pair, pair + N / 2] {
            let octets = self.lanes.texts[lane].get(start..start + STEP_BYTES).unwrap_or_default();
            for block in octets.as_chunks().0 {
                self.macs[lane].block(u128::from_le_bytes(*block));
            }
        }
    }

    /// Combine whole chunks from chunk `at` on with a round of key stream.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn encrypt(&mut self, rows: &[Row], at: usize) {
        for (number, rows) in rows.chunks_exact(N).enumerate() {
            for (text, row) in self.lanes.texts.iter_mut().zip(rows) {
                if let Some(chunk) = text.as_chunks_mut().0.get_mut(at + number) {
                    combine(chunk, *row);
                }
            }
        }
    }

    /// Combine what the packets have from chunk `at` on with key stream, and add the ciphertext to the codes.
    #[inline(never)]
    #[target_feature(enable = "avx2")]
    fn finish<const SEAL: bool>(&mut self, rows: &[Row], at: usize) {
        for (number, rows) in rows.chunks_exact(N).enumerate() {
            let start = (at + number) * CHUNK;
            for ((text, row), mac) in self.lanes.texts.iter_mut().zip(rows).zip(&mut self.macs) {
                let Some(rest) = text.get_mut(start..) else { continue };
                let length = rest.len().min(CHUNK);
                let part = &mut rest[..length];
                if !SEAL {
                    mac.update(part);
                }
                combine_part(part, *row);
                if SEAL {
                    mac.update(part);
                }
            }
        }
    }

    /// Return the tags, and overwrite the keys.
    #[inline]
    fn tags(mut self) -> [[u8; TAG_BYTES]; N] {
        let tags = std::array::from_fn(|lane| {
            let lengths =
                [self.lanes.associated[lane].len(), self.lanes.texts[lane].len()].map(|length| length as u128);
            self.macs[lane].block(lengths[1] << 64 | lengths[0]);
            self.macs[lane].tag()
        });
        self.macs.zeroize();
        tags
    }
}

/// Combine a chunk with its key stream.
#[inline]
#[target_feature(enable = "avx2")]
fn combine(chunk: &mut [u8; CHUNK], stream: Row) {
    row::to_chunk(row::xor(row::of_chunk(chunk), stream), chunk);
}

/// Combine up to a chunk with its key stream.
#[inline]
#[target_feature(enable = "avx2")]
fn combine_part(part: &mut [u8], stream: Row) {
    if let Ok(chunk) = <&mut [u8; CHUNK]>::try_from(&mut *part) {
        return combine(chunk, stream);
    }
    let mut chunk = [0; CHUNK];
    chunk[..part.len()].copy_from_slice(part);
    combine(&mut chunk, stream);
    part.copy_from_slice(&chunk[..part.len()]);
}
