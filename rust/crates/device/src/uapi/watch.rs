//! Detects that the socket's file is unlinked, renamed or replaced.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::inotify::{self, CreateFlags, Reader, WatchFlags};

/// Buffer for events. They carry no names here, so each has 16 octets; what does not fit is read next.
const EVENT_BYTES: usize = 512;

/// Readable after a change of the file. Unlinking is reported as a change of the link count, since the inode exists
/// while the socket is open.
pub(super) struct Watch(OwnedFd);

impl Watch {
    pub(super) fn on(path: &Path) -> io::Result<Self> {
        let watch = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
        let events = WatchFlags::ATTRIB | WatchFlags::DELETE_SELF | WatchFlags::MOVE_SELF;
        inotify::add_watch(&watch, path, events | WatchFlags::DONT_FOLLOW)?;
        Ok(Self(watch))
    }

    /// Discard the events, so that the descriptor is not readable until the next one. The state is then read from the
    /// path.
    pub(super) fn drain(&self) {
        let mut space = [MaybeUninit::uninit(); EVENT_BYTES];
        let mut events = Reader::new(&self.0, &mut space);
        while events.next().is_ok() {}
    }
}

impl AsFd for Watch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
