//! Memory for keys: locked, excluded from core files and forks, and wiped when freed.
//!
//! Every key of 32 octets has a slot of its own ([`Secret`]). Slots are parts of pages that hold nothing else. The
//! pages are mapped when needed and kept for further keys:
//!
//! | measure | prevents |
//! |---|---|
//! | mlock(2) | keys in swap, on disk |
//! | MADV_DONTDUMP | keys in a core file |
//! | MADV_WIPEONFORK | keys in a child process: it reads zeros |
//! | zeroing a slot when it is freed | keys that outlive their use |
//!
//! Only these pages are locked. Where the host refuses to lock them, as beyond `RLIMIT_MEMLOCK` without CAP_IPC_LOCK,
//! all other measures still apply, and [`state`] has the error: the caller decides what follows.
//!
//! Computing with a key leaves copies of it on the stack. [`with_wiped_stack`] and [`wipe_stack`] wipe them, and
//! [`with_protected_stack`] keeps the stack of a thread that always computes with keys out of core files and forks.
//! Registers are not covered.
//!
//! # Unsafe code
//! Mapping pages and handing out each slot once: `pages`, `arena`, `secret`. Advice about a stack: `stack`.

mod arena;
mod pages;
mod secret;
mod stack;
mod state;
mod wipe;

pub use arena::{SECRET_BYTES, state};
pub use secret::Secret;
pub use stack::with_protected_stack;
pub use state::{Refusal, State, wiped_count};
pub use wipe::{wipe_stack, with_wiped_stack};
