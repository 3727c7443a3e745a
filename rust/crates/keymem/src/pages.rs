//! Pages for keys.

use std::ffi::c_void;
use std::ptr::{self, NonNull};

use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mlock, mmap_anonymous};

use crate::state::Refusal;

/// Octets mapped at a time: 512 keys, and a multiple of every page size up to 16 KiB. A host with a small limit of
/// locked memory still locks some of these.
pub(crate) const RUN_BYTES: usize = 16 << 10;

/// Pages that this process never unmaps.
pub(crate) struct Run {
    start: NonNull<c_void>,
    pub(crate) refusal: Option<Refusal>,
    pub(crate) locked: bool,
}

impl Run {
    /// Map pages, all zero. `None` if there is no memory.
    pub(crate) fn map() -> Option<Self> {
        let flags = MapFlags::PRIVATE;
        // SAFETY: the kernel selects the address, so no other mapping is replaced.
        let start = unsafe { mmap_anonymous(ptr::null_mut(), RUN_BYTES, ProtFlags::READ | ProtFlags::WRITE, flags) };
        let mut run = Self { start: NonNull::new(start.ok()?)?, refusal: None, locked: false };
        run.protect();
        Some(run)
    }

    pub(crate) fn start(&self) -> NonNull<u8> {
        self.start.cast()
    }

    /// Apply all protections; the last refusal is kept. A child process does it again, since it inherits no lock.
    pub(crate) fn protect(&mut self) {
        let advised = |call, advice| {
            // SAFETY: the pages are ours; neither advice changes what this process reads.
            let done = unsafe { madvise(self.start.as_ptr(), RUN_BYTES, advice) };
            done.err().map(|errno| Refusal { call, errno: errno.raw_os_error() })
        };
        let unwiped = advised("madvise(MADV_WIPEONFORK)", Advice::LinuxWipeOnFork);
        let dumped = advised("madvise(MADV_DONTDUMP)", Advice::LinuxDontDump);
        // SAFETY: the pages are ours, and locking them does not change their content.
        let swapped = unsafe { mlock(self.start.as_ptr(), RUN_BYTES) }.err();
        self.locked = swapped.is_none();
        let swapped = swapped.map(|errno| Refusal { call: "mlock", errno: errno.raw_os_error() });
        self.refusal = swapped.or(dumped).or(unwiped);
    }
}
