//! The transmit queue: datagrams of equal size to one endpoint form a GSO batch, which the kernel takes as one message
//! and segments (UDP_SEGMENT).

use std::hash::Hash;
use std::io;
use std::mem::MaybeUninit;
use std::ops::Range;
use std::os::fd::{AsFd, AsRawFd};

use proto::endpoint::Endpoint;
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::Errno;

use super::address::Address;
use super::control::Control;
use super::limits::Limits;
use super::socket::{Family, Socket, Sockets, last_errno};

/// Space for all queued datagrams: four packets of 64 KiB from the TUN and their overhead stay in the second-level
/// cache between being written and being sent.
const STORAGE_BYTES: usize = 288 << 10;
/// The most datagrams that the kernel segments a batch into (UDP_MAX_SEGMENTS).
const MAX_BATCH_DATAGRAMS: usize = 64;
/// The most octets of a batch: what one IPv4 datagram could carry.
const MAX_BATCH_BYTES: usize = 65_507;
/// Batches passed to the kernel in one call.
const MAX_BATCHES_PER_CALL: usize = 64;
/// How long one flush waits for space in a socket's buffer. A longer wait would delay received packets; what is dropped
/// is retransmitted by the upper layers, as on any congested link.
const SOCKET_TIMEOUT: Timespec = Timespec { tv_sec: 0, tv_nsec: 10_000_000 };

/// Datagrams by owner. The owner is notified when the source address of its endpoint is no longer usable. Write into
/// [`Outbox::room`], seal each batch in [`Outbox::prepare`], then call [`Outbox::flush`]. Sealed octets are never
/// changed; they are sent again only after an error.
pub struct Outbox<Owner> {
    storage: Vec<u8>,
    used: usize,
    batches: Vec<Batch<Owner>>,
    segmentation: Result<(), String>,
    limits: Limits<Owner>,
}

#[derive(Clone, Copy)]
struct Batch<Owner> {
    owner: Owner,
    to: Endpoint,
    start: usize,
    len: usize,
    /// Octets of each datagram except the last.
    stride: usize,
    /// Nothing can be appended: the last datagram is shorter, or the batch has its maximum size.
    complete: bool,
}

/// The parts of a message for the kernel.
#[derive(Clone, Copy)]
struct MessageFields {
    address: Address,
    control: Control,
}

/// Whether the source address of an endpoint is still usable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The datagram was sent from it, or none was requested.
    Kept,
    /// It is not usable any more; the datagram was sent from an address that routing selected. Forget it.
    Lost,
}

/// The result of one flush.
#[derive(Debug, Default)]
pub struct SendReport {
    /// Datagrams accepted by the kernel.
    pub sent: usize,
    /// Datagrams rejected by the kernel; they are dropped.
    pub failed: usize,
    /// The error of the first of them.
    pub first_error: Option<io::Error>,
}

impl SendReport {
    fn fail(&mut self, count: usize, errno: Errno) {
        self.failed += count;
        self.first_error.get_or_insert_with(|| errno.into());
    }
}

impl<Owner> Batch<Owner> {
    fn range(&self) -> Range<usize> {
        self.start..self.start + self.len
    }

    fn datagrams(&self) -> usize {
        self.len.div_ceil(self.stride)
    }

    fn is_single(&self) -> bool {
        self.len <= self.stride
    }
}

impl<Owner: Copy + Eq + Hash> Default for Outbox<Owner> {
    fn default() -> Self {
        Self::new()
    }
}

impl<Owner: Copy + Eq + Hash> Outbox<Owner> {
    /// Return an empty queue.
    #[must_use]
    pub fn new() -> Self {
        Self {
            storage: vec![0; STORAGE_BYTES],
            used: 0,
            batches: Vec::with_capacity(STORAGE_BYTES / 64),
            segmentation: Ok(()),
            limits: Limits::new(),
        }
    }

    /// Return whether the queue is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.batches.is_empty()
    }

    /// Return whether batches are sent as one message; an error is the reason why datagrams are sent one by one, for
    /// all owners or for some.
    ///
    /// # Errors
    /// The error of the kernel.
    pub fn segmentation(&self) -> Result<(), String> {
        self.segmentation.clone()?;
        self.limits.reason().map_or(Ok(()), Err)
    }

    /// Enable or disable batches, as the current sockets support them.
    pub fn set_segmentation(&mut self, segmentation: Result<(), String>) {
        self.segmentation = segmentation;
        self.limits.clear();
    }

    /// Allow a retry of batches that were rejected, since routes and owners change.
    pub fn expire_limits(&mut self) {
        self.limits.expire();
    }

    /// Return the octets in the queue.
    #[must_use]
    pub fn len(&self) -> usize {
        self.used
    }

    /// Return whether datagrams of this total length still fit into the queue.
    pub fn has_room(&self, len: usize) -> bool {
        self.used + len <= self.storage.len()
    }

    /// Return space for one more datagram; `None` when the queue is full and must be flushed.
    pub fn room(&mut self, owner: Owner, to: Endpoint, len: usize) -> Option<&mut [u8]> {
        let range = self.used..self.used + len;
        let room = self.storage.get_mut(range.clone())?;
        match self.batches.last_mut().filter(|batch| !batch.complete && batch.owner == owner && batch.to == to) {
            Some(batch) if len <= batch.stride && batch.len + len <= MAX_BATCH_BYTES => {
                batch.len += len;
                batch.complete = len < batch.stride || batch.len / batch.stride >= MAX_BATCH_DATAGRAMS;
            }
            _ => {
                let alone = self.segmentation.is_err() || self.limits.forbids(owner, len);
                self.batches.push(Batch { owner, to, start: range.start, len, stride: len, complete: alone });
            }
        }
        self.used = range.end;
        Some(room)
    }

    /// Call `seal` with each batch and the size of its datagrams; batches for which it returns false are not sent.
    pub fn prepare(&mut self, mut seal: impl FnMut(Owner, &mut [u8], usize) -> bool) {
        let storage = &mut self.storage;
        self.batches.retain(|batch| seal(batch.owner, &mut storage[batch.range()], batch.stride));
    }

    /// Drop all queued datagrams.
    pub fn clear(&mut self) {
        self.batches.clear();
        self.used = 0;
    }

    /// Send the queued datagrams in order and empty the queue. A full socket is waited for once, for at most 10 ms. A
    /// datagram that is rejected alone too is dropped, and the rest is sent. One that is rejected for its source
    /// address is sent without it, and `lost_source` is called with its owner.
    pub fn flush(&mut self, sockets: &Sockets, mut lost_source: impl FnMut(Owner)) -> SendReport {
        let mut report = SendReport::default();
        let mut may_wait = true;
        let batches = std::mem::take(&mut self.batches);
        let mut rest = batches.as_slice();
        while let Some(first) = rest.first() {
            let family = Family::of(first.to.remote.ip());
            let run = rest.iter().take_while(|batch| Family::of(batch.to.remote.ip()) == family).count();
            let (now, later) = rest.split_at(run);
            match sockets.of(family) {
                Some(socket) => self.send_run(socket, now, &mut may_wait, &mut report, &mut lost_source),
                None => report.fail(now.iter().map(Batch::datagrams).sum(), Errno::AFNOSUPPORT),
            }
            rest = later;
        }
        self.batches = batches;
        self.clear();
        report
    }

    fn send_run(
        &mut self,
        socket: &Socket,
        mut batches: &[Batch<Owner>],
        may_wait: &mut bool,
        report: &mut SendReport,
        lost_source: &mut impl FnMut(Owner),
    ) {
        while let Some(first) = batches.first() {
            let queued = batches.iter().map(|batch| (MessageFields::of(batch), &self.storage[batch.range()]));
            match transmit(socket, queued) {
                Ok(count) => {
                    let (passed, rest) = batches.split_at(count);
                    report.sent += passed.iter().map(Batch::datagrams).sum::<usize>();
                    passed.iter().filter(|batch| !batch.is_single()).for_each(|batch| {
                        self.limits.passed(batch.owner, batch.stride);
                    });
                    batches = rest;
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) if std::mem::take(may_wait) => wait_for_room(socket),
                Err(errno @ Errno::AGAIN) => {
                    return report.fail(batches.iter().map(Batch::datagrams).sum(), errno);
                }
                Err(errno) => {
                    self.send_refused(socket, first, errno, report, lost_source);
                    batches = &batches[1..];
                }
            }
        }
    }

    /// Send the datagrams of a rejected batch one by one, with and without their source address.
    fn send_refused(
        &mut self,
        socket: &Socket,
        batch: &Batch<Owner>,
        refusal: Errno,
        report: &mut SendReport,
        lost_source: &mut impl FnMut(Owner),
    ) {
        let mut source = true;
        let mut taken = 0;
        for datagram in self.storage[batch.range()].chunks(batch.stride) {
            let mut errno = refusal;
            // With no source address to omit and no batch to split, the error is final.
            let tries = [(source && !batch.is_single(), true), (batch.to.local.is_some(), false)];
            let sent = tries.into_iter().any(|(worth, with_source)| {
                let result = worth.then(|| send_alone(socket, batch.to, datagram, with_source));
                errno = result.and_then(Result::err).unwrap_or(errno);
                let sent = matches!(result, Some(Ok(())));
                source &= !sent || with_source;
                sent
            });
            if sent { taken += 1 } else { report.fail(1, errno) }
        }
        report.sent += taken;
        if taken > 0 && !source {
            lost_source(batch.owner);
        } else if taken > 0 {
            self.record_rejection(batch, refusal);
        }
    }

    /// Record why the datagrams of a batch passed only one by one: the device cannot checksum them (EIO, for all
    /// owners), or they are too large for the route to this owner (EINVAL, EMSGSIZE).
    fn record_rejection(&mut self, batch: &Batch<Owner>, refusal: Errno) {
        match refusal {
            Errno::IO => self.segmentation = Err(format!("UDP_SEGMENT rejected: {refusal}")),
            Errno::INVAL | Errno::MSGSIZE => self.limits.rejected(batch.owner, batch.stride, refusal),
            _ => {}
        }
    }
}

impl Sockets {
    /// Wait until the socket for `to` has space, at most 10 ms.
    pub fn wait_for_room(&self, to: Endpoint) {
        if let Some(socket) = self.of(Family::of(to.remote.ip())) {
            wait_for_room(socket);
        }
    }

    /// Send one datagram immediately and with DF, so that it arrives whole or not at all. Return false if it is larger
    /// than the MTU of the link; one that is not sent for another reason counts as lost on the way.
    pub fn send_unfragmented(&self, to: Endpoint, datagram: &[u8]) -> bool {
        let family = Family::of(to.remote.ip());
        let Some(socket) = self.of(family) else { return true };
        if socket.set_unfragmented(family, true).is_err() {
            return true;
        }
        let sent = send_alone(socket, to, datagram, true);
        // The option has just been set to the other value, so this cannot fail.
        let _ = socket.set_unfragmented(family, false);
        sent != Err(Errno::MSGSIZE)
    }

    /// Send one datagram immediately, without waiting: for handshakes, which are few.
    ///
    /// # Errors
    /// The error of the kernel; the datagram is dropped.
    pub fn send_one(&self, to: Endpoint, datagram: &[u8]) -> io::Result<Source> {
        let socket = self.of(Family::of(to.remote.ip())).ok_or(Errno::AFNOSUPPORT)?;
        match send_alone(socket, to, datagram, true) {
            Ok(()) => Ok(Source::Kept),
            Err(errno) if errno == Errno::AGAIN || to.local.is_none() => Err(errno.into()),
            Err(_) => Ok(send_alone(socket, to, datagram, false).map(|()| Source::Lost)?),
        }
    }
}

fn send_alone(socket: &Socket, to: Endpoint, datagram: &[u8], with_source: bool) -> rustix::io::Result<()> {
    let to = if with_source { to } else { to.remote.into() };
    transmit(socket, std::iter::once((MessageFields::to(to), datagram))).map(|_| ())
}

impl MessageFields {
    fn to(to: Endpoint) -> Self {
        let source = to.local.filter(|local| local.address.is_ipv4() == to.remote.is_ipv4());
        Self { address: to.remote.into(), control: source.map_or(Control::EMPTY, Control::from_source) }
    }

    fn of<Owner>(batch: &Batch<Owner>) -> Self {
        let mut message = Self::to(batch.to);
        if !batch.is_single() {
            message.control.segment(batch.stride);
        }
        message
    }
}

/// Pass batches to the kernel, at most [`MAX_BATCHES_PER_CALL`], and return how many it accepted; the error is that of
/// the first.
fn transmit<'a>(socket: &Socket, queued: impl Iterator<Item = (MessageFields, &'a [u8])>) -> rustix::io::Result<usize> {
    let mut fields = [const { MaybeUninit::<MessageFields>::uninit() }; MAX_BATCHES_PER_CALL];
    let mut parts = [const { MaybeUninit::<libc::iovec>::uninit() }; MAX_BATCHES_PER_CALL];
    let mut messages = [const { MaybeUninit::<libc::mmsghdr>::uninit() }; MAX_BATCHES_PER_CALL];
    let mut count = 0;
    let places = fields.iter_mut().zip(&mut parts).zip(&mut messages);
    for (((fields, part), message), (values, octets)) in places.zip(queued) {
        let fields = fields.write(values);
        let part = part.write(libc::iovec { iov_base: octets.as_ptr().cast_mut().cast(), iov_len: octets.len() });
        // SAFETY: all zero is a valid `mmsghdr`: null pointers and lengths of zero.
        let header = &mut message.write(unsafe { std::mem::zeroed() }).msg_hdr;
        header.msg_name = fields.address.bytes.as_mut_ptr().cast();
        header.msg_namelen = fields.address.len;
        header.msg_iov = part;
        header.msg_iovlen = 1;
        if fields.control.len > 0 {
            header.msg_control = fields.control.bytes.as_mut_ptr().cast();
            header.msg_controllen = fields.control.len as _;
        }
        count += 1;
    }
    // SAFETY: the first `count` headers are initialised, point to octets, addresses and control messages with their
    // true lengths, and all of them outlive the call; sendmmsg writes only to `msg_len` in the headers.
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
    // The result is ignored, since the next attempt to send shows it.
    let _ = rustix::event::poll(&mut [PollFd::new(socket, PollFlags::OUT)], Some(&SOCKET_TIMEOUT));
}
