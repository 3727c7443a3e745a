//! Space for the messages of one recvmmsg(2), reserved once.

use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr;

use super::address::{ADDRESS_BYTES, Address};
use super::control::Control;
use super::socket::last_errno;

/// Messages read in one call. Each is a GRO batch of up to 64 KiB, so that all are at most 1 MiB and processed in about
/// 1.5 ms; nothing else waits longer.
pub const MAX_MESSAGES: usize = 16;
/// Space for one message: more than UDP can carry, so that none is truncated.
const SLOT_BYTES: usize = 1 << 16;

/// Space for [`MAX_MESSAGES`] messages with control messages of `CONTROL` octets. Only pages that were written count as
/// memory used.
pub(super) struct Slots<const CONTROL: usize> {
    pub(super) storage: Vec<u8>,
    addresses: Vec<Address>,
    controls: Vec<Control<CONTROL>>,
}

/// A message that was received.
pub(super) struct Message<'a, const CONTROL: usize> {
    /// Where it begins in the storage, and its octets.
    pub(super) start: usize,
    pub(super) len: usize,
    /// Whether nothing of it is missing.
    pub(super) is_whole: bool,
    pub(super) address: &'a Address,
    pub(super) control: &'a Control<CONTROL>,
}

impl<const CONTROL: usize> Slots<CONTROL> {
    pub(super) fn new() -> Self {
        Self {
            storage: vec![0; SLOT_BYTES * MAX_MESSAGES],
            addresses: vec![Address::default(); MAX_MESSAGES],
            controls: vec![Control::empty(); MAX_MESSAGES],
        }
    }

    /// Receive up to [`MAX_MESSAGES`] messages without waiting, pass each to `take`, and return their number.
    pub(super) fn receive(
        &mut self,
        socket: BorrowedFd<'_>,
        mut take: impl FnMut(&Message<'_, CONTROL>),
    ) -> rustix::io::Result<usize> {
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
                socket.as_raw_fd(),
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
            (address.len, control.len) = lengths(&message.msg_hdr);
            take(&Message {
                start: slot * SLOT_BYTES,
                len: message.msg_len as usize,
                is_whole: message.msg_hdr.msg_flags & libc::MSG_TRUNC == 0,
                address,
                control,
            });
        }
        Ok(count)
    }
}

/// Return the octets of the address and of the control messages that the kernel has written.
pub(super) fn lengths(header: &libc::msghdr) -> (libc::socklen_t, usize) {
    #[allow(clippy::unnecessary_cast, reason = "its type differs between C libraries")]
    let control_len = header.msg_controllen as usize;
    (header.msg_namelen, control_len)
}
