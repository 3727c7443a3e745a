//! The descriptors of a stack: one epoll(7) instance, whose own descriptor is readable while any of them is ready.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};

use crate::slab::Id;

/// Events that are taken at once.
const EVENTS: usize = 256;

/// What a descriptor belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Token {
    /// The requests of other threads.
    Requests,
    /// Changes of this host's addresses.
    Addresses,
    /// The host socket of a TCP flow.
    Flow(Id),
    /// A listener on the host.
    Listener(Id),
    /// A client of such a listener, before its dial.
    Client(Id),
    /// One of the two sockets of a relay between sockets of the host.
    Relay(Id),
    /// A pair of sockets of an own port of UDP.
    Pair(Id),
    /// The host socket of a mapping of UDP.
    Udp(Id),
    /// The host socket of an echo session.
    Echo(Id),
    /// The stream of a capture.
    Capture,
    /// The socket of a question to a name server outside.
    NameServer(Id),
    /// A stream of DNS messages.
    NameStream(Id),
    /// The listener on the host for DNS over UDP, and for DNS over TCP.
    NameDatagrams(Id),
    NameListener(Id),
    /// Streams of peers to the DNS service.
    NamePeers,
}

/// A descriptor that is ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ready {
    pub(crate) token: Token,
    pub(crate) readable: bool,
    pub(crate) writable: bool,
    /// The other side closed its direction, or the descriptor has an error: reading tells which.
    pub(crate) ended: bool,
}

const KIND_SHIFT: u32 = 56;

impl Token {
    fn bits(self) -> u64 {
        match self {
            Self::Requests => 0,
            Self::Addresses => 1 << KIND_SHIFT,
            Self::Flow(id) => 2 << KIND_SHIFT | id.bits(),
            Self::Listener(id) => 3 << KIND_SHIFT | id.bits(),
            Self::Client(id) => 4 << KIND_SHIFT | id.bits(),
            Self::Relay(id) => 5 << KIND_SHIFT | id.bits(),
            Self::Pair(id) => 6 << KIND_SHIFT | id.bits(),
            Self::Udp(id) => 17 << KIND_SHIFT | id.bits(),
            Self::Echo(id) => 18 << KIND_SHIFT | id.bits(),
            Self::Capture => 20 << KIND_SHIFT,
            Self::NameServer(id) => 7 << KIND_SHIFT | id.bits(),
            Self::NameStream(id) => 8 << KIND_SHIFT | id.bits(),
            Self::NameDatagrams(id) => 9 << KIND_SHIFT | id.bits(),
            Self::NameListener(id) => 10 << KIND_SHIFT | id.bits(),
            Self::NamePeers => 11 << KIND_SHIFT,
        }
    }

    fn from_bits(bits: u64) -> Option<Self> {
        let id = Id::from_bits(bits & ((1 << KIND_SHIFT) - 1));
        match bits >> KIND_SHIFT {
            0 => Some(Self::Requests),
            1 => Some(Self::Addresses),
            2 => Some(Self::Flow(id)),
            3 => Some(Self::Listener(id)),
            4 => Some(Self::Client(id)),
            5 => Some(Self::Relay(id)),
            6 => Some(Self::Pair(id)),
            17 => Some(Self::Udp(id)),
            18 => Some(Self::Echo(id)),
            20 => Some(Self::Capture),
            7 => Some(Self::NameServer(id)),
            8 => Some(Self::NameStream(id)),
            9 => Some(Self::NameDatagrams(id)),
            10 => Some(Self::NameListener(id)),
            11 => Some(Self::NamePeers),
            _ => None,
        }
    }
}

/// The descriptors.
pub(crate) struct Poller {
    epoll: OwnedFd,
}

impl Poller {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self { epoll: epoll::create(CreateFlags::CLOEXEC)? })
    }

    /// Add a descriptor that is reported while it is readable.
    pub(crate) fn add_readable(&self, fd: impl AsFd, token: Token) -> io::Result<()> {
        Ok(epoll::add(&self.epoll, fd, EventData::new_u64(token.bits()), EventFlags::IN)?)
    }

    /// Add a descriptor that is reported when it becomes readable, writable or ended. Closing it removes it.
    pub(crate) fn add_edges(&self, fd: impl AsFd, token: Token) -> io::Result<()> {
        let flags = EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP | EventFlags::ET;
        Ok(epoll::add(&self.epoll, fd, EventData::new_u64(token.bits()), flags)?)
    }

    /// Remove a descriptor that stays open.
    pub(crate) fn remove(&self, fd: impl AsFd) {
        // The only error is that it was not added.
        let _ = epoll::delete(&self.epoll, fd);
    }

    /// Add a descriptor that is reported when it becomes readable or has an error. Closing it removes it.
    pub(crate) fn add_input(&self, fd: impl AsFd, token: Token) -> io::Result<()> {
        Ok(epoll::add(&self.epoll, fd, EventData::new_u64(token.bits()), EventFlags::IN | EventFlags::ET)?)
    }

    /// Append the descriptors that are ready to `ready`, at most 256; the rest leaves this one readable.
    pub(crate) fn take_ready(&self, ready: &mut Vec<Ready>) {
        let mut room = [const { MaybeUninit::uninit() }; EVENTS];
        // An interrupted call is made again, since the descriptor stays readable; other errors are those of wrong
        // arguments.
        let Ok((events, _)) = epoll::wait(&self.epoll, &mut room, Some(&Timespec::default())) else { return };
        ready.extend(events.iter().filter_map(|event| {
            let (flags, bits) = (event.flags, event.data.u64());
            Some(Ready {
                token: Token::from_bits(bits)?,
                readable: flags.contains(EventFlags::IN),
                writable: flags.contains(EventFlags::OUT),
                ended: flags.intersects(EventFlags::RDHUP | EventFlags::HUP | EventFlags::ERR),
            })
        }));
    }
}

impl AsFd for Poller {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.epoll.as_fd()
    }
}
