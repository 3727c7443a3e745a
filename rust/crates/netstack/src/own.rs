//! The addresses of this host and the subnets to which it is attached, as the exit policy needs them.

use std::io;
use std::net::IpAddr;

use hostnet::{Netlink, Watch};
use ipnet::IpNet;

/// The addresses of the network namespace in which the stack was made.
pub(crate) struct HostAddresses {
    netlink: Netlink,
    watch: Watch,
}

impl HostAddresses {
    /// Open the sockets.
    ///
    /// # Errors
    /// That of netlink(7).
    pub(crate) fn open() -> io::Result<Self> {
        Ok(Self {
            netlink: Netlink::open().map_err(io::Error::other)?,
            watch: Watch::open().map_err(io::Error::other)?,
        })
    }

    /// Return the socket that is readable when something has changed.
    pub(crate) fn watch(&self) -> &Watch {
        &self.watch
    }

    /// Read the notifications. Return whether addresses may have changed.
    ///
    /// # Errors
    /// Those that make the socket unusable.
    pub(crate) fn changed(&mut self) -> io::Result<bool> {
        let changes = self.watch.drain()?;
        Ok(changes.addresses || changes.links)
    }

    /// Return the addresses of all links with their prefix lengths.
    ///
    /// # Errors
    /// That of the listing.
    pub(crate) fn list(&mut self) -> io::Result<Vec<IpNet>> {
        self.netlink.all_addresses().map_err(io::Error::other)
    }
}

/// Return the addresses, and the subnets of more than one address.
pub(crate) fn split(networks: &[IpNet]) -> (Vec<IpAddr>, Vec<IpNet>) {
    let own = networks.iter().map(IpNet::addr).collect();
    let attached = networks.iter().filter(|network| network.prefix_len() < network.max_prefix_len());
    (own, attached.map(IpNet::trunc).collect())
}
