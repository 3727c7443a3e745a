//! Requests from other threads to a stack.

use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, mpsc};

use rustix::event::{EventfdFlags, eventfd};

use crate::capture::Limits;
use crate::dial::{Connect, Dial};
use crate::policy::{HostTable, Policy};
use crate::status::Status;
use crate::stream;
use crate::tables::{Exit, Tables};

/// A request.
pub(crate) enum Request {
    Tables(Box<Prepared>),
    Dial(Dial),
    Connect(Box<Connect>),
    Resolve {
        name: String,
        answer: mpsc::SyncSender<Vec<IpAddr>>,
    },
    Listen {
        port: u16,
        accepted: OwnedFd,
        answer: mpsc::SyncSender<bool>,
    },
    /// The stack's end of a pair for a port of UDP, or for a free one if it is 0.
    Datagrams {
        port: u16,
        fd: OwnedFd,
        answer: mpsc::SyncSender<Option<u16>>,
    },
    Capture {
        name: String,
        stream: OwnedFd,
        limits: Limits,
        answer: mpsc::SyncSender<bool>,
    },
    Status(mpsc::SyncSender<Status>),
}

/// A configuration with what is built from it before the packet thread gets it.
pub(crate) struct Prepared {
    pub(crate) tables: Tables,
    /// The exit policy, and that of what this host dials outside for local clients; neither knows this host yet.
    pub(crate) policy: Option<Policy>,
    pub(crate) direct: Option<Policy>,
}

impl Prepared {
    /// Build the policies, which takes milliseconds for thousands of prefixes.
    pub(crate) fn new(tables: Tables) -> Self {
        let build = |exit: &Exit| Policy::new(&exit.rules, HostTable::default());
        let policy = tables.exit.as_ref().map(build);
        let direct = tables.direct().as_ref().map(build);
        Self { tables, policy, direct }
    }
}

/// The stack has ended, with its device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the device has ended")]
pub struct Ended;

/// Why there is no listener.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// Somebody else has the port.
    #[error("port {0} of the tunnel is in use")]
    InUse(u16),
    /// The stack has ended.
    #[error(transparent)]
    Ended(#[from] Ended),
    /// There is no descriptor for it.
    #[error(transparent)]
    System(#[from] io::Error),
}

/// Why there is no capture.
#[derive(Debug, thiserror::Error)]
pub enum CaptureError {
    /// There is one at a time.
    #[error("another capture is running")]
    Running,
    /// The stack has ended.
    #[error(transparent)]
    Ended(#[from] Ended),
    /// There is no descriptor for it.
    #[error(transparent)]
    System(#[from] io::Error),
}

/// Reaches a stack from any thread.
#[derive(Debug, Clone)]
pub struct Handle {
    sender: mpsc::Sender<Request>,
    wakeup: Arc<OwnedFd>,
}

impl Handle {
    /// Replace the configuration of the stack. Flows that it forbids are reset.
    ///
    /// # Errors
    /// The stack has ended.
    pub fn set_tables(&self, tables: Tables) -> Result<(), Ended> {
        self.send(Request::Tables(Box::new(Prepared::new(tables))))
    }

    /// Dial; the outcome is told to the caller of the dial.
    ///
    /// # Errors
    /// The stack has ended.
    pub fn dial(&self, dial: Dial) -> Result<(), Ended> {
        self.send(Request::Dial(dial))
    }

    /// Dial a target, whose name is resolved by the rules of the network.
    ///
    /// # Errors
    /// The stack has ended.
    pub fn connect(&self, connect: Connect) -> Result<(), Ended> {
        self.send(Request::Connect(Box::new(connect)))
    }

    /// Resolve a name by the rules of the network. What is returned gives its addresses once, in the order in which to
    /// try them; none if it has none or its servers fail.
    ///
    /// # Errors
    /// The stack has ended.
    pub fn resolve(&self, name: &str) -> Result<mpsc::Receiver<Vec<IpAddr>>, Ended> {
        let (answer, answered) = mpsc::sync_channel(1);
        self.send(Request::Resolve { name: name.to_owned(), answer })?;
        Ok(answered)
    }

    /// Listen at a port of the own addresses. The descriptor that is returned gives accepted connections: each message
    /// carries the descriptor of a stream and 20 octets with the far address. Closing it ends the listener.
    ///
    /// # Errors
    /// [`ListenError`].
    pub fn listen(&self, port: u16) -> Result<OwnedFd, ListenError> {
        let (ours, theirs) = stream::message_pair()?;
        let (answer, answered) = mpsc::sync_channel(1);
        self.send(Request::Listen { port, accepted: ours, answer })?;
        if answered.recv().map_err(|_| Ended)? { Ok(theirs) } else { Err(ListenError::InUse(port)) }
    }

    /// Take a port of UDP of the own addresses, or a free one if `port` is 0, and return it with a descriptor
    /// (SOCK_SEQPACKET). Each message on it is an address of the other side in 20 octets, then the payload: the version
    /// (4 or 6), a zero, the port, and 16 octets of which IPv4 uses the first four. In a message that was received, the
    /// second octet may be the number of an error (errno(3)) about what was sent to that address. Closing the
    /// descriptor gives the port up.
    ///
    /// # Errors
    /// [`ListenError`].
    pub fn datagrams(&self, port: u16) -> Result<(u16, OwnedFd), ListenError> {
        let (ours, theirs) = stream::message_pair()?;
        let (answer, answered) = mpsc::sync_channel(1);
        self.send(Request::Datagrams { port, fd: ours, answer })?;
        let bound = answered.recv().map_err(|_| Ended)?.ok_or(ListenError::InUse(port))?;
        Ok((bound, theirs))
    }

    /// Capture the packets inside the tunnel. The stream that is returned gives them as pcapng, with the name of an
    /// interface, and ends with the capture; closing it ends the capture.
    ///
    /// # Errors
    /// [`CaptureError`].
    pub fn capture(&self, name: &str, limits: Limits) -> Result<OwnedFd, CaptureError> {
        let (ours, theirs) = stream::pair()?;
        let (answer, answered) = mpsc::sync_channel(1);
        self.send(Request::Capture { name: name.to_owned(), stream: ours, limits, answer })?;
        if answered.recv().map_err(|_| Ended)? { Ok(theirs) } else { Err(CaptureError::Running) }
    }

    /// Return a snapshot.
    ///
    /// # Errors
    /// The stack has ended.
    pub fn status(&self) -> Result<Status, Ended> {
        let (answer, answered) = mpsc::sync_channel(1);
        self.send(Request::Status(answer))?;
        answered.recv().map_err(|_| Ended)
    }

    fn send(&self, request: Request) -> Result<(), Ended> {
        self.sender.send(request).map_err(|_| Ended)?;
        // The counter cannot overflow: it is read whenever it is not zero.
        let _ = rustix::io::write(&self.wakeup, &1u64.to_ne_bytes());
        Ok(())
    }
}

/// The stack's side of the requests.
pub(crate) struct Requests {
    receiver: mpsc::Receiver<Request>,
    wakeup: Arc<OwnedFd>,
}

impl Requests {
    pub(crate) fn new() -> io::Result<(Handle, Self)> {
        let wakeup = Arc::new(eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC)?);
        let (sender, receiver) = mpsc::channel();
        Ok((Handle { sender, wakeup: Arc::clone(&wakeup) }, Self { receiver, wakeup }))
    }

    /// Take the next request.
    pub(crate) fn take(&self) -> Option<Request> {
        self.receiver.try_recv().ok().or_else(|| {
            let _ = rustix::io::read(&self.wakeup, &mut [0u8; 8]);
            self.receiver.try_recv().ok()
        })
    }
}

impl AsFd for Requests {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.wakeup.as_fd()
    }
}
