//! Descriptors inherited from the parent process, each named by its number in an environment variable.

use std::env;
use std::io;
use std::os::fd::{BorrowedFd, FromRawFd, OwnedFd, RawFd};

use rustix::io::{Errno, FdFlags, fcntl_getfd, fcntl_setfd};

/// A variable that names no inherited descriptor.
#[derive(Debug, thiserror::Error)]
pub enum InheritedError {
    /// Not a number of at least 3.
    #[error("{variable}: expected the number of an open descriptor, 3 or higher")]
    Number {
        /// The variable.
        variable: String,
    },
    /// A number that is not open, or was not inherited.
    #[error("{variable}={number}: {source}")]
    Descriptor {
        /// The variable.
        variable: String,
        /// Its value.
        number: RawFd,
        /// EBADF for one that is not open or was opened by this process.
        source: io::Error,
    },
}

/// Take the descriptor that `variable` names; `None` while it is unset or empty. Must be called before the first thread
/// starts.
///
/// # Errors
/// [`InheritedError`]; also for a descriptor that was taken before.
pub fn take(variable: &str) -> Result<Option<OwnedFd>, InheritedError> {
    let Some(text) = env::var_os(variable).filter(|text| !text.is_empty()) else { return Ok(None) };
    let number = text.to_str().and_then(|text| text.parse::<RawFd>().ok()).filter(|number| *number > 2);
    let number = number.ok_or_else(|| InheritedError::Number { variable: variable.to_owned() })?;
    own(number).map(Some).map_err(|errno| InheritedError::Descriptor {
        variable: variable.to_owned(),
        number,
        source: errno.into(),
    })
}

/// Duplicate the descriptor `number`; the caller keeps its own.
///
/// # Errors
/// EBADF for a number that is not open.
pub fn duplicate(number: RawFd) -> io::Result<OwnedFd> {
    if number < 0 {
        return Err(Errno::BADF.into());
    }
    // SAFETY: the borrow lasts for this one call, which returns EBADF for a number that is not open.
    let borrowed = unsafe { BorrowedFd::borrow_raw(number) };
    Ok(rustix::io::fcntl_dupfd_cloexec(borrowed, 3)?)
}

fn own(number: RawFd) -> rustix::io::Result<OwnedFd> {
    // SAFETY: the borrow is only used to read the flags, which returns EBADF for a number that is not open.
    let borrowed = unsafe { BorrowedFd::borrow_raw(number) };
    if fcntl_getfd(borrowed)?.contains(FdFlags::CLOEXEC) {
        return Err(Errno::BADF);
    }
    fcntl_setfd(borrowed, FdFlags::CLOEXEC)?;
    // SAFETY: a descriptor without close-on-exec was inherited through exec, since the standard library and this
    // workspace set it on everything they open; so nothing in this process owns it. The flag is set now, so a second
    // call fails above.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}
