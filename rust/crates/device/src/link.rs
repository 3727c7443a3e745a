//! The link that the TUN shows to the host, and the host's routes, as far as the packet thread must know them.
//!
//! The TUN may be moved to another network namespace. Its descriptor still tells up, down and gone; its MTU can then
//! not be asked for, and the last known one stands.

use std::io;
use std::net::IpAddr;
use std::os::fd::OwnedFd;

use hostnet::{Changes, Netlink, Watch};
use proto::endpoint::Endpoint;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};

use crate::tun::{self, Tun, TunState};

/// The TUN, and sockets of the namespace in which it was made.
pub(crate) struct Link {
    pub(crate) tun: Tun,
    watch: Option<Watch>,
    netlink: Netlink,
    /// Asks for the MTU without the lock that netlink takes, which others may hold for long.
    asker: OwnedFd,
}

impl Link {
    pub(crate) fn new(tun: Tun) -> io::Result<Self> {
        Ok(Self {
            tun,
            watch: Some(watch()?),
            netlink: Netlink::open().map_err(io::Error::other)?,
            asker: socket_with(AddressFamily::UNIX, SocketType::DGRAM, SocketFlags::CLOEXEC, None)?,
        })
    }

    pub(crate) fn state(&self) -> TunState {
        self.tun.state()
    }

    /// The link's MTU in octets; `None` while it is in another namespace.
    pub(crate) fn mtu(&self) -> Option<usize> {
        // A link of our name that is another one has taken it after ours was moved away.
        tun::is_in_namespace_of(&self.tun, &self.asker).then_some(())?;
        tun::mtu_of(&self.asker, &self.tun.name().ok()?).ok()
    }

    /// The socket that tells of changes in the network; `None` while there is none.
    pub(crate) fn watch(&self) -> Option<&Watch> {
        self.watch.as_ref()
    }

    /// What changed in the network since the last call. A socket that fails is closed, and everything may have changed.
    pub(crate) fn changes(&mut self) -> Changes {
        match self.watch.as_mut().map(Watch::drain) {
            Some(Ok(changes)) => changes,
            Some(Err(_)) | None => {
                self.watch = None;
                Changes::ALL
            }
        }
    }

    /// Opens the socket anew if it was closed; true if so.
    pub(crate) fn rewatch(&mut self) -> bool {
        if self.watch.is_some() {
            return false;
        }
        self.watch = watch().ok();
        self.watch.is_some()
    }

    /// Whether answers to `endpoint` would still leave by the link on which it wrote to us: if not, the source address
    /// is of no more use (the rule of the kernel's own WireGuard). An IPv6 address is kept wherever the route leads; if it
    /// is gone, sending tells.
    pub(crate) fn keeps_source(&mut self, endpoint: &Endpoint, fwmark: u32) -> bool {
        endpoint.local.is_some_and(|local| match local.address {
            IpAddr::V6(_) => true,
            IpAddr::V4(_) => {
                let route = self.netlink.route_to(endpoint.remote.ip(), local.address, fwmark);
                route.is_ok_and(|interface| interface == local.interface)
            }
        })
    }
}

fn watch() -> io::Result<Watch> {
    Watch::open().map_err(io::Error::other)
}
