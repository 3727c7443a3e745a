//! The signals that end the program, as a pollable descriptor.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::low_level::pipe;

/// Readable once SIGTERM, SIGINT or SIGHUP (the terminal of `--foreground` was closed) has been received.
pub(crate) struct Signals(UnixStream);

impl Signals {
    pub(crate) fn catch() -> io::Result<Self> {
        let (caught, catch) = UnixStream::pair()?;
        for signal in [SIGTERM, SIGINT, SIGHUP] {
            pipe::register(signal, catch.try_clone()?)?;
        }
        Ok(Self(caught))
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
