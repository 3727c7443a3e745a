//! The stack of a thread that computes with keys.

use std::ffi::c_void;
use std::hint::black_box;
use std::io;
use std::mem::MaybeUninit;

use rustix::io::Errno;
use rustix::mm::{Advice, madvise};

use crate::wipe::with_wiped_stack;

/// Octets between the frame that raises a shield and the frames behind it: the page in which the shield ends, where pages
/// have up to 16 KiB.
const GAP_BYTES: usize = 16 << 10;

/// Does `work` on a stack of this thread that is in no core file and no fork, and wipes what it leaves there.
///
/// A kernel that refuses is no reason not to work: then the stack is as any other.
///
/// # Safety
/// `work` makes no child process that goes on with a copy of this memory, as fork(2) does and vfork(2) does not: the
/// child's stack would be wiped under it.
pub unsafe fn with_protected_stack<T>(work: impl FnOnce() -> T) -> T {
    let here = 0u8;
    // SAFETY: the caller vouches for all that happens on this thread until the shield falls.
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

/// The part of this thread's stack that is kept out of core files and forks.
///
/// Not all of it: the C library keeps its own book of threads at the top of each stack, and a child process reads it. When
/// the shield falls the stack is as it was, as the C library gives stacks of threads that have ended to others.
struct ProtectedStack {
    lowest: *mut c_void,
    length: usize,
}

impl ProtectedStack {
    /// Below `end`, to the last whole page.
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
        // SAFETY: the range is this thread's stack, and no advice given here changes what the thread itself reads. What a
        // child reads is the matter of whoever raised the shield.
        unsafe { madvise(self.lowest, self.length, advice) }
    }
}

impl Drop for ProtectedStack {
    fn drop(&mut self) {
        // There is no reason for a refusal, and nothing to be done about one.
        let _ = self.advise(Advice::LinuxKeepOnFork);
        let _ = self.advise(Advice::LinuxDoDump);
    }
}

/// Where the pages of this thread's stack begin, beyond the guard (pthread_getattr_np(3)).
fn lowest_of_stack() -> io::Result<*mut c_void> {
    let map_errno = |errno: i32| if errno == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(errno)) };
    let mut attributes = MaybeUninit::<libc::pthread_attr_t>::uninit();
    let (mut lowest, mut length) = (std::ptr::null_mut(), 0);
    // SAFETY: the first call fills the attributes where it succeeds, and only then are they read and given back.
    unsafe {
        map_errno(libc::pthread_getattr_np(libc::pthread_self(), attributes.as_mut_ptr()))?;
        let found = map_errno(libc::pthread_attr_getstack(attributes.as_ptr(), &raw mut lowest, &raw mut length));
        libc::pthread_attr_destroy(attributes.as_mut_ptr());
        found?;
    }
    Ok(lowest)
}
