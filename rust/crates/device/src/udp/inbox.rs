//! A batch of received datagrams; those that the kernel coalesced (UDP_GRO) stay together.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd};
use std::ptr;

use proto::endpoint::Endpoint;
use rustix::io::Errno;

use super::address::{ADDRESS_BYTES, Address};
use super::control::Control;
use super::socket::{Socket, last_errno};

/// Messages read in one call. Each is a GRO batch of up to 64 KiB, so that all are at most 1 MiB and processed in about
/// 1.5 ms; nothing else waits longer.
pub const MAX_MESSAGES: usize = 16;

/// Space for one message: more than UDP can carry, so that none is truncated.
const SLOT_BYTES: usize = 1 << 16;
/// Errors of other datagrams queued on the socket (ICMP) that one call skips.
const ERRORS_PASSED: usize = 16;

/// Space for [`MAX_MESSAGES`] GRO batches, reserved once. Only pages that were written count as memory used.
pub struct Inbox {
    storage: Vec<u8>,
    addresses: Vec<Address>,
    controls: Vec<Control>,
    arrivals: Vec<Arrival>,
}

/// Datagrams of one sender, stored consecutively in [`Inbox::storage`].
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
        Self {
            storage: vec![0; SLOT_BYTES * MAX_MESSAGES],
            addresses: vec![Address::default(); MAX_MESSAGES],
            controls: vec![Control::EMPTY; MAX_MESSAGES],
            arrivals: Vec::with_capacity(MAX_MESSAGES),
        }
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
        (&self.arrivals, &mut self.storage)
    }

    /// Return the datagrams of the batch one by one.
    pub fn datagrams(&mut self) -> impl Iterator<Item = (Endpoint, &mut [u8])> {
        let mut storage = self.storage.as_mut_slice();
        let mut offset = 0;
        self.arrivals.iter().flat_map(move |arrival| {
            let (_, rest) = std::mem::take(&mut storage).split_at_mut(arrival.start - offset);
            let (batch, rest) = rest.split_at_mut(arrival.len);
            (storage, offset) = (rest, arrival.start + arrival.len);
            batch.chunks_mut(arrival.stride.max(1)).map(|datagram| (arrival.from, datagram))
        })
    }

    fn fill(&mut self, socket: &Socket) -> rustix::io::Result<usize> {
        let mut parts = [libc::iovec { iov_base: ptr::null_mut(), iov_len: 0 }; MAX_MESSAGES];
        let mut messages = [const { MaybeUninit::<libc::mmsghdr>::zeroed() }; MAX_MESSAGES];
        let slots = self.storage.chunks_exact_mut(SLOT_BYTES).zip(&mut self.addresses).zip(&mut self.controls);
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
        // SAFETY: all headers are initialised, each points to one slot, one address and one control buffer of its own
        // with their true lengths, and all of them outlive the call, during which nothing else accesses them.
        let count = unsafe {
            libc::recvmmsg(
                socket.as_fd().as_raw_fd(),
                messages.as_mut_ptr().cast(),
                MAX_MESSAGES as libc::c_uint,
                libc::MSG_DONTWAIT as _,
                ptr::null_mut(),
            )
        };
        let count = usize::try_from(count).map_err(|_| last_errno())?;
        let slots = self.addresses.iter_mut().zip(&mut self.controls);
        for (slot, (message, (address, control))) in messages[..count].iter().zip(slots).enumerate() {
            // SAFETY: initialised above.
            let message = unsafe { message.assume_init_ref() };
            address.len = message.msg_hdr.msg_namelen;
            #[allow(clippy::unnecessary_cast, reason = "its type differs between C libraries")]
            let control_len = message.msg_hdr.msg_controllen as usize;
            control.len = control_len;
            let whole = message.msg_hdr.msg_flags & libc::MSG_TRUNC == 0;
            let len = message.msg_len as usize;
            // A truncated message, or one from no IP address, is skipped.
            if let Some(from) = endpoint(address, control).filter(|_| whole && len > 0) {
                let stride = control.parse_stride().unwrap_or(len);
                self.arrivals.push(Arrival { from, start: slot * SLOT_BYTES, len, stride });
            }
        }
        Ok(count)
    }
}

fn endpoint(address: &Address, control: &Control) -> Option<Endpoint> {
    Some(Endpoint { remote: address.parse()?, local: control.parse_local() })
}
