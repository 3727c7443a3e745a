//! AVX-512: ChaCha20 in sixteen lanes of 32 bits, Poly1305 in eight lanes of 64 bits.
//!
//! A packet has lanes of its own, so nothing is summed across packets. In a round of sixteen blocks of key stream,
//! sixteen packets get one each, eight packets two, four packets four. Lane `i` is packet `i` modulo the packets, so
//! that the first and the second half of a round each feed the eight lanes of one code.

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

/// Turns the texts of sixteen packets, in place, and gives the tags of their ciphertexts.
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
        first.turn::<SEAL>(&low, at);
        second.turn::<SEAL>(&high, at);
    }
    stream.wipe();
    [first.tags(), second.tags()]
}

/// The same for eight packets.
#[target_feature(enable = "avx512f,avx512bw,avx512ifma")]
pub(crate) fn eight<const SEAL: bool>(lanes: Lanes<'_, LANES>, states: &mut [State; 16]) -> [[u8; TAG_BYTES]; LANES] {
    let mut stream = Stream::new(states, 2);
    let [keys, first] = stream.next();
    let mut kernel = Kernel::new(lanes, &keys);
    kernel.turn::<SEAL>(&first, 0);
    for at in (1..kernel.chunks).step_by(2) {
        let [low, high] = stream.next();
        kernel.turn::<SEAL>(&low, at);
        kernel.turn::<SEAL>(&high, at + 1);
    }
    stream.wipe();
    kernel.tags()
}

/// The same for four packets.
#[target_feature(enable = "avx512f,avx512bw,avx512ifma")]
pub(crate) fn four<const SEAL: bool>(lanes: Lanes<'_, FEW>, states: &mut [State; 16]) -> [[u8; TAG_BYTES]; FEW] {
    let mut stream = Stream::new(states, 4);
    let [[k0, k1, k2, k3, first @ ..], next] = stream.next();
    let mut kernel = Kernel::new(lanes, &[k0, k1, k2, k3]);
    kernel.turn_rest::<SEAL>(&first, 0);
    kernel.turn::<SEAL>(&next, 1);
    for at in (3..kernel.chunks).step_by(4) {
        let [low, high] = stream.next();
        kernel.turn::<SEAL>(&low, at);
        kernel.turn::<SEAL>(&high, at + 2);
    }
    stream.wipe();
    kernel.tags()
}
