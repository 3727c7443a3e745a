//! Waiting for sockets and for standard input, level-triggered.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::stdio::stdin;

/// Events that are taken at once.
const MAX_EVENTS: usize = 256;
/// The token of standard input.
pub(crate) const STDIN: u64 = u64::MAX;

/// An epoll instance.
pub(crate) struct Poller {
    epoll: OwnedFd,
    events: Vec<Event>,
}

impl Poller {
    /// Create one that waits for standard input.
    pub(crate) fn new() -> io::Result<Self> {
        let poller = Self { epoll: epoll::create(CreateFlags::CLOEXEC)?, events: Vec::with_capacity(MAX_EVENTS) };
        poller.add(stdin(), STDIN, EventFlags::IN)?;
        Ok(poller)
    }

    /// Wait for a file too.
    pub(crate) fn add(&self, file: impl AsFd, token: u64, interest: EventFlags) -> io::Result<()> {
        Ok(epoll::add(&self.epoll, file, EventData::new_u64(token), interest)?)
    }

    /// Wait for something else of a file.
    pub(crate) fn modify(&self, file: impl AsFd, token: u64, interest: EventFlags) -> io::Result<()> {
        Ok(epoll::modify(&self.epoll, file, EventData::new_u64(token), interest)?)
    }

    /// Wait, and return the tokens of the files that are ready.
    pub(crate) fn wait(&mut self) -> io::Result<Vec<u64>> {
        self.events.clear();
        match epoll::wait(&self.epoll, rustix::buffer::spare_capacity(&mut self.events), None) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(self.events.iter().map(|event| event.data.u64()).collect()),
            Err(error) => Err(error.into()),
        }
    }
}
