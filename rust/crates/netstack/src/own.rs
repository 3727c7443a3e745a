//! The addresses of this host and the subnets to which it is attached, as the exit policy needs them.

use std::io;
use std::net::IpAddr;
use std::time::Duration;

use hostnet::{Netlink, Watch};
use ipnet::IpNet;

use crate::poller::{Poller, Token};

/// How long to wait before the addresses are listed again after an error, at first and at most.
const FIRST_DELAY: Duration = Duration::from_secs(1);
const MAX_DELAY: Duration = Duration::from_secs(30);

/// The addresses of the network namespace in which the stack was made.
pub(crate) struct HostAddresses {
    netlink: Netlink,
    /// The socket that reports changes; `None` after an error of it.
    watch: Option<Watch>,
    delay: Duration,
}

impl HostAddresses {
    /// Open the sockets, and have changes reported by the poller.
    ///
    /// # Errors
    /// That of netlink(7) or epoll(7).
    pub(crate) fn open(poller: &Poller) -> io::Result<Self> {
        let netlink = Netlink::open().map_err(io::Error::other)?;
        let mut host = Self { netlink, watch: None, delay: FIRST_DELAY };
        host.open_watch(poller)?;
        Ok(host)
    }

    fn open_watch(&mut self, poller: &Poller) -> io::Result<()> {
        if self.watch.is_none() {
            let watch = Watch::open().map_err(io::Error::other)?;
            poller.add_readable(&watch, Token::Addresses)?;
            self.watch = Some(watch);
        }
        Ok(())
    }

    /// Read the notifications. Return whether addresses may have changed. After an error the socket is closed, and opened
    /// again by the next [`list`](Self::list).
    pub(crate) fn changed(&mut self) -> bool {
        match self.watch.as_mut().map(Watch::drain) {
            Some(Ok(changes)) => changes.addresses || changes.links,
            Some(Err(_)) | None => {
                self.watch = None;
                true
            }
        }
    }

    /// Return the addresses of all links with their prefix lengths.
    ///
    /// # Errors
    /// That of the listing, or of the socket that reports changes.
    pub(crate) fn list(&mut self, poller: &Poller) -> io::Result<Vec<IpNet>> {
        self.open_watch(poller)?;
        let addresses = self.netlink.all_addresses().map_err(io::Error::other)?;
        self.delay = FIRST_DELAY;
        Ok(addresses)
    }

    /// Return how long to wait before the next attempt after an error: each time twice as long, up to 30 s.
    pub(crate) fn next_delay(&mut self) -> Duration {
        let delay = self.delay;
        self.delay = (delay * 2).min(MAX_DELAY);
        delay
    }
}

/// Return the addresses, and the subnets of more than one address.
pub(crate) fn split(networks: &[IpNet]) -> (Vec<IpAddr>, Vec<IpNet>) {
    let own = networks.iter().map(IpNet::addr).collect();
    let attached = networks.iter().filter(|network| network.prefix_len() < network.max_prefix_len());
    (own, attached.map(IpNet::trunc).collect())
}
