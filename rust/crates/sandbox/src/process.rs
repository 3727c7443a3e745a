//! What the standard library does not do with processes and descriptors.

use std::convert::Infallible;
use std::ffi::CString;
use std::fs::File;
use std::io;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use std::ptr;

use rustix::process::{Pid, Signal};
use rustix::thread::UnshareFlags;

/// The last signal that Linux has.
const LAST_SIGNAL: i32 = 64;

/// Takes a descriptor that was passed on by number; nothing else in this process may own it.
///
/// # Errors
/// When there is none of that number.
pub(crate) fn adopt(number: RawFd) -> io::Result<OwnedFd> {
    // SAFETY: asks about a number; one that is not open is an error.
    if unsafe { libc::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC) } < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: it is open, and `main` calls this once for each number before anything else opens descriptors.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

/// Closes every descriptor but the init three and `kept`.
pub(crate) fn close_all_but(kept: &[RawFd]) {
    let mut init = 3;
    let mut kept: Vec<u32> = kept.iter().filter_map(|number| u32::try_from(*number).ok()).collect();
    kept.sort_unstable();
    for number in kept.into_iter().chain([u32::MAX]) {
        if init < number {
            // SAFETY: `main` calls this before this process owns a descriptor that it was not given by number.
            unsafe { libc::syscall(libc::SYS_close_range, init, number - 1, 0) };
        }
        init = number.saturating_add(1);
    }
}

/// This process again; `None` is the child's.
///
/// # Errors
/// The kernel's.
pub(crate) fn fork() -> io::Result<Option<Pid>> {
    // SAFETY: this program has one thread, so that the child finds every lock as it should be.
    match unsafe { libc::fork() } {
        ..0 => Err(io::Error::last_os_error()),
        child => Ok(Pid::from_raw(child)),
    }
}

/// New namespaces for this process.
///
/// # Errors
/// The kernel's.
pub(crate) fn unshare(flags: UnshareFlags) -> rustix::io::Result<()> {
    // SAFETY: no caller asks for a table of descriptors of its own (`FILES`).
    unsafe { rustix::thread::unshare_unsafe(flags) }
}

/// Sends `signal` to all that this process may send it to, itself and the init of its namespace excepted (kill(2)).
pub(crate) fn signal_all(signal: Signal) {
    // SAFETY: touches no memory.
    unsafe { libc::kill(-1, signal.as_raw()) };
}

/// Signals do what they do to a process that has never said otherwise, and none is held back.
pub(crate) fn forget_signals() {
    for number in 1..=LAST_SIGNAL {
        // SAFETY: the default is no handler. Numbers that cannot be set are refused, which is as well.
        unsafe { libc::signal(number, libc::SIG_DFL) };
    }
    // SAFETY: both calls have a set of their own, which the first fills.
    unsafe {
        let mut none = std::mem::zeroed();
        libc::sigemptyset(&raw mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const none, ptr::null_mut());
    }
}

/// Becomes `program`. No shell: a file without a `#!` line that is no program of the machine's is an error (execve(2)),
/// where execvp(3) would hand it to one.
///
/// # Errors
/// The kernel's.
pub(crate) fn execute(program: &str, argv: &[String], environment: &[&str]) -> io::Result<Infallible> {
    let program = CString::new(program)?;
    let argv: Vec<CString> = argv.iter().map(|text| CString::new(text.as_str())).collect::<Result<_, _>>()?;
    let environment: Vec<CString> = environment.iter().map(|text| CString::new(*text)).collect::<Result<_, _>>()?;
    let pointers = |texts: &[CString]| -> Vec<*const libc::c_char> {
        texts.iter().map(|text| text.as_ptr()).chain([ptr::null()]).collect()
    };
    let (argv_pointers, environment_pointers) = (pointers(&argv), pointers(&environment));
    // SAFETY: both lists end with a null, and their texts live until the call returns, if it does.
    unsafe { libc::execve(program.as_ptr(), argv_pointers.as_ptr(), environment_pointers.as_ptr()) };
    Err(io::Error::last_os_error())
}

/// Ends this process at once: what a child of a fork must not run is its parent's end.
pub(crate) fn exit(status: i32) -> ! {
    // SAFETY: touches no memory.
    unsafe { libc::_exit(status) }
}

/// The program's streams are its own: whoever reads them sees their end when it has closed them.
pub(crate) fn release_streams() {
    if let Ok(nothing) = File::options().read(true).write(true).open("/dev/null") {
        let _ = rustix::stdio::dup2_stdin(&nothing);
        let _ = rustix::stdio::dup2_stdout(&nothing);
        let _ = rustix::stdio::dup2_stderr(&nothing);
    }
}
