//! Wiping copies of keys from the stack.

use std::hint::black_box;

use zeroize::Zeroize;

/// Octets wiped below the caller. The deepest computation with keys, a batch of packets in lockstep, uses less than
/// half of this; writing it takes less than a microsecond.
const WIPED_BYTES: usize = 32 << 10;

/// Run `work` and overwrite the stack that it used. Its result must not contain a key outside of a [`crate::Secret`].
pub fn with_wiped_stack<T>(work: impl FnOnce() -> T) -> T {
    let value = call(work);
    wipe_stack();
    value
}

/// Call `work` in a frame at the position of the later frame of [`wipe_stack`].
#[inline(never)]
fn call<T>(work: impl FnOnce() -> T) -> T {
    work()
}

/// Overwrite the stack below the caller's frame.
#[inline(never)]
pub fn wipe_stack() {
    let mut stack = [0u8; WIPED_BYTES];
    stack.zeroize();
    black_box(&stack);
}
