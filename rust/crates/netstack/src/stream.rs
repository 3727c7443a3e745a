//! The host side of a flow: a stream descriptor that is never waited for.

use std::io::{self, IoSlice, IoSliceMut};
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::{
    AddressFamily, SendAncillaryBuffer, SendFlags, Shutdown, SocketFlags, SocketType, connect, sendmsg, shutdown,
    socket_with, sockopt,
};

use crate::dial::Caller;
use crate::httpbody::Body;
use crate::permit::Permit;
use crate::poller::Ready;

/// Keepalive of the outside, with the times of the own TCP.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(120);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(15);
const KEEPALIVE_PROBES: u32 = 3;

/// A stream descriptor, and what is known about it from edges.
#[derive(Debug)]
pub(crate) struct Stream {
    fd: OwnedFd,
    readable: bool,
    writable: bool,
    /// The other side closed its direction: reading goes on until it returns nothing.
    ended: bool,
    is_connecting: bool,
    /// The framing of what is read; what is behind it is dropped.
    framing: Option<Body>,
    /// The place that is free again once the stream is closed.
    _permit: Option<Permit>,
}

/// What a read gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Read {
    /// So many bytes.
    Bytes(usize),
    /// Nothing now; an edge follows.
    Wait,
    /// The other side closed its direction.
    End,
    /// The stream is broken.
    Broken,
}

impl Stream {
    /// Return a stream that is connected. It is taken to be ready until it says otherwise.
    pub(crate) fn connected(fd: OwnedFd) -> Self {
        Self { fd, readable: true, writable: true, ended: false, is_connecting: false, framing: None, _permit: None }
    }

    /// Return the stream of a client after its dial.
    pub(crate) fn of_client(fd: OwnedFd, caller: &mut dyn Caller) -> Self {
        Self { framing: caller.framing(), _permit: caller.permit(), ..Self::connected(fd) }
    }

    /// Start to connect to an address outside. Whether it succeeded is known from [`Stream::finish_connecting`] once the
    /// descriptor is writable.
    ///
    /// # Errors
    /// Those of socket(2) and connect(2) that are known at once, such as ENETUNREACH.
    pub(crate) fn connect(address: SocketAddr) -> Result<Self, Errno> {
        let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
        let fd = socket_with(family, SocketType::STREAM, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC, None)?;
        sockopt::set_tcp_nodelay(&fd, true)?;
        sockopt::set_socket_keepalive(&fd, true)?;
        sockopt::set_tcp_keepidle(&fd, KEEPALIVE_IDLE)?;
        sockopt::set_tcp_keepintvl(&fd, KEEPALIVE_INTERVAL)?;
        sockopt::set_tcp_keepcnt(&fd, KEEPALIVE_PROBES)?;
        let is_connecting = match connect(&fd, &address) {
            Ok(()) => false,
            Err(Errno::INPROGRESS) => true,
            Err(errno) => return Err(errno),
        };
        Ok(Self { readable: false, writable: !is_connecting, is_connecting, ..Self::connected(fd) })
    }

    /// Record an edge.
    pub(crate) fn note(&mut self, ready: Ready) {
        self.readable |= ready.readable || ready.ended;
        self.writable |= ready.writable || ready.ended;
        self.ended |= ready.ended;
    }

    /// Return whether the connection is not made yet.
    pub(crate) fn is_connecting(&self) -> bool {
        self.is_connecting
    }

    /// Return the outcome of the connection once it is known.
    pub(crate) fn finish_connecting(&mut self) -> Option<Result<(), Errno>> {
        if !self.is_connecting || !self.writable {
            return None;
        }
        self.is_connecting = false;
        Some(sockopt::socket_error(&self.fd).and_then(|outcome| outcome))
    }

    /// Return whether reading may give something.
    pub(crate) fn is_readable(&self) -> bool {
        self.readable && !self.is_connecting
    }

    /// Read into two buffers.
    pub(crate) fn read(&mut self, space: (&mut [u8], &mut [u8])) -> Read {
        let room = space.0.len() + space.1.len();
        let (first, second) = space;
        let mut slices = [IoSliceMut::new(&mut *first), IoSliceMut::new(&mut *second)];
        match rustix::io::readv(&self.fd, &mut slices) {
            Ok(0) if room > 0 => Read::End,
            Ok(count) => {
                // A short read has emptied the buffer; the end of the stream needs another read.
                self.readable = count == room || self.ended;
                let Some(framing) = &mut self.framing else { return Read::Bytes(count) };
                let in_first = count.min(first.len());
                let taken = framing.take(&first[..in_first]).and_then(|taken| {
                    let more = framing.take(&second[..count - in_first])?;
                    Ok(taken + more)
                });
                taken.map_or(Read::Broken, Read::Bytes)
            }
            Err(Errno::AGAIN) => {
                self.readable = false;
                Read::Wait
            }
            Err(Errno::INTR) => Read::Bytes(0),
            Err(_) => Read::Broken,
        }
    }

    /// Write the parts, as far as the descriptor takes them.
    ///
    /// # Errors
    /// The stream is broken.
    pub(crate) fn write(&mut self, parts: &[IoSlice<'_>]) -> Result<usize, Errno> {
        if !self.writable || self.is_connecting {
            return Ok(0);
        }
        match sendmsg(&self.fd, parts, &mut SendAncillaryBuffer::default(), SendFlags::NOSIGNAL | SendFlags::DONTWAIT) {
            Ok(count) => {
                self.writable = count == parts.iter().map(|part| part.len()).sum::<usize>();
                Ok(count)
            }
            Err(Errno::AGAIN) => {
                self.writable = false;
                Ok(0)
            }
            Err(Errno::INTR) => Ok(0),
            Err(errno) => Err(errno),
        }
    }

    /// Close the direction to the other side.
    pub(crate) fn shut_down(&self) {
        // A connection that has broken meanwhile shows that when it is read.
        let _ = shutdown(&self.fd, Shutdown::Write);
    }

    /// Close the stream so that the other side sees a reset, where the kind of stream has one.
    pub(crate) fn reset(self) {
        let _ = sockopt::set_socket_linger(&self.fd, Some(Duration::ZERO));
    }
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Return a pair of connected sockets that keep the bounds of messages: the stack's, which never waits, and the other
/// side's.
///
/// # Errors
/// That of socketpair(2).
pub(crate) fn message_pair() -> io::Result<(OwnedFd, OwnedFd)> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    Ok(rustix::net::socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?)
}

/// Return a pair of connected stream descriptors: the stack's, which never waits, and the other side's.
///
/// # Errors
/// That of socketpair(2).
pub(crate) fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    Ok(rustix::net::socketpair(AddressFamily::UNIX, SocketType::STREAM, flags, None)?)
}
