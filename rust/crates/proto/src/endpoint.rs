//! The endpoint of a peer: its address, and the local address that it sent to (paper, section 2.1).

use std::net::{IpAddr, SocketAddr};

/// The outer addresses of a peer. They follow authenticated packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Endpoint {
    /// Address and port of the peer.
    pub remote: SocketAddr,
    /// The local address that the peer last sent to, used as the source of replies; `None` lets routing select one.
    pub local: Option<Local>,
}

/// A source address of this host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Local {
    /// The address.
    pub address: IpAddr,
    /// Index of the link that it was seen on.
    pub interface: u32,
}

impl From<SocketAddr> for Endpoint {
    fn from(remote: SocketAddr) -> Self {
        Self { remote, local: None }
    }
}
