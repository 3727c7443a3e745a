//! Notifications of the kernel that something changed; the new state has to be read separately.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use netlink_sys::{Socket, protocols::NETLINK_ROUTE};

use crate::error::{ENOBUFS, NetError, Refusal};
use crate::socket::messages;

/// Multicast groups (enum rtnetlink_groups): links, addresses and routes.
const GROUPS: [u32; 5] = [1, 5, 7, 9, 11];
/// More than one notification needs; notifications are not combined as listings are.
const NOTICE_BYTES: usize = 32 << 10;
/// Notifications read in one call.
const NOTICES: usize = 64;
/// The first message type of links, addresses and routes; each has four (new, delete, get, set).
const RTM_LINK: u16 = 16;
const RTM_ADDRESS: u16 = 20;
const RTM_ROUTE: u16 = 24;

/// A non-blocking socket that reports changes of the network namespace in which it was opened.
pub struct Watch {
    socket: Socket,
    notice: Vec<u8>,
}

/// What changed since the last [`Watch::drain`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Changes {
    /// A link was added, removed, renamed, set up or down, or resized.
    pub links: bool,
    /// An address was added to or removed from a link.
    pub addresses: bool,
    /// A route was added or removed.
    pub routes: bool,
}

impl Watch {
    /// Open a socket in the network namespace of the calling thread. Needs no privilege.
    ///
    /// # Errors
    /// [`NetError::Refused`].
    pub fn open() -> Result<Self, NetError> {
        Self::subscribe().map_err(|source| Refusal::from(source).to("subscribing to network changes".into()))
    }

    fn subscribe() -> io::Result<Self> {
        let mut socket = Socket::new(NETLINK_ROUTE)?;
        socket.bind_auto()?;
        socket.set_non_blocking(true)?;
        GROUPS.iter().try_for_each(|group| socket.add_membership(*group))?;
        Ok(Self { socket, notice: Vec::with_capacity(NOTICE_BYTES) })
    }

    /// Read the pending notifications, at most 64, so that a burst delays nothing: the socket stays readable while
    /// there are more. If some were lost, everything counts as changed.
    ///
    /// # Errors
    /// Those that make the socket unusable.
    pub fn drain(&mut self) -> io::Result<Changes> {
        let mut changes = Changes::default();
        for _ in 0..NOTICES {
            self.notice.clear();
            match self.socket.recv(&mut self.notice, 0) {
                Ok(_) => messages(&self.notice).for_each(|message| changes.record(message.message_type())),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(changes),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.raw_os_error() == Some(ENOBUFS) => changes = Changes::ALL,
                Err(error) => return Err(error),
            }
        }
        Ok(changes)
    }
}

impl AsFd for Watch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Changes {
    /// Return a value with everything changed, as after lost notifications.
    pub const ALL: Self = Self { links: true, addresses: true, routes: true };

    /// Return true if nothing changed.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self == Self::default()
    }

    fn record(&mut self, message_type: u16) {
        match message_type {
            RTM_LINK..RTM_ADDRESS => self.links = true,
            RTM_ADDRESS..RTM_ROUTE => self.addresses = true,
            RTM_ROUTE.. => self.routes = true,
            _ => {}
        }
    }
}
