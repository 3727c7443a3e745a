//! A batch of received datagrams.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd};
use std::ptr;

use proto::endpoint::Endpoint;
use rustix::io::Errno;

use super::BATCH;
use super::address::{ADDRESS_BYTES, Address};
use super::pktinfo::Control;
use super::socket::{Socket, last_errno};

/// Room for one datagram: more than UDP can carry, so that none is cut off.
const SLOT_BYTES: usize = 1 << 16;
/// Errors that other datagrams left on the socket (ICMP) and that one call passes over.
const ERRORS_PASSED: usize = 16;

/// Room for [`BATCH`] datagrams, reserved once. Only pages that were written to count as memory used: 4 KiB per slot
/// as long as no datagram is larger.
pub struct Inbox {
    storage: Vec<u8>,
    slot_bytes: usize,
    addresses: Vec<Address>,
    controls: Vec<Control>,
    arrivals: Vec<Arrival>,
}

/// What came into one slot.
#[derive(Clone, Copy)]
struct Arrival {
    /// `None` for what is to be dropped: cut off, or from no IP address.
    from: Option<Endpoint>,
    len: usize,
}

impl Default for Inbox {
    fn default() -> Self {
        Self::new()
    }
}

impl Inbox {
    /// An empty batch.
    #[must_use]
    pub fn new() -> Self {
        Self::with_slots(SLOT_BYTES)
    }

    fn with_slots(slot_bytes: usize) -> Self {
        Self {
            storage: vec![0; slot_bytes * BATCH],
            slot_bytes,
            addresses: vec![Address::default(); BATCH],
            controls: vec![Control::EMPTY; BATCH],
            arrivals: Vec::with_capacity(BATCH),
        }
    }

    /// Takes up to [`BATCH`] datagrams from the socket without waiting, in place of the last batch. Returns how many
    /// there were: 0 when there are none, [`BATCH`] when there may be more.
    ///
    /// # Errors
    /// Only what makes the socket useless (EBADF, ENOTSOCK and the like); errors of single datagrams are passed over.
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

    /// The datagrams of the batch in the order in which they came.
    pub fn datagrams(&mut self) -> impl Iterator<Item = (Endpoint, &mut [u8])> {
        self.storage
            .chunks_exact_mut(self.slot_bytes)
            .zip(&self.arrivals)
            .filter_map(|(slot, arrival)| Some((arrival.from?, &mut slot[..arrival.len])))
    }

    fn fill(&mut self, socket: &Socket) -> rustix::io::Result<usize> {
        let mut parts = [libc::iovec { iov_base: ptr::null_mut(), iov_len: 0 }; BATCH];
        let mut messages = [const { MaybeUninit::<libc::mmsghdr>::zeroed() }; BATCH];
        let slots = self.storage.chunks_exact_mut(self.slot_bytes).zip(&mut self.addresses).zip(&mut self.controls);
        for (((slot, address), control), (part, message)) in slots.zip(parts.iter_mut().zip(&mut messages)) {
            *part = libc::iovec { iov_base: slot.as_mut_ptr().cast(), iov_len: slot.len() };
            // SAFETY: all zero is a valid `mmsghdr`: null pointers and lengths of zero.
            let header = unsafe { &mut message.assume_init_mut().msg_hdr };
            header.msg_name = address.bytes.as_mut_ptr().cast();
            header.msg_namelen = ADDRESS_BYTES as libc::socklen_t;
            header.msg_iov = part;
            header.msg_iovlen = 1;
            header.msg_control = control.bytes.as_mut_ptr().cast();
            header.msg_controllen = control.bytes.len() as _;
        }
        // SAFETY: the first BATCH headers are initialised, each points to one slot, one address and one control buffer
        // of its own with their true lengths, and all of them outlive the call, during which nothing else touches them.
        let count = unsafe {
            libc::recvmmsg(
                socket.as_fd().as_raw_fd(),
                messages.as_mut_ptr().cast(),
                BATCH as libc::c_uint,
                libc::MSG_DONTWAIT as _,
                ptr::null_mut(),
            )
        };
        let count = usize::try_from(count).map_err(|_| last_errno())?;
        for (message, (address, control)) in
            messages[..count].iter().zip(self.addresses.iter_mut().zip(&mut self.controls))
        {
            // SAFETY: initialised above.
            let message = unsafe { message.assume_init_ref() };
            address.len = message.msg_hdr.msg_namelen;
            #[allow(clippy::unnecessary_cast, reason = "its type differs between C libraries")]
            let control_len = message.msg_hdr.msg_controllen as usize;
            control.len = control_len;
            let whole = message.msg_hdr.msg_flags & libc::MSG_TRUNC == 0;
            let from = if whole { endpoint(address, control) } else { None };
            self.arrivals.push(Arrival { from, len: message.msg_len as usize });
        }
        Ok(count)
    }
}

fn endpoint(address: &Address, control: &Control) -> Option<Endpoint> {
    Some(Endpoint { remote: address.parse()?, local: control.parse_local() })
}

#[cfg(test)]
mod tests {
    use super::super::{Family, Sockets};
    use super::*;
    use std::net::UdpSocket;

    #[test]
    fn what_was_cut_off_is_dropped() {
        let sockets = Sockets::bind(0, 0).unwrap();
        let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
        for len in [100, 101, 99] {
            sender.send_to(&vec![7; len], ("127.0.0.1", sockets.port())).unwrap();
        }
        let mut inbox = Inbox::with_slots(100);
        assert_eq!(inbox.receive(sockets.of(Family::V4).unwrap()).unwrap(), 3);
        assert_eq!(inbox.datagrams().map(|(_, datagram)| datagram.len()).collect::<Vec<_>>(), [100, 99]);
    }
}
