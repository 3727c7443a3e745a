//! AVX2: ChaCha20 in eight lanes of 32 bits, Poly1305 of each packet in integer registers meanwhile.
//!
//! As with AVX-512, each packet has lanes of its own: eight packets take one block each in a round of eight, four
//! packets take two. Vectors alone would do both one after the other, which takes longer than ring's code.

mod chacha;
mod kernel;
mod mac;
mod row;
mod transpose;

use crate::avx2::kernel::Kernel;
use crate::lanes::{Lanes, State};
use crate::packet::TAG_BYTES;

/// Process the texts of eight packets in place and return the tags of their ciphertexts.
#[target_feature(enable = "avx2")]
pub(crate) fn eight<const SEAL: bool>(lanes: Lanes<'_, 8>, states: &mut [State; 8]) -> [[u8; TAG_BYTES]; 8] {
    Kernel::<8, 1>::run::<SEAL>(lanes, states)
}

/// Do the same for four packets.
#[target_feature(enable = "avx2")]
pub(crate) fn four<const SEAL: bool>(lanes: Lanes<'_, 4>, states: &mut [State; 8]) -> [[u8; TAG_BYTES]; 4] {
    Kernel::<4, 2>::run::<SEAL>(lanes, states)
}
