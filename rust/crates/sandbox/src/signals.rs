//! Signals as a pollable descriptor.

use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;

use signal_hook::low_level::pipe;

/// Readable once one of the signals has been received.
pub(crate) struct Signals(UnixStream);

impl Signals {
    /// Register handlers for the signals.
    ///
    /// # Errors
    /// Those of sigaction(2) and socketpair(2).
    pub(crate) fn catch(signals: &[i32]) -> io::Result<Self> {
        let (caught, catch) = UnixStream::pair()?;
        caught.set_nonblocking(true)?;
        for signal in signals {
            pipe::register(*signal, catch.try_clone()?)?;
        }
        Ok(Self(caught))
    }

    /// Return whether any signal was received since the last call; several count as one.
    pub(crate) fn taken(&mut self) -> bool {
        let mut octets = [0; 64];
        let mut any = false;
        while self.0.read(&mut octets).is_ok_and(|count| count > 0) {
            any = true;
        }
        any
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
