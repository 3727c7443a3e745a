//! Notices that the socket's file is unlinked, renamed or replaced.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::inotify::{self, CreateFlags, Reader, WatchFlags};

/// Octets for events. They carry no names here, so 16 each; what does not fit comes with the next read.
const EVENT_BYTES: usize = 512;

/// Readable when something happened to the file. Unlinking shows as a changed number of links, for the file itself
/// lives on while the socket is open.
pub(super) struct Watch(OwnedFd);

impl Watch {
    pub(super) fn on(path: &Path) -> io::Result<Self> {
        let watch = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
        let events = WatchFlags::ATTRIB | WatchFlags::DELETE_SELF | WatchFlags::MOVE_SELF;
        inotify::add_watch(&watch, path, events | WatchFlags::DONT_FOLLOW)?;
        Ok(Self(watch))
    }

    /// Takes what has happened, so that the descriptor is quiet until more does. What it was is seen at the path.
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
