//! The link that the TUN shows to the host, and the host's routes, as far as the packet thread must know them.
//!
//! The TUN may be moved to another network namespace. Its descriptor still tells up, down and gone; its MTU can then
//! not be asked for, and the last known one stands.

use std::io;

use hostnet::{Changes, Netlink, Watch};
use proto::endpoint::Endpoint;

use crate::tun::{Tun, TunState};

/// The TUN and the netlink sockets of the namespace in which it was made.
pub(crate) struct Link {
    pub(crate) tun: Tun,
    pub(crate) watch: Watch,
    netlink: Netlink,
    /// Tells our link from another one that took its name after ours was moved.
    index: Option<u32>,
}

impl Link {
    pub(crate) fn new(tun: Tun) -> io::Result<Self> {
        let watch = Watch::open().map_err(io::Error::other)?;
        let mut netlink = Netlink::open().map_err(io::Error::other)?;
        let index = netlink.link(&tun.name()?).ok().map(|link| link.index);
        Ok(Self { tun, watch, netlink, index })
    }

    pub(crate) fn state(&self) -> TunState {
        self.tun.state()
    }

    /// The link's MTU in octets; `None` while it is in another namespace.
    pub(crate) fn mtu(&mut self) -> Option<usize> {
        let link = self.netlink.link(&self.tun.name().ok()?).ok()?;
        (Some(link.index) == self.index).then_some(link.mtu as usize)
    }

    /// What changed in the network since the last call.
    pub(crate) fn changes(&mut self) -> io::Result<Changes> {
        self.watch.drain()
    }

    /// Whether answers to `endpoint` would still leave by the link on which it wrote to us: if not, the source address
    /// is of no more use (the rule of the kernel's own WireGuard).
    pub(crate) fn keeps_source(&mut self, endpoint: &Endpoint, fwmark: u32) -> bool {
        endpoint.local.is_some_and(|local| {
            let route = self.netlink.route_to(endpoint.remote.ip(), local.address, fwmark);
            route.is_ok_and(|interface| interface == local.interface)
        })
    }
}
