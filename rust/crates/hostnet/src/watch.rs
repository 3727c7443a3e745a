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
const RTM_NEWLINK: u16 = 16;
const RTM_DELLINK: u16 = 17;
/// Places in struct ifinfomsg: the link's index and its flags.
const LINK_INDEX: usize = 4;
const LINK_FLAGS: usize = 8;
const IFF_UP: u32 = 1;

/// A non-blocking socket that reports changes of the network namespace in which it was opened.
pub struct Watch {
    socket: Socket,
    notice: Vec<u8>,
    followed: Option<FollowedLink>,
}

/// A link whose state is followed through all notifications.
struct FollowedLink {
    index: u32,
    up: bool,
}

/// What changed since the last [`Watch::drain`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Changes {
    /// A link was added, removed, renamed, set up or down, or resized.
    pub links: bool,
    /// The followed link was set down; it may be up again by now.
    pub went_down: bool,
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
        Ok(Self { socket, notice: Vec::with_capacity(NOTICE_BYTES), followed: None })
    }

    /// Report in [`Changes::went_down`] that this link was set down, even if it is up again when that is read: its
    /// state, which is read separately, does not show it then. Ends when the link leaves the namespace, which sets
    /// it down first.
    pub fn follow(&mut self, index: u32, up: bool) {
        self.followed = Some(FollowedLink { index, up });
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
                Ok(_) => {
                    for message in messages(&self.notice) {
                        changes.record(message.message_type());
                        changes.went_down |= goes_down(&mut self.followed, message.message_type(), message.payload());
                    }
                }
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
    /// Return a value with everything changed, as after lost notifications. Whether the followed link went down
    /// meanwhile is not known: its present state decides.
    pub const ALL: Self = Self { links: true, went_down: false, addresses: true, routes: true };

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

/// Follow a link through one notification; return true if it went from up to down.
fn goes_down(followed: &mut Option<FollowedLink>, message_type: u16, body: &[u8]) -> bool {
    let number =
        |place: usize| body.get(place..place + 4).and_then(|octets| Some(u32::from_ne_bytes(octets.try_into().ok()?)));
    let Some(link) = followed.as_mut().filter(|link| number(LINK_INDEX) == Some(link.index)) else { return false };
    match (message_type, number(LINK_FLAGS)) {
        (RTM_NEWLINK, Some(flags)) => {
            let up = flags & IFF_UP != 0;
            std::mem::replace(&mut link.up, up) && !up
        }
        (RTM_DELLINK, _) => {
            *followed = None;
            false
        }
        _ => false,
    }
}
