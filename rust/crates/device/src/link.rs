//! The link of the TUN and the host's routes, as far as the packet thread needs them.
//!
//! The TUN may be moved to another network namespace. Its descriptor still reports up, down and deleted; its MTU cannot
//! be read then, and the last known one is kept.

use std::io;
use std::net::IpAddr;
use std::os::fd::OwnedFd;

use hostnet::{Changes, Netlink, Watch};
use proto::endpoint::Endpoint;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};

use crate::tun::{self, Tun, TunState};

/// The TUN, and sockets of the namespace in which it was created.
pub(crate) struct Link {
    pub(crate) tun: Tun,
    watch: Option<Watch>,
    netlink: Netlink,
    /// A socket that reads the MTU without the netlink lock, which other processes may hold for long.
    ioctl_socket: OwnedFd,
}

impl Link {
    pub(crate) fn new(tun: Tun) -> io::Result<Self> {
        Ok(Self {
            tun,
            watch: Some(watch()?),
            netlink: Netlink::open().map_err(io::Error::other)?,
            ioctl_socket: socket_with(AddressFamily::UNIX, SocketType::DGRAM, SocketFlags::CLOEXEC, None)?,
        })
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

    /// Return the socket that reports network changes, or `None` while there is none.
    pub(crate) fn watch(&self) -> Option<&Watch> {
        self.watch.as_ref()
    }

    /// Return what has changed since the last call. After an error the socket is closed and everything may have
    /// changed.
    pub(crate) fn changes(&mut self) -> Changes {
        match self.watch.as_mut().map(Watch::drain) {
            Some(Ok(changes)) => changes,
            Some(Err(_)) | None => {
                self.watch = None;
                Changes::ALL
            }
        }
    }

    /// Open the socket again if it was closed; return true if it was.
    pub(crate) fn rewatch(&mut self) -> bool {
        if self.watch.is_some() {
            return false;
        }
        self.watch = watch().ok();
        self.watch.is_some()
    }

    /// Return whether replies to `endpoint` would still leave by the link on which it reached us; if not, its source
    /// address is dropped, as by the kernel's WireGuard. An IPv6 address is kept wherever the route leads; if the
    /// address is gone, sending fails.
    pub(crate) fn keeps_source(&mut self, endpoint: &Endpoint, fwmark: u32) -> bool {
        endpoint.local.is_some_and(|local| match local.address {
            IpAddr::V6(_) => true,
            IpAddr::V4(_) => {
                let route = self.netlink.route_to(endpoint.remote.ip(), Some(local.address), fwmark);
                route.is_ok_and(|interface| interface == local.interface)
            }
        })
    }
}

fn watch() -> io::Result<Watch> {
    Watch::open().map_err(io::Error::other)
}
