//! Memory for keys: locked, in no core file, in no fork, wiped when given back.
//!
//! Every key of 32 octets lies in a slot of its own ([`Secret`]). Slots are cut from pages that hold nothing else, which
//! are mapped when they are needed and kept for the next keys:
//!
//! | what is done | against |
//! |---|---|
//! | mlock(2) | keys on the disk, in swap |
//! | MADV_DONTDUMP | keys in a core file |
//! | MADV_WIPEONFORK | keys in a child process: it reads zeros |
//! | zeros written when a slot is given back | keys that outlive their use |
//!
//! Only these pages are locked. Where the host refuses to lock them, as beyond `RLIMIT_MEMLOCK` without CAP_IPC_LOCK, all
//! else still holds, and [`state`] says that it refused and why: what follows from that is for the caller to decide.
//!
//! Whoever computes with a key leaves traces of it on the stack. [`with_wiped_stack`] and [`wipe_stack`] wipe them, and [`with_protected_stack`] keeps
//! the stack of a thread that computes with keys all day out of core files and forks. Registers are beyond their reach.
//!
//! # Unsafe code
//! Mapping pages, and handing out each slot of them once: `pages`, `arena`, `secret`. Advice about a stack: `stack`.

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
