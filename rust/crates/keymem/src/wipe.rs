//! Traces of keys on the stack.

use std::hint::black_box;

use zeroize::Zeroize;

/// Octets of stack below the caller that are wiped. Of what Warren computes with keys, a batch of packets in lockstep goes
/// deepest, to less than half of this; writing it takes less than a microsecond.
const WIPED_BYTES: usize = 32 << 10;

/// Does `work`, and overwrites the stack that it used. Its result should hold no key but in a [`crate::Secret`].
pub fn with_wiped_stack<T>(work: impl FnOnce() -> T) -> T {
    let value = call(work);
    wipe_stack();
    value
}

/// In a frame of its own, at the place where the one of [`wipe_stack`] will be.
#[inline(never)]
fn call<T>(work: impl FnOnce() -> T) -> T {
    work()
}

/// Overwrites the stack below the caller's frame.
#[inline(never)]
pub fn wipe_stack() {
    let mut stack = [0u8; WIPED_BYTES];
    stack.zeroize();
    black_box(&stack);
}
