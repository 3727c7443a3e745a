//! The link of the TUN.
//!
//! The TUN may be moved to another network namespace. Its descriptor still reports up, down and deleted; its MTU cannot
//! be read then, and the last known one is kept.

use std::io;
use std::os::fd::OwnedFd;

use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};

use crate::tun::{self, Tun, TunState};

/// The TUN, and a socket of the namespace in which it was created.
pub(crate) struct Link {
    pub(crate) tun: Tun,
    /// A socket that reads the MTU without the netlink lock, which other processes may hold for long.
    ioctl_socket: OwnedFd,
}

impl Link {
    pub(crate) fn new(tun: Tun) -> io::Result<Self> {
        let ioctl_socket = socket_with(AddressFamily::UNIX, SocketType::DGRAM, SocketFlags::CLOEXEC, None)?;
        Ok(Self { tun, ioctl_socket })
    }

    pub(crate) fn state(&self) -> TunState {
        self.tun.state()
    }

    /// Return the link's MTU in octets, or `None` while the link is in another namespace.
    pub(crate) fn mtu(&self) -> Option<usize> {
        // Another link may have taken our name after ours was moved away.
        tun::is_in_namespace_of(&self.tun, &self.ioctl_socket).then_some(())?;
        tun::mtu_of(&self.ioctl_socket, &self.tun.name().ok()?).ok()
    }
}
