//! Protection of the stack of a thread that computes with keys.

use std::ffi::c_void;
use std::hint::black_box;
use std::io;
use std::mem::MaybeUninit;

use rustix::io::Errno;
use rustix::mm::{Advice, madvise};

use crate::wipe::with_wiped_stack;

/// Octets between the frame that protects the stack and the frames below it: the page in which the protection ends, for
/// pages of up to 16 KiB.
const GAP_BYTES: usize = 16 << 10;

/// Run `work` on the part of this thread's stack that is excluded from core files and forks, and wipe it afterwards.
///
/// If the kernel refuses, `work` runs without the protection.
///
/// # Safety
/// `work` creates no child process that continues with a copy of this memory, as by fork(2) but not by vfork(2): the
/// child's stack would be wiped.
pub unsafe fn with_protected_stack<T>(work: impl FnOnce() -> T) -> T {
    let here = 0u8;
    // SAFETY: the caller guarantees it for this thread until the protection is dropped.
    let stack = unsafe { ProtectedStack::protect((&raw const *black_box(&here)).addr()) };
    let value = call_below(|| with_wiped_stack(work));
    drop(stack);
    value
}

#[inline(never)]
fn call_below<T>(work: impl FnOnce() -> T) -> T {
    let between = MaybeUninit::<[u8; GAP_BYTES]>::uninit();
    let value = work();
    black_box(&between);
    value
}

/// The part of this thread's stack that is excluded from core files and forks.
///
/// It is not the entire stack: the C library stores data of the thread at the top of each stack, and a child process
/// reads it. When it is dropped the stack is as before, since the C library reuses the stacks of ended threads.
struct ProtectedStack {
    lowest: *mut c_void,
    length: usize,
}

impl ProtectedStack {
    /// Protect the stack below `end`, to the last whole page.
    ///
    /// # Safety
    /// As for [`with_protected_stack`], until it is dropped, which happens on this thread.
    unsafe fn protect(end: usize) -> io::Result<Self> {
        let lowest = lowest_of_stack()?;
        let end = end & !(rustix::param::page_size() - 1);
        let length = end.checked_sub(lowest.addr()).ok_or(Errno::INVAL)?;
        let stack = Self { lowest, length };
        stack.advise(Advice::LinuxDontDump)?;
        stack.advise(Advice::LinuxWipeOnFork)?;
        Ok(stack)
    }

    fn advise(&self, advice: Advice) -> rustix::io::Result<()> {
        // SAFETY: the range is this thread's stack, and no advice given here changes what the thread itself reads. The
        // caller of `protect` is responsible for what a child reads.
        unsafe { madvise(self.lowest, self.length, advice) }
    }
}

impl Drop for ProtectedStack {
    fn drop(&mut self) {
        // An error is unexpected, and cannot be handled.
        let _ = self.advise(Advice::LinuxKeepOnFork);
        let _ = self.advise(Advice::LinuxDoDump);
    }
}

/// Return the lowest address of this thread's stack, above the guard (pthread_getattr_np(3)).
fn lowest_of_stack() -> io::Result<*mut c_void> {
    let map_errno = |errno: i32| if errno == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(errno)) };
    let mut attributes = MaybeUninit::<libc::pthread_attr_t>::uninit();
    let (mut lowest, mut length) = (std::ptr::null_mut(), 0);
    // SAFETY: the first call fills the attributes where it succeeds, and only then are they read and destroyed.
    unsafe {
        map_errno(libc::pthread_getattr_np(libc::pthread_self(), attributes.as_mut_ptr()))?;
        let found = map_errno(libc::pthread_attr_getstack(attributes.as_ptr(), &raw mut lowest, &raw mut length));
        libc::pthread_attr_destroy(attributes.as_mut_ptr());
        found?;
    }
    Ok(lowest)
}
