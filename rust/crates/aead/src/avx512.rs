//! AVX-512: ChaCha20 in sixteen lanes of 32 bits, Poly1305 in eight lanes of 64 bits.
//!
//! Each packet has lanes of its own, so nothing is summed across packets. In a round of sixteen blocks of key stream,
//! sixteen packets get one each, eight packets two, four packets four. Lane `i` has packet `i` modulo the number of
//! packets, so that each half of a round feeds the eight lanes of one code.

mod chacha;
mod kernel;
mod poly;
mod row;
mod transpose;

use crate::avx512::chacha::Stream;
use crate::avx512::kernel::{FEW, Kernel};
use crate::avx512::poly::LANES;
use crate::lanes::{Lanes, State};
use crate::packet::TAG_BYTES;

/// Process the texts of sixteen packets in place and return the tags of their ciphertexts.
#[target_feature(enable = "avx512f,avx512bw,avx512ifma")]
pub(crate) fn sixteen<const SEAL: bool>(
    [first, second]: [Lanes<'_, LANES>; 2],
    states: &mut [State; 16],
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

/// Do the same for eight packets.
#[target_feature(enable = "avx512f,avx512bw,avx512ifma")]
pub(crate) fn eight<const SEAL: bool>(lanes: Lanes<'_, LANES>, states: &mut [State; 16]) -> [[u8; TAG_BYTES]; LANES] {
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

/// Do the same for four packets.
#[target_feature(enable = "avx512f,avx512bw,avx512ifma")]
pub(crate) fn four<const SEAL: bool>(lanes: Lanes<'_, FEW>, states: &mut [State; 16]) -> [[u8; TAG_BYTES]; FEW] {
    let mut stream = Stream::new(states, 4);
    let [[k0, k1, k2, k3, first @ ..], next] = stream.next();
    let mut kernel = Kernel::new(lanes, &[k0, k1, k2, k3]);
    kernel.process_rest::<SEAL>(&first, 0);
    kernel.process::<SEAL>(&next, 1);
    for at in (3..kernel.chunks).step_by(4) {
        let [low, high] = stream.next();
        kernel.process::<SEAL>(&low, at);
        kernel.process::<SEAL>(&high, at + 2);
    }
    stream.wipe();
    kernel.tags()
}
