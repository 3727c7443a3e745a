//! Traces of keys on the stack.

use std::hint::black_box;

use zeroize::Zeroize;

/// Octets of stack below the caller that are wiped. Of what Warren computes with keys, a batch of packets in lockstep goes
/// deepest, to less than half of this; writing it takes less than a microsecond.
const BURNT_BYTES: usize = 32 << 10;

/// Does `work`, and overwrites the stack that it used. Its result should hold no key but in a [`crate::Secret`].
pub fn burnt<T>(work: impl FnOnce() -> T) -> T {
    let value = apart(work);
    burn();
    value
}

/// In a frame of its own, at the place where the one of [`burn`] will be.
#[inline(never)]
fn apart<T>(work: impl FnOnce() -> T) -> T {
    work()
}

/// Overwrites the stack below the caller's frame.
#[inline(never)]
pub fn burn() {
    let mut stack = [0u8; BURNT_BYTES];
    stack.zeroize();
    black_box(&stack);
}
