//! The descriptors that the packet thread waits for.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::io::Errno;
use rustix::time::Timespec;

/// A source that is ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u64)]
pub(crate) enum Source {
    Inner,
    V4,
    V6,
    Requests,
    Network,
}

const SOURCES: [Source; 5] = [Source::Inner, Source::V4, Source::V6, Source::Requests, Source::Network];

/// An epoll(7) instance.
pub(crate) struct Poller {
    epoll: OwnedFd,
}

impl Poller {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self { epoll: epoll::create(CreateFlags::CLOEXEC)? })
    }

    pub(crate) fn add(&self, source: Source, fd: impl AsFd) -> io::Result<()> {
        Ok(epoll::add(&self.epoll, fd, EventData::new_u64(source as u64), EventFlags::IN)?)
    }

    /// Remove a descriptor. Closing it is not enough while a copy of it is open, as in a forked child.
    pub(crate) fn remove(&self, fd: impl AsFd) {
        // A descriptor that was not added needs no removal.
        let _ = epoll::delete(&self.epoll, fd);
    }

    /// Wait at most `timeout`, and return the sources that are ready.
    pub(crate) fn wait(&self, timeout: Duration) -> io::Result<impl Iterator<Item = Source> + use<>> {
        let mut room = [const { MaybeUninit::uninit() }; SOURCES.len()];
        let timeout = Timespec { tv_sec: timeout.as_secs().cast_signed(), tv_nsec: i64::from(timeout.subsec_nanos()) };
        let ready = match epoll::wait(&self.epoll, &mut room, Some(&timeout)) {
            Ok((ready, _)) => ready.iter().fold(0, |set, event| set | 1u8 << event.data.u64()),
            Err(Errno::INTR) => 0,
            Err(errno) => return Err(errno.into()),
        };
        Ok(SOURCES.into_iter().filter(move |source| ready >> (*source as u64) & 1 == 1))
    }
}
