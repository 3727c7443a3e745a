//! One TUN descriptor: IP packets to and from the host, with segmentation offload where the kernel has it
//! (IFF_VNET_HDR).
//!
//! All requests go to the descriptor, none to netlink: a TUN may be moved to another network namespace, where the
//! sockets of this process cannot see it.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use crate::inner::LinkState;
use crate::packet::virtio::{self, Virtio};

const DEVICE: &str = "/dev/net/tun";
/// The most parts of one write: both headers and the segments of one flow.
const PARTS: usize = 66;
/// Octets of a link's name with its terminating zero (IFNAMSIZ).
const NAME_ROOM: usize = libc::IFNAMSIZ;

/// An open TUN; the link is deleted when this is dropped, unless it was made persistent.
#[derive(Debug)]
pub struct Tun {
    fd: OwnedFd,
    /// Whether a virtio header precedes each packet.
    virtio: bool,
    offloads: Offloads,
}

/// What the kernel segments and coalesces for the TUN; an error is the reason why it does not.
#[derive(Debug, Clone)]
pub struct Offloads {
    /// TCP segments (TUN_F_TSO4, TUN_F_TSO6).
    pub tcp: Result<(), String>,
    /// UDP datagrams (TUN_F_USO4, TUN_F_USO6); Linux 6.2 and later.
    pub udp: Result<(), String>,
}

/// Returns the namespace of a TUN's link as a descriptor (linux/if_tun.h, Linux 5.0).
const TUNGETDEVNETNS: libc::Ioctl = 0x54e3;
/// Returns the namespace of a socket as a descriptor (linux/sockios.h).
const SIOCGSKNS: libc::Ioctl = 0x894c;
const CSUM: libc::c_ulong = 0x01;
const TSO: libc::c_ulong = 0x02 | 0x04;
const USO: libc::c_ulong = 0x20 | 0x40;

/// Why no packet was read or written.
#[derive(Debug, thiserror::Error)]
pub enum TunStop {
    /// Nothing to read, or no space to write: wait for the descriptor.
    #[error("the TUN would block")]
    Wait,
    /// The link is down; the packet to be written is lost.
    #[error("the TUN is down")]
    Down,
    /// The link was deleted.
    #[error("the TUN is gone")]
    Gone,
    /// The kernel rejected this one packet, for instance as neither IPv4 nor IPv6 (EINVAL).
    #[error("the TUN rejected a packet: {0}")]
    Refused(io::Error),
}

/// Why a TUN could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum TunError {
    /// There is no `/dev/net/tun`, or no driver for it.
    #[error("{DEVICE} is missing: load the driver (`modprobe tun`), or pass the device to the container")]
    NoDriver,
    /// This user cannot open the device.
    #[error("no permission to open {DEVICE}: needs read and write access, and in a container also a device rule")]
    NoAccess,
    /// This user cannot create the link.
    #[error("no permission to create link {name:?}: needs CAP_NET_ADMIN")]
    NotPermitted {
        /// The link.
        name: String,
    },
    /// Another program has the TUN of that name open.
    #[error("link {name:?} is in use by another program")]
    Busy {
        /// The link.
        name: String,
    },
    /// There is a link of that name which is not a TUN, or a TUN with several queues.
    #[error("link {name:?} already exists and is not a TUN that can be opened again")]
    OtherKind {
        /// The link.
        name: String,
    },
    /// The kernel does not accept the name (dev_valid_name).
    #[error(
        "invalid link name {name:?}: expected 1 to 15 octets without '/', ':', '%' or white space, and not '.' or '..'"
    )]
    Name {
        /// The requested name.
        name: String,
    },
    /// The given descriptor is not a TUN in the required form.
    #[error("the descriptor is not a usable TUN: {0}")]
    NotTun(&'static str),
    /// Any other error.
    #[error("link {name:?}: {source}")]
    Refused {
        /// The link.
        name: String,
        /// The error of the kernel.
        source: io::Error,
    },
}

/// `struct ifreq` as TUN uses it, with the size of its longest form.
#[repr(C)]
#[derive(Default)]
struct LinkRequest {
    name: [u8; NAME_ROOM],
    flags: libc::c_short,
    rest: [u8; 22],
}

impl Tun {
    /// Create the link `name`, or open a persistent TUN of that name which is not in use. The link is down.
    ///
    /// # Errors
    /// [`TunError`].
    pub fn create(name: &str) -> Result<Self, TunError> {
        if !is_link_name(name) {
            return Err(TunError::Name { name: name.into() });
        }
        let flags = OFlags::RDWR | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let driver = rustix::fs::open(DEVICE, flags, Mode::empty()).map_err(|errno| open_error(errno, name))?;
        Self::create_on(driver, name)
    }

    /// Do the same on a descriptor of the driver that a privileged process has opened.
    ///
    /// # Errors
    /// [`TunError`].
    pub fn create_on(driver: OwnedFd, name: &str) -> Result<Self, TunError> {
        if !is_link_name(name) {
            return Err(TunError::Name { name: name.into() });
        }
        let refused = |errno: Errno| TunError::Refused { name: name.into(), source: errno.into() };
        let status = rustix::fs::fcntl_getfl(&driver).map_err(refused)?;
        rustix::fs::fcntl_setfl(&driver, status | OFlags::NONBLOCK).map_err(refused)?;
        let plain = libc::IFF_TUN | libc::IFF_NO_PI;
        // A persistent TUN created without the header is opened without it.
        let header = set_link(driver.as_fd(), name, plain | libc::IFF_VNET_HDR);
        if header.is_err() {
            set_link(driver.as_fd(), name, plain).map_err(|source| create_error(source, name))?;
        }
        Ok(Self::prepared(driver, header.map_err(|error| format!("IFF_VNET_HDR: {error}"))))
    }

    /// Take a TUN opened by another process (`WG_TUN_FD`) and set it non-blocking and close-on-exec.
    ///
    /// It must have been created with IFF_NO_PI. This cannot be checked: the kernel returns IFF_NOFILTER in the same
    /// bit.
    ///
    /// # Errors
    /// [`TunError::NotTun`] with what it is instead.
    pub fn from_fd(fd: OwnedFd) -> Result<Self, TunError> {
        let mut request = LinkRequest::default();
        link_request(fd.as_fd(), libc::TUNGETIFF, &mut request).map_err(|source| not_tun(&source))?;
        let flags = libc::c_int::from(request.flags);
        if flags & libc::IFF_TUN == 0 {
            return Err(TunError::NotTun("it is a TAP (IFF_TAP)"));
        }
        let refused = |errno: Errno| TunError::Refused { name: request.name(), source: errno.into() };
        let status = rustix::fs::fcntl_getfl(&fd).map_err(refused)?;
        rustix::fs::fcntl_setfl(&fd, status | OFlags::NONBLOCK).map_err(refused)?;
        rustix::io::fcntl_setfd(&fd, rustix::io::FdFlags::CLOEXEC).map_err(refused)?;
        let header = (flags & libc::IFF_VNET_HDR != 0).then_some(());
        Ok(Self::prepared(fd, header.ok_or_else(|| "the TUN was made without IFF_VNET_HDR".to_owned())))
    }

    /// Enable all offloads that the kernel has; `header` is whether a virtio header precedes packets.
    fn prepared(fd: OwnedFd, header: Result<(), String>) -> Self {
        let virtio = header.is_ok();
        let offloads = match header {
            Ok(()) => Offloads::of(fd.as_fd()),
            Err(why) => Offloads { tcp: Err(why.clone()), udp: Err(why) },
        };
        Self { fd, virtio, offloads }
    }

    /// Return what the kernel segments and coalesces for this TUN.
    #[must_use]
    pub fn offloads(&self) -> &Offloads {
        &self.offloads
    }

    /// Return the current name of the link, also after a rename and from any network namespace.
    ///
    /// # Errors
    /// EBADFD once the link is deleted.
    pub fn name(&self) -> io::Result<String> {
        let mut request = LinkRequest::default();
        link_request(self.fd.as_fd(), libc::TUNGETIFF, &mut request)?;
        Ok(request.name())
    }

    /// Return whether the link is up, down or deleted, from any network namespace.
    ///
    /// The driver sets POLLOUT only while the link is up and POLLERR once it is deleted (tun_chr_poll in
    /// drivers/net/tun.c).
    #[must_use]
    pub fn state(&self) -> LinkState {
        let mut fds = [PollFd::new(&self.fd, PollFlags::OUT)];
        while let Err(Errno::INTR) = rustix::event::poll(&mut fds, Some(&Timespec::default())) {}
        let seen = fds[0].revents();
        if seen.contains(PollFlags::ERR) {
            LinkState::Gone
        } else if seen.contains(PollFlags::OUT) {
            LinkState::Up
        } else {
            LinkState::Down
        }
    }

    /// Read one packet, which may be several segments of a flow. It starts in `buffer` after [`virtio::HEADER_BYTES`]
    /// octets of space; its header and length are returned. A packet that does not fit is truncated.
    ///
    /// # Errors
    /// [`TunStop`]; never [`TunStop::Down`], since a link that is down returns no packets.
    pub fn read(&self, buffer: &mut [u8]) -> Result<(Virtio, usize), TunStop> {
        if !self.virtio {
            let packet = buffer.get_mut(virtio::HEADER_BYTES..).ok_or_else(malformed)?;
            return Ok((Virtio::PLAIN, rustix::io::read(&self.fd, packet).map_err(TunStop::from)?));
        }
        let octets = rustix::io::read(&self.fd, &mut *buffer).map_err(TunStop::from)?;
        let (header, _) = buffer.split_first_chunk().ok_or_else(malformed)?;
        let length = octets.checked_sub(virtio::HEADER_BYTES).ok_or_else(malformed)?;
        Ok((Virtio::parse(*header).ok_or_else(malformed)?, length))
    }

    /// Write one packet in parts; the first is its encoded virtio header, which must be [`Virtio::PLAIN`] on a TUN
    /// without offloads.
    ///
    /// # Errors
    /// [`TunStop`].
    pub fn write(&self, parts: &[&[u8]]) -> Result<(), TunStop> {
        let mut slices = [io::IoSlice::new(&[]); PARTS];
        let parts = if self.virtio { parts } else { parts.get(1..).unwrap_or_default() };
        let slices = slices.get_mut(..parts.len()).ok_or_else(malformed)?;
        for (slice, part) in slices.iter_mut().zip(parts) {
            *slice = io::IoSlice::new(part);
        }
        rustix::io::retry_on_intr(|| rustix::io::writev(&self.fd, slices)).map(|_| ()).map_err(TunStop::from)
    }
}

impl Offloads {
    /// Enable all offloads of a TUN with virtio headers.
    fn of(fd: BorrowedFd<'_>) -> Self {
        let Err(error) = offload(fd, CSUM | TSO | USO) else { return Self { tcp: Ok(()), udp: Ok(()) } };
        match offload(fd, CSUM | TSO) {
            Ok(()) => {
                Self { tcp: Ok(()), udp: Err(format!("TUNSETOFFLOAD: {error}; UDP segmentation needs Linux 6.2")) }
            }
            Err(error) => {
                let why = format!("TUNSETOFFLOAD: {error}");
                Self { tcp: Err(why.clone()), udp: Err(why) }
            }
        }
    }
}

/// Return whether the TUN's link is in the network namespace of `socket`; false if the kernel does not report it.
pub(crate) fn is_in_namespace_of(tun: &Tun, socket: &OwnedFd) -> bool {
    let of_tun = namespace(tun.as_fd(), TUNGETDEVNETNS);
    let of_socket = namespace(socket.as_fd(), SIOCGSKNS);
    of_tun.is_some() && of_tun == of_socket
}

/// Return device and inode of the namespace that an ioctl opens.
fn namespace(fd: BorrowedFd<'_>, number: libc::Ioctl) -> Option<(u64, u64)> {
    // SAFETY: both ioctls used here take no argument and return a new descriptor or -1.
    let raw = unsafe { libc::ioctl(fd.as_raw_fd(), number, 0) };
    // SAFETY: the kernel has just created this descriptor, so nothing else owns it.
    let opened = (raw >= 0).then(|| unsafe { OwnedFd::from_raw_fd(raw) })?;
    let stat = rustix::fs::fstat(&opened).ok()?;
    Some((stat.st_dev, stat.st_ino))
}

/// Return the MTU of the link `name` in the namespace of `socket`, in octets.
pub(crate) fn mtu_of(socket: &OwnedFd, name: &str) -> io::Result<usize> {
    usize::try_from(number_of(socket, name, libc::SIOCGIFMTU as libc::Ioctl)?).map_err(io::Error::other)
}

/// Return the index of the link `name` in the namespace of `socket`.
pub(crate) fn index_of(socket: &OwnedFd, name: &str) -> io::Result<u32> {
    u32::try_from(number_of(socket, name, libc::SIOCGIFINDEX as libc::Ioctl)?).map_err(io::Error::other)
}

/// Return what an ioctl says of a link in the integer of struct ifreq.
fn number_of(socket: &OwnedFd, name: &str, ioctl: libc::Ioctl) -> io::Result<i32> {
    let mut request = LinkRequest::default();
    request.name[..name.len()].copy_from_slice(name.as_bytes());
    link_request(socket.as_fd(), ioctl, &mut request)?;
    let [low, high] = request.flags.to_ne_bytes();
    Ok(i32::from_ne_bytes([low, high, request.rest[0], request.rest[1]]))
}

fn malformed() -> TunStop {
    TunStop::Refused(Errno::INVAL.into())
}

fn offload(fd: BorrowedFd<'_>, kinds: libc::c_ulong) -> io::Result<()> {
    let size = virtio::HEADER_BYTES as libc::c_int;
    // SAFETY: TUNSETVNETHDRSZ reads one int, which lives through the call.
    let sized = unsafe { libc::ioctl(fd.as_raw_fd(), libc::TUNSETVNETHDRSZ, std::ptr::from_ref(&size)) };
    // SAFETY: TUNSETOFFLOAD takes its flags as the argument itself and accesses no memory.
    if sized < 0 || unsafe { libc::ioctl(fd.as_raw_fd(), libc::TUNSETOFFLOAD, kinds) } < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

fn set_link(fd: BorrowedFd<'_>, name: &str, flags: libc::c_int) -> io::Result<()> {
    let mut request = LinkRequest { flags: flags as libc::c_short, ..Default::default() };
    request.name[..name.len()].copy_from_slice(name.as_bytes());
    link_request(fd, libc::TUNSETIFF, &mut request)
}

impl AsFd for Tun {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl LinkRequest {
    fn name(&self) -> String {
        let octets = self.name.split(|octet| *octet == 0).next().unwrap_or_default();
        String::from_utf8_lossy(octets).into_owned()
    }
}

impl From<Errno> for TunStop {
    fn from(errno: Errno) -> Self {
        match errno {
            Errno::AGAIN | Errno::INTR | Errno::NOBUFS | Errno::NOMEM => Self::Wait,
            Errno::IO => Self::Down,
            // A reader gets EFAULT while the link is being deleted (tun_ring_recv), and EBADFD afterwards.
            Errno::BADFD | Errno::FAULT => Self::Gone,
            other => Self::Refused(other.into()),
        }
    }
}

/// Apply the rule of the kernel's dev_valid_name, and exclude '%', which would make the kernel select the name.
fn is_link_name(name: &str) -> bool {
    (1..NAME_ROOM).contains(&name.len())
        && name != "."
        && name != ".."
        && !name.bytes().any(|octet| matches!(octet, 0 | b'/' | b':' | b'%' | b'\t'..=b'\r' | b' ' | 0xa0))
}

fn link_request(fd: BorrowedFd<'_>, number: libc::Ioctl, request: &mut LinkRequest) -> io::Result<()> {
    // SAFETY: the ioctls used here (TUNSETIFF, TUNGETIFF, SIOCGIFMTU) read and write at most one `struct ifreq`, which
    // `LinkRequest` holds; a descriptor of another kind returns ENOTTY without accessing it.
    let result = unsafe { libc::ioctl(fd.as_raw_fd(), number, std::ptr::from_mut(request)) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

fn open_error(errno: Errno, name: &str) -> TunError {
    match errno {
        Errno::NOENT | Errno::NODEV | Errno::NXIO => TunError::NoDriver,
        Errno::ACCESS | Errno::PERM => TunError::NoAccess,
        other => TunError::Refused { name: name.into(), source: other.into() },
    }
}

fn create_error(source: io::Error, name: &str) -> TunError {
    let name = name.to_owned();
    match source.raw_os_error() {
        Some(libc::EPERM) => TunError::NotPermitted { name },
        Some(libc::EBUSY) => TunError::Busy { name },
        Some(libc::EINVAL) => TunError::OtherKind { name },
        _ => TunError::Refused { name, source },
    }
}

fn not_tun(source: &io::Error) -> TunError {
    TunError::NotTun(match source.raw_os_error() {
        Some(libc::EBADFD) => "it has no link",
        Some(libc::EBADF) => "it is not open",
        _ => "it is another kind of file",
    })
}
