//! Descriptors that whoever started this process passed on, each named by its number in an environment variable.

use std::env;
use std::io;
use std::os::fd::{BorrowedFd, FromRawFd, OwnedFd, RawFd};

use rustix::io::{Errno, FdFlags, fcntl_getfd, fcntl_setfd};

/// A variable that names no descriptor passed on.
#[derive(Debug, thiserror::Error)]
pub enum InheritedError {
    /// Not a number from 3 up.
    #[error("{variable}: expected the number of an open descriptor, 3 or higher")]
    Number {
        /// The variable.
        variable: String,
    },
    /// A number that is not open, or that the starter did not pass on.
    #[error("{variable}={number}: {source}")]
    Descriptor {
        /// The variable.
        variable: String,
        /// Its value.
        number: RawFd,
        /// EBADF for one that is not open or belongs to this process already.
        source: io::Error,
    },
}

/// Takes the descriptor that `variable` names; `None` while it is unset or empty. To be called before the first thread.
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

/// A descriptor of our own for what `number` stands for in the caller's hands; the caller's stays the caller's.
///
/// # Errors
/// EBADF for a number that is not open.
pub fn duplicate(number: RawFd) -> io::Result<OwnedFd> {
    if number < 0 {
        return Err(Errno::BADF.into());
    }
    // SAFETY: the borrow lasts for this one call, which answers EBADF for a number that is not open.
    let borrowed = unsafe { BorrowedFd::borrow_raw(number) };
    Ok(rustix::io::fcntl_dupfd_cloexec(borrowed, 3)?)
}

fn own(number: RawFd) -> rustix::io::Result<OwnedFd> {
    // SAFETY: the borrow is used to ask for flags alone, which answers EBADF for a number that is not open.
    let borrowed = unsafe { BorrowedFd::borrow_raw(number) };
    if fcntl_getfd(borrowed)?.contains(FdFlags::CLOEXEC) {
        return Err(Errno::BADF);
    }
    fcntl_setfd(borrowed, FdFlags::CLOEXEC)?;
    // SAFETY: without close-on-exec it came through exec, since the standard library and this workspace open everything
    // with it; so nothing in this process owns it. Now that it is set, a second call is refused above.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}
