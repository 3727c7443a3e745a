//! A batch of datagrams to be sent, in trains: equally long ones to one endpoint, which the kernel takes as one and cuts
//! (UDP_SEGMENT).

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

/// Room for all datagrams of a batch: four packets of 64 KiB from the TUN and their overhead stay in the second-level
/// cache between being written and being sent.
const STORAGE_BYTES: usize = 288 << 10;
/// Datagrams that the kernel cuts out of one train at most (UDP_MAX_SEGMENTS).
const TRAIN_DATAGRAMS: usize = 64;
/// Octets of a train at most: what one IPv4 datagram could carry.
const TRAIN_BYTES: usize = 65_507;
/// Trains handed over in one call.
const CALL: usize = 64;
/// How long one flush waits for room in a socket's buffer. Longer would hold up what comes in; what is dropped then
/// is sent again by those who care, as on any full link.
const PATIENCE: Timespec = Timespec { tv_sec: 0, tv_nsec: 10_000_000 };

/// Datagrams by owner, who is told when the source address of their endpoint is of no more use. Write into
/// [`Outbox::room`], have each train sealed by [`Outbox::prepare`], then [`Outbox::flush`]. What was sealed is sent as
/// it is, again only after a refusal, and never changed.
pub struct Outbox<Owner> {
    storage: Vec<u8>,
    used: usize,
    trains: Vec<Train<Owner>>,
    segmentation: Result<(), String>,
    limits: Limits<Owner>,
}

#[derive(Clone, Copy)]
struct Train<Owner> {
    owner: Owner,
    to: Endpoint,
    start: usize,
    len: usize,
    /// Octets of each datagram but the last.
    stride: usize,
    /// Nothing may follow: the last one is shorter, or it has all it can have.
    complete: bool,
}

/// What a call of the kernel needs of a train.
#[derive(Clone, Copy)]
struct Parcel {
    address: Address,
    control: Control,
}

/// What became of the source address that an endpoint asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The datagram left from it, or none was asked for.
    Kept,
    /// It is no longer usable; the datagram left from an address that routing chose. Forget it.
    Lost,
}

/// What became of one batch.
#[derive(Debug, Default)]
pub struct SendReport {
    /// Datagrams handed to the kernel.
    pub sent: usize,
    /// Datagrams that the kernel refused; they are dropped.
    pub failed: usize,
    /// Why the first of them was.
    pub first_error: Option<io::Error>,
}

impl SendReport {
    fn fail(&mut self, count: usize, errno: Errno) {
        self.failed += count;
        self.first_error.get_or_insert_with(|| errno.into());
    }
}

impl<Owner> Train<Owner> {
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
    /// An empty batch.
    #[must_use]
    pub fn new() -> Self {
        Self {
            storage: vec![0; STORAGE_BYTES],
            used: 0,
            trains: Vec::with_capacity(STORAGE_BYTES / 64),
            segmentation: Ok(()),
            limits: Limits::new(),
        }
    }

    /// True if nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.trains.is_empty()
    }

    /// Whether trains are sent as one; an error says why each datagram is sent by itself, be it those of one owner.
    ///
    /// # Errors
    /// What the kernel said.
    pub fn segmentation(&self) -> Result<(), String> {
        self.segmentation.clone()?;
        self.limits.reason().map_or(Ok(()), Err)
    }

    /// Sends trains as one, or not, as the sockets of now can.
    pub fn set_segmentation(&mut self, segmentation: Result<(), String>) {
        self.segmentation = segmentation;
        self.limits.clear();
    }

    /// Lets long trains be tried again where they were refused: routes change, and so do owners.
    pub fn expire_limits(&mut self) {
        self.limits.doubt();
    }

    /// Octets of the batch.
    #[must_use]
    pub fn len(&self) -> usize {
        self.used
    }

    /// Whether datagrams of this length together still fit into the batch.
    pub fn has_room(&self, len: usize) -> bool {
        self.used + len <= self.storage.len()
    }

    /// Room for one more datagram; `None` when the batch is full and must be flushed.
    pub fn room(&mut self, owner: Owner, to: Endpoint, len: usize) -> Option<&mut [u8]> {
        let range = self.used..self.used + len;
        let room = self.storage.get_mut(range.clone())?;
        match self.trains.last_mut().filter(|train| !train.complete && train.owner == owner && train.to == to) {
            Some(train) if len <= train.stride && train.len + len <= TRAIN_BYTES => {
                train.len += len;
                train.complete = len < train.stride || train.len / train.stride >= TRAIN_DATAGRAMS;
            }
            _ => {
                let alone = self.segmentation.is_err() || self.limits.forbid(owner, len);
                self.trains.push(Train { owner, to, start: range.start, len, stride: len, complete: alone });
            }
        }
        self.used = range.end;
        Some(room)
    }

    /// Calls `seal` with each train and the length of its datagrams; trains for which it is false are not sent.
    pub fn prepare(&mut self, mut seal: impl FnMut(Owner, &mut [u8], usize) -> bool) {
        let storage = &mut self.storage;
        self.trains.retain(|train| seal(train.owner, &mut storage[train.range()], train.stride));
    }

    /// Drops the batch.
    pub fn clear(&mut self) {
        self.trains.clear();
        self.used = 0;
    }

    /// Sends the batch in order and empties it. A full socket is waited for once, for at most 10 ms; what is refused
    /// even singly is dropped and the rest goes on; what is refused for its source address is sent without it, and
    /// `lost_source` is told the owner.
    pub fn flush(&mut self, sockets: &Sockets, mut lost_source: impl FnMut(Owner)) -> SendReport {
        let mut report = SendReport::default();
        let mut may_wait = true;
        let trains = std::mem::take(&mut self.trains);
        let mut rest = trains.as_slice();
        while let Some(first) = rest.first() {
            let family = Family::of(first.to.remote.ip());
            let run = rest.iter().take_while(|train| Family::of(train.to.remote.ip()) == family).count();
            let (now, later) = rest.split_at(run);
            match sockets.of(family) {
                Some(socket) => self.send_run(socket, now, &mut may_wait, &mut report, &mut lost_source),
                None => report.fail(now.iter().map(Train::datagrams).sum(), Errno::AFNOSUPPORT),
            }
            rest = later;
        }
        self.trains = trains;
        self.clear();
        report
    }

    fn send_run(
        &mut self,
        socket: &Socket,
        mut trains: &[Train<Owner>],
        may_wait: &mut bool,
        report: &mut SendReport,
        lost_source: &mut impl FnMut(Owner),
    ) {
        while let Some(first) = trains.first() {
            let queued = trains.iter().map(|train| (Parcel::of(train), &self.storage[train.range()]));
            match transmit(socket, queued) {
                Ok(count) => {
                    let (passed, rest) = trains.split_at(count);
                    report.sent += passed.iter().map(Train::datagrams).sum::<usize>();
                    passed.iter().filter(|train| !train.is_single()).for_each(|train| {
                        self.limits.passed(train.owner, train.stride);
                    });
                    trains = rest;
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) if std::mem::take(may_wait) => wait_for_room(socket),
                Err(errno @ Errno::AGAIN) => {
                    return report.fail(trains.iter().map(Train::datagrams).sum(), errno);
                }
                Err(errno) => {
                    self.send_refused(socket, first, errno, report, lost_source);
                    trains = &trains[1..];
                }
            }
        }
    }

    /// A train was refused: for its source address, for being a train, or for good.
    fn send_refused(
        &mut self,
        socket: &Socket,
        train: &Train<Owner>,
        refusal: Errno,
        report: &mut SendReport,
        lost_source: &mut impl FnMut(Owner),
    ) {
        let mut source = true;
        let mut taken = 0;
        for datagram in self.storage[train.range()].chunks(train.stride) {
            let mut errno = refusal;
            // Without a source to do without, or a train to take apart, the refusal stands.
            let tries = [(source && !train.is_single(), true), (train.to.local.is_some(), false)];
            let sent = tries.into_iter().any(|(worth, with_source)| {
                let result = worth.then(|| send_alone(socket, train.to, datagram, with_source));
                errno = result.and_then(Result::err).unwrap_or(errno);
                let sent = matches!(result, Some(Ok(())));
                source &= !sent || with_source;
                sent
            });
            if sent { taken += 1 } else { report.fail(1, errno) }
        }
        report.sent += taken;
        if taken > 0 && !source {
            lost_source(train.owner);
        } else if taken > 0 {
            self.blame_segmentation(train, refusal);
        }
    }

    /// The datagrams of a train went singly: the device cannot checksum them (EIO, for all), or they are too long for
    /// the route to this owner (EINVAL, EMSGSIZE).
    fn blame_segmentation(&mut self, train: &Train<Owner>, refusal: Errno) {
        match refusal {
            Errno::IO => self.segmentation = Err(format!("UDP_SEGMENT rejected: {refusal}")),
            Errno::INVAL | Errno::MSGSIZE => self.limits.refused(train.owner, train.stride, refusal),
            _ => {}
        }
    }
}

impl Sockets {
    /// Waits until the socket of `to` has room, at most 10 ms.
    pub fn wait_for_room(&self, to: Endpoint) {
        if let Some(socket) = self.of(Family::of(to.remote.ip())) {
            wait_for_room(socket);
        }
    }

    /// Sends one datagram at once, without waiting: for handshakes, which are few.
    ///
    /// # Errors
    /// What the kernel refused it for; the datagram is dropped.
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
    transmit(socket, std::iter::once((Parcel::to(to), datagram))).map(|_| ())
}

impl Parcel {
    fn to(to: Endpoint) -> Self {
        let source = to.local.filter(|local| local.address.is_ipv4() == to.remote.is_ipv4());
        Self { address: to.remote.into(), control: source.map_or(Control::EMPTY, Control::from_source) }
    }

    fn of<Owner>(train: &Train<Owner>) -> Self {
        let mut parcel = Self::to(train.to);
        if !train.is_single() {
            parcel.control.segment(train.stride);
        }
        parcel
    }
}

/// Hands trains to the kernel, at most [`CALL`], and returns how many it took; the error is that of the first.
fn transmit<'a>(socket: &Socket, queued: impl Iterator<Item = (Parcel, &'a [u8])>) -> rustix::io::Result<usize> {
    let mut parcels = [const { MaybeUninit::<Parcel>::uninit() }; CALL];
    let mut parts = [const { MaybeUninit::<libc::iovec>::uninit() }; CALL];
    let mut messages = [const { MaybeUninit::<libc::mmsghdr>::uninit() }; CALL];
    let mut count = 0;
    let places = parcels.iter_mut().zip(&mut parts).zip(&mut messages);
    for (((parcel, part), message), (what, octets)) in places.zip(queued) {
        let parcel = parcel.write(what);
        let part = part.write(libc::iovec { iov_base: octets.as_ptr().cast_mut().cast(), iov_len: octets.len() });
        // SAFETY: all zero is a valid `mmsghdr`: null pointers and lengths of zero.
        let header = &mut message.write(unsafe { std::mem::zeroed() }).msg_hdr;
        header.msg_name = parcel.address.bytes.as_mut_ptr().cast();
        header.msg_namelen = parcel.address.len;
        header.msg_iov = part;
        header.msg_iovlen = 1;
        if parcel.control.len > 0 {
            header.msg_control = parcel.control.bytes.as_mut_ptr().cast();
            header.msg_controllen = parcel.control.len as _;
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
