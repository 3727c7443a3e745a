//! The slots of this process: the free ones, and their pages.
//!
//! The list of free slots is stored outside the pages: a child process, whose pages are wiped, returns its slots as its
//! parent does.

use std::alloc::{Layout, handle_alloc_error};
use std::ptr::NonNull;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::pages::{RUN_BYTES, Run};
use crate::state::State;

/// Size of a secret, which is one slot.
pub const SECRET_BYTES: usize = 32;

pub(crate) type Octets = [u8; SECRET_BYTES];

/// The nonzero content of the first slot until a fork wipes it.
const MARK: Octets = [0x5a; SECRET_BYTES];

static ARENA: Mutex<Arena> = Mutex::new(Arena { runs: Vec::new(), free: Vec::new() });

/// Lock the arena. It is held for about ten instructions, except when pages are mapped.
pub(crate) fn locked() -> MutexGuard<'static, Arena> {
    ARENA.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Return the state of the key memory. The first call maps a page, so that a refusal to lock it is known before there
/// is a key.
#[must_use]
pub fn state() -> State {
    locked().state()
}

/// The slots and their pages.
pub(crate) struct Arena {
    runs: Vec<Run>,
    /// All zero. Used last in, first out, so that few pages are in the processor's caches.
    free: Vec<NonNull<Octets>>,
}

// SAFETY: its pointers are to pages of the process, not of a thread, and it owns each slot in `free` exclusively.
unsafe impl Send for Arena {}

impl Arena {
    /// Take a slot, all zero, which belongs to the caller until it is given back.
    pub(crate) fn take(&mut self) -> NonNull<Octets> {
        self.protect_after_fork();
        loop {
            match self.free.pop() {
                Some(slot) => return slot,
                None => self.grow(),
            }
        }
    }

    /// Take back a slot, all zero.
    pub(crate) fn give_back(&mut self, slot: NonNull<Octets>) {
        // There is space: it was reserved for every slot when the pages were mapped.
        self.free.push(slot);
    }

    pub(crate) fn state(&mut self) -> State {
        if self.runs.is_empty() {
            self.grow();
        }
        self.protect_after_fork();
        let mapped_bytes = self.runs.len() * RUN_BYTES;
        State {
            used_bytes: mapped_bytes - (1 + self.free.len()) * SECRET_BYTES,
            mapped_bytes,
            locked_bytes: self.runs.iter().filter(|run| run.locked).count() * RUN_BYTES,
            refusal: self.runs.iter().rev().find_map(|run| run.refusal),
        }
    }

    /// Map more pages. Without memory for them the process aborts, as for any other allocation.
    fn grow(&mut self) {
        let Some(run) = Run::map() else { handle_alloc_error(Layout::new::<[u8; RUN_BYTES]>()) };
        let slots = RUN_BYTES / SECRET_BYTES;
        self.runs.push(run);
        self.free.reserve_exact(self.runs.len() * slots - self.free.len());
        let start = self.runs[self.runs.len() - 1].start().cast::<Octets>();
        // SAFETY: a run has this many consecutive slots.
        let all = (0..slots).rev().map(|slot| unsafe { start.add(slot) });
        self.free.extend(all);
        if self.runs.len() == 1 {
            self.free.pop();
            self.set_mark();
        }
    }

    /// Lock the pages of a child process again: they are inherited wiped and unlocked.
    fn protect_after_fork(&mut self) {
        // SAFETY: the first slot of the first run is used only for the mark.
        if self.mark().is_some_and(|mark| unsafe { mark.read() } != MARK) {
            self.runs.iter_mut().for_each(Run::protect);
            self.set_mark();
        }
    }

    fn set_mark(&self) {
        if let Some(mark) = self.mark() {
            // SAFETY: as above; it was removed from `free` when the run was mapped.
            unsafe { mark.write(MARK) };
        }
    }

    fn mark(&self) -> Option<NonNull<Octets>> {
        self.runs.first().map(|run| run.start().cast())
    }
}
