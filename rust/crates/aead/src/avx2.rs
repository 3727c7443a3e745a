//! AVX2: ChaCha20 in eight lanes of 32 bits, Poly1305 in four lanes of 64 bits.
//!
//! As with AVX-512, each packet has lanes of its own: eight packets take one block each in a round of eight, four
//! packets take two.

mod chacha;
mod kernel;
mod poly;
mod row;
mod transpose;

use crate::avx2::chacha::Stream;
use crate::avx2::kernel::Kernel;
use crate::avx2::poly::LANES;
use crate::lanes::{Lanes, State};
use crate::packet::TAG_BYTES;

/// Process the texts of eight packets in place and return the tags of their ciphertexts.
#[target_feature(enable = "avx2")]
pub(crate) fn eight<const SEAL: bool>(
    [first, second]: [Lanes<'_, LANES>; 2],
    states: &mut [State; 8],
) -> [[[u8; TAG_BYTES]; LANES]; 2] {
    let mut stream = Stream::new(states, 1);
    let [low, high] = stream.next();
    let (mut first, mut second) = (Kernel::new(first, &low), Kernel::new(second, &high));
    for at in 0..first.chunks.max(second.chunks) {
        let [low, high] = stream.next();
        first.process::<SEAL>(&low, at);
        second.process::<SEAL>(&high, at);
    }
    stream.wipe();
    [first.tags(), second.tags()]
}

/// Do the same for four packets.
#[target_feature(enable = "avx2")]
pub(crate) fn four<const SEAL: bool>(lanes: Lanes<'_, LANES>, states: &mut [State; 8]) -> [[u8; TAG_BYTES]; LANES] {
    let mut stream = Stream::new(states, 2);
    let [keys, first] = stream.next();
    let mut kernel = Kernel::new(lanes, &keys);
    kernel.process::<SEAL>(&first, 0);
    for at in (1..kernel.chunks).step_by(2) {
        let [low, high] = stream.next();
        kernel.process::<SEAL>(&low, at);
        kernel.process::<SEAL>(&high, at + 1);
    }
    stream.wipe();
    kernel.tags()
}
