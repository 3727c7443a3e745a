//! Where a peer is: the far address, and the near one that it wrote to (paper, section 2.1).

use std::net::{IpAddr, SocketAddr};

/// The outer addresses of a peer. It follows authenticated packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Endpoint {
    /// Address and port of the peer.
    pub remote: SocketAddr,
    /// The address of ours that the peer last wrote to, so that answers leave from it; `None` lets routing choose.
    pub local: Option<Local>,
}

/// A source address of this host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Local {
    /// The address itself.
    pub address: IpAddr,
    /// Index of the link that it was seen on.
    pub interface: u32,
}

impl From<SocketAddr> for Endpoint {
    fn from(remote: SocketAddr) -> Self {
        Self { remote, local: None }
    }
}
