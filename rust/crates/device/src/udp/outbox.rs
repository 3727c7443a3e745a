//! A batch of datagrams to be sent.

use std::io;
use std::mem::MaybeUninit;
use std::ops::Range;
use std::os::fd::{AsFd, AsRawFd};

use proto::endpoint::Endpoint;
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::Errno;

use super::BATCH;
use super::address::Address;
use super::pktinfo::Control;
use super::socket::{Family, Socket, Sockets, last_errno};

/// Room for one datagram: a data header (16), the largest packet that a TUN gives (65,535), its padding to 16 (1) and
/// the tag (16), in whole pages, so that no two slots share one for long.
pub const SLOT_BYTES: usize = 17 * 4096;
/// How long one flush waits for room in a socket's buffer. Longer would hold up what comes in; what is dropped then
/// is sent again by those who care, as on any full link.
const PATIENCE: Timespec = Timespec { tv_sec: 0, tv_nsec: 10_000_000 };

/// Room for [`BATCH`] datagrams, reserved once: write into [`Outbox::slot`], [`Outbox::push`] it, and so on, then
/// [`Outbox::flush`]. What was pushed is sent as it is, at most once more after a refusal, and never changed again.
pub struct Outbox {
    storage: Vec<u8>,
    parcels: Vec<Parcel>,
}

/// Where the datagram in a slot goes.
#[derive(Clone, Copy)]
struct Parcel {
    family: Family,
    address: Address,
    source: Control,
    len: usize,
}

/// What became of the source address that an endpoint asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The datagram left from it, or none was asked for.
    Kept,
    /// It is no longer usable; the datagram left from an address that routing chose. Forget it.
    Lost,
}

/// A set of slots of one batch.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Slots(u64);

/// What became of one batch.
#[derive(Debug, Default)]
pub struct SendReport {
    /// Datagrams handed to the kernel.
    pub sent: usize,
    /// Datagrams that the kernel refused; they are dropped.
    pub failed: usize,
    /// Why the first of them was.
    pub first_error: Option<io::Error>,
    /// Sent, but without the source address of their endpoint ([`Source::Lost`]).
    pub lost_source: Slots,
}

const _: () = assert!(BATCH <= u64::BITS as usize, "Slots has a bit for each slot");

impl Slots {
    /// True if there is none.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Their numbers, as [`Outbox::push`] gave them, ascending.
    pub fn iter(self) -> impl Iterator<Item = usize> {
        (0..BATCH).filter(move |slot| self.0 >> slot & 1 == 1)
    }

    fn insert(&mut self, slot: usize) {
        self.0 |= 1 << slot;
    }
}

impl SendReport {
    fn fail(&mut self, count: usize, errno: Errno) {
        self.failed += count;
        self.first_error.get_or_insert_with(|| errno.into());
    }
}

impl Default for Outbox {
    fn default() -> Self {
        Self::new()
    }
}

impl Outbox {
    /// An empty batch.
    #[must_use]
    pub fn new() -> Self {
        Self { storage: vec![0; SLOT_BYTES * BATCH], parcels: Vec::with_capacity(BATCH) }
    }

    /// Datagrams waiting.
    #[must_use]
    pub fn len(&self) -> usize {
        self.parcels.len()
    }

    /// True if none waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.parcels.is_empty()
    }

    /// The next free slot, [`SLOT_BYTES`] long; `None` when the batch is full and must be flushed.
    pub fn slot(&mut self) -> Option<&mut [u8]> {
        self.storage.chunks_exact_mut(SLOT_BYTES).nth(self.parcels.len())
    }

    /// Queues the first `len` octets of the slot last given by [`Outbox::slot`], and returns the number of that slot;
    /// `None` when the batch is full.
    pub fn push(&mut self, to: Endpoint, len: usize) -> Option<usize> {
        let slot = self.parcels.len();
        (slot < BATCH).then(|| {
            self.parcels.push(Parcel::new(to, len.min(SLOT_BYTES)));
            slot
        })
    }

    /// Sends the batch in order and empties it. A full socket is waited for once, for at most 10 ms; a datagram that is
    /// refused is dropped and the rest goes on; one whose source address is refused is sent without it.
    pub fn flush(&mut self, sockets: &Sockets) -> SendReport {
        let mut report = SendReport::default();
        let mut may_wait = true;
        let mut next = 0;
        while let Some(first) = self.parcels.get(next) {
            let family = first.family;
            let run = self.parcels[next..].iter().take_while(|parcel| parcel.family == family).count();
            match sockets.of(family) {
                Some(socket) => self.send_run(socket, next..next + run, &mut may_wait, &mut report),
                None => report.fail(run, Errno::AFNOSUPPORT),
            }
            next += run;
        }
        self.parcels.clear();
        report
    }

    fn send_run(&mut self, socket: &Socket, run: Range<usize>, may_wait: &mut bool, report: &mut SendReport) {
        let Range { start: mut next, end } = run;
        while next < end {
            match transmit(socket, self.queued(next..end)) {
                Ok(count) => {
                    report.sent += count;
                    next += count;
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) if std::mem::take(may_wait) => wait_for_room(socket),
                Err(errno @ Errno::AGAIN) => return report.fail(end - next, errno),
                Err(errno) => {
                    self.send_without_source(socket, next, errno, report);
                    next += 1;
                }
            }
        }
    }

    fn send_without_source(&mut self, socket: &Socket, slot: usize, refusal: Errno, report: &mut SendReport) {
        if !self.parcels[slot].drop_source() {
            return report.fail(1, refusal);
        }
        match transmit(socket, self.queued(slot..slot + 1)) {
            Ok(_) => {
                report.sent += 1;
                report.lost_source.insert(slot);
            }
            Err(errno) => report.fail(1, errno),
        }
    }

    fn queued(&self, slots: Range<usize>) -> impl Iterator<Item = (&Parcel, &[u8])> {
        let contents = self.storage.chunks_exact(SLOT_BYTES).skip(slots.start);
        self.parcels[slots].iter().zip(contents).map(|(parcel, slot)| (parcel, &slot[..parcel.len]))
    }
}

impl Sockets {
    /// Sends one datagram at once, without waiting: for handshakes, which are few.
    ///
    /// # Errors
    /// What the kernel refused it for; the datagram is dropped.
    pub fn send_one(&self, to: Endpoint, datagram: &[u8]) -> io::Result<Source> {
        let mut parcel = Parcel::new(to, datagram.len());
        let socket = self.of(parcel.family).ok_or(Errno::AFNOSUPPORT)?;
        match transmit(socket, std::iter::once((&parcel, datagram))) {
            Ok(_) => Ok(Source::Kept),
            Err(errno @ Errno::AGAIN) => Err(errno.into()),
            Err(errno) if !parcel.drop_source() => Err(errno.into()),
            Err(_) => Ok(transmit(socket, std::iter::once((&parcel, datagram))).map(|_| Source::Lost)?),
        }
    }
}

impl Parcel {
    fn new(to: Endpoint, len: usize) -> Self {
        let source = to.local.filter(|local| local.address.is_ipv4() == to.remote.is_ipv4());
        Self {
            family: Family::of(to.remote.ip()),
            address: to.remote.into(),
            source: source.map_or(Control::EMPTY, Control::from_source),
            len,
        }
    }

    /// False if there was none to drop.
    fn drop_source(&mut self) -> bool {
        std::mem::replace(&mut self.source, Control::EMPTY).len > 0
    }
}

/// Hands datagrams to the kernel, at most [`BATCH`], and returns how many it took; the error is that of the first.
fn transmit<'a>(socket: &Socket, queued: impl Iterator<Item = (&'a Parcel, &'a [u8])>) -> rustix::io::Result<usize> {
    let mut parts = [const { MaybeUninit::<libc::iovec>::uninit() }; BATCH];
    let mut messages = [const { MaybeUninit::<libc::mmsghdr>::uninit() }; BATCH];
    let mut count = 0;
    for ((part, message), (parcel, datagram)) in parts.iter_mut().zip(&mut messages).zip(queued) {
        let part = part.write(libc::iovec { iov_base: datagram.as_ptr().cast_mut().cast(), iov_len: datagram.len() });
        // SAFETY: all zero is a valid `mmsghdr`: null pointers and lengths of zero.
        let header = &mut message.write(unsafe { std::mem::zeroed() }).msg_hdr;
        header.msg_name = parcel.address.bytes.as_ptr().cast_mut().cast();
        header.msg_namelen = parcel.address.len;
        header.msg_iov = part;
        header.msg_iovlen = 1;
        if parcel.source.len > 0 {
            header.msg_control = parcel.source.bytes.as_ptr().cast_mut().cast();
            header.msg_controllen = parcel.source.len as _;
        }
        count += 1;
    }
    // SAFETY: the first `count` headers are initialised, point to octets, addresses and control messages with their true
    // lengths, and all of them outlive the call; sendmmsg writes to nothing but `msg_len` in the headers.
    let sent = unsafe {
        libc::sendmmsg(
            socket.as_fd().as_raw_fd(),
            messages.as_mut_ptr().cast(),
            count,
            (libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL) as _,
        )
    };
    usize::try_from(sent).map_err(|_| last_errno())
}

fn wait_for_room(socket: &Socket) {
    // Whatever poll says, the next attempt tells.
    let _ = rustix::event::poll(&mut [PollFd::new(socket, PollFlags::OUT)], Some(&PATIENCE));
}
