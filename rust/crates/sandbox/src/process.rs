//! Operations on processes and descriptors that the standard library lacks.

use std::convert::Infallible;
use std::ffi::CString;
use std::fs::File;
use std::io;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use std::ptr;

use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitOptions, waitpid};
use rustix::thread::UnshareFlags;

/// The highest signal number of Linux.
const LAST_SIGNAL: i32 = 64;

/// Take ownership of a descriptor that was passed on by number; nothing else in this process may own it.
///
/// # Errors
/// When that number is not open.
pub(crate) fn adopt(number: RawFd) -> io::Result<OwnedFd> {
    // SAFETY: queries a number; one that is not open is an error.
    if unsafe { libc::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC) } < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: it is open, and `main` calls this once for each number before anything else opens descriptors.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

/// Close every descriptor except the first three and `kept`.
pub(crate) fn close_all_but(kept: &[RawFd]) {
    let mut first = 3;
    let mut kept: Vec<u32> = kept.iter().filter_map(|number| u32::try_from(*number).ok()).collect();
    kept.sort_unstable();
    for number in kept.into_iter().chain([u32::MAX]) {
        if first < number {
            // SAFETY: `main` calls this before this process owns a descriptor that was not passed on by number.
            unsafe { libc::syscall(libc::SYS_close_range, first, number - 1, 0) };
        }
        first = number.saturating_add(1);
    }
}

/// Fork this process; `None` is returned in the child.
///
/// # Errors
/// Those of fork(2).
pub(crate) fn fork() -> io::Result<Option<Pid>> {
    // SAFETY: this program has one thread, so no other thread holds a lock in the child.
    match unsafe { libc::fork() } {
        ..0 => Err(io::Error::last_os_error()),
        child => Ok(Pid::from_raw(child)),
    }
}

/// Wait until a child has ended.
pub(crate) fn wait_for(child: Pid) {
    while matches!(waitpid(Some(child), WaitOptions::empty()), Err(Errno::INTR)) {}
}

/// Unshare namespaces of this process.
///
/// # Errors
/// Those of unshare(2).
pub(crate) fn unshare(flags: UnshareFlags) -> rustix::io::Result<()> {
    // SAFETY: no caller unshares the descriptor table (`FILES`).
    unsafe { rustix::thread::unshare_unsafe(flags) }
}

/// Send `signal` to every process that this one may signal, except itself and PID 1 of its namespace (kill(2)).
pub(crate) fn signal_all(signal: Signal) {
    // SAFETY: touches no memory.
    unsafe { libc::kill(-1, signal.as_raw()) };
}

/// Reset all signals to their default dispositions and unblock them.
pub(crate) fn reset_signals() {
    for number in 1..=LAST_SIGNAL {
        // SAFETY: the default disposition has no handler. The call fails for numbers that cannot be set.
        unsafe { libc::signal(number, libc::SIG_DFL) };
    }
    // SAFETY: both calls use a local set, which the first one fills.
    unsafe {
        let mut none = std::mem::zeroed();
        libc::sigemptyset(&raw mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const none, ptr::null_mut());
    }
}

/// Execute `program` without a shell: a file that is neither a binary nor starts with `#!` is an error (execve(2)),
/// while execvp(3) would pass it to a shell.
///
/// # Errors
/// Those of execve(2).
pub(crate) fn execute(program: &str, argv: &[String], environment: &[&str]) -> io::Result<Infallible> {
    let program = CString::new(program)?;
    let argv: Vec<CString> = argv.iter().map(|text| CString::new(text.as_str())).collect::<Result<_, _>>()?;
    let environment: Vec<CString> = environment.iter().map(|text| CString::new(*text)).collect::<Result<_, _>>()?;
    let pointers = |texts: &[CString]| -> Vec<*const libc::c_char> {
        texts.iter().map(|text| text.as_ptr()).chain([ptr::null()]).collect()
    };
    let (argv_pointers, environment_pointers) = (pointers(&argv), pointers(&environment));
    // SAFETY: both lists end with a null pointer, and their strings live until the call returns.
    unsafe { libc::execve(program.as_ptr(), argv_pointers.as_ptr(), environment_pointers.as_ptr()) };
    Err(io::Error::last_os_error())
}

/// Exit at once, without running the exit handlers inherited from the parent.
pub(crate) fn exit(status: i32) -> ! {
    // SAFETY: touches no memory.
    unsafe { libc::_exit(status) }
}

/// Redirect the standard streams to /dev/null, so that their readers see the end when the program closes them.
pub(crate) fn release_streams() {
    if let Ok(nothing) = File::options().read(true).write(true).open("/dev/null") {
        let _ = rustix::stdio::dup2_stdin(&nothing);
        let _ = rustix::stdio::dup2_stdout(&nothing);
        let _ = rustix::stdio::dup2_stderr(&nothing);
    }
}
