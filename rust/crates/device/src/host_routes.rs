//! The host's routes, as far as the packet thread needs them: what has changed, and whether a source address is still
//! usable. Its sockets stay in the network namespace in which the device was created.

use std::io;
use std::net::IpAddr;

use hostnet::{Changes, Netlink, Watch};
use proto::endpoint::Endpoint;

/// A socket that reports changes of the host's network, and one that looks up routes.
pub(crate) struct HostRoutes {
    watch: Option<Watch>,
    netlink: Netlink,
    /// The index of the device's own link, if it is in this namespace.
    link: Option<u32>,
}

impl HostRoutes {
    /// Open both; `link` is the index of the device's own link, which is still down.
    pub(crate) fn open(link: Option<u32>) -> io::Result<Self> {
        Ok(Self { watch: Some(watch(link, false)?), netlink: Netlink::open().map_err(io::Error::other)?, link })
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

    /// Open the socket again if it was closed; return true if it was. `up` is the state of the device's own link.
    pub(crate) fn rewatch(&mut self, up: bool) -> bool {
        if self.watch.is_some() {
            return false;
        }
        self.watch = watch(self.link, up).ok();
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

fn watch(link: Option<u32>, up: bool) -> io::Result<Watch> {
    let mut watch = Watch::open().map_err(io::Error::other)?;
    if let Some(index) = link {
        watch.follow(index, up);
    }
    Ok(watch)
}
