//! A batch of received datagrams; those that the kernel coalesced (UDP_GRO) stay together.

use std::io;
use std::os::fd::AsFd;

use proto::endpoint::Endpoint;
use rustix::io::Errno;

use super::address::Address;
use super::control::{CONTROL_BYTES, Control};
use super::slots::{MAX_MESSAGES, Message, Slots};
use super::socket::Socket;

/// Errors of other datagrams queued on the socket (ICMP) that one call skips.
const ERRORS_PASSED: usize = 16;

/// Space for [`MAX_MESSAGES`] GRO batches, reserved once. Only pages that were written count as memory used.
pub struct Inbox {
    slots: Slots<CONTROL_BYTES>,
    arrivals: Vec<Arrival>,
}

/// Datagrams of one sender, stored consecutively in the batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrival {
    /// The sender.
    pub from: Endpoint,
    /// The position of the first datagram.
    pub start: usize,
    /// Octets of all datagrams.
    pub len: usize,
    /// Octets of each datagram except the last, which may be shorter.
    pub stride: usize,
}

impl Default for Inbox {
    fn default() -> Self {
        Self::new()
    }
}

impl Inbox {
    /// Return an empty batch.
    #[must_use]
    pub fn new() -> Self {
        Self { slots: Slots::new(), arrivals: Vec::with_capacity(MAX_MESSAGES) }
    }

    /// Receive up to [`MAX_MESSAGES`] messages from the socket without waiting, and replace the last batch. Return
    /// their number: 0 when there are none, [`MAX_MESSAGES`] when there may be more.
    ///
    /// # Errors
    /// Only those that make the socket unusable (EBADF, ENOTSOCK and the like); errors of single datagrams are skipped.
    pub fn receive(&mut self, socket: &Socket) -> io::Result<usize> {
        self.arrivals.clear();
        for _ in 0..ERRORS_PASSED {
            match self.fill(socket) {
                Ok(count) => return Ok(count),
                Err(Errno::AGAIN | Errno::NOMEM | Errno::NOBUFS) => break,
                Err(errno @ (Errno::BADF | Errno::NOTSOCK | Errno::FAULT | Errno::INVAL)) => return Err(errno.into()),
                Err(_) => {}
            }
        }
        Ok(0)
    }

    /// Return the batch in order of arrival, and the octets that store it.
    pub fn take(&mut self) -> (&[Arrival], &mut [u8]) {
        (&self.arrivals, &mut self.slots.storage)
    }

    /// Return the datagrams of the batch one by one.
    pub fn datagrams(&mut self) -> impl Iterator<Item = (Endpoint, &mut [u8])> {
        let mut storage = self.slots.storage.as_mut_slice();
        let mut offset = 0;
        self.arrivals.iter().flat_map(move |arrival| {
            let (_, rest) = std::mem::take(&mut storage).split_at_mut(arrival.start - offset);
            let (batch, rest) = rest.split_at_mut(arrival.len);
            (storage, offset) = (rest, arrival.start + arrival.len);
            batch.chunks_mut(arrival.stride.max(1)).map(|datagram| (arrival.from, datagram))
        })
    }

    fn fill(&mut self, socket: &Socket) -> rustix::io::Result<usize> {
        let Self { slots, arrivals } = self;
        slots.receive(socket.as_fd(), |&Message { start, len, is_whole, address, control }| {
            // A truncated message, or one from no IP address, is skipped.
            if let Some(from) = endpoint(address, control).filter(|_| is_whole && len > 0) {
                arrivals.push(Arrival { from, start, len, stride: control.parse_stride().unwrap_or(len) });
            }
        })
    }
}

fn endpoint(address: &Address, control: &Control) -> Option<Endpoint> {
    Some(Endpoint { remote: address.parse()?, local: control.parse_local() })
}
