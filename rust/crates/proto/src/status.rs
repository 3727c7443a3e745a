//! What an interface says of itself: the keys of a UAPI `get`, as values.

use std::net::SocketAddr;
use std::time::Duration;

use ipnet::IpNet;

use crate::key::{PresharedKey, PrivateKey, PublicKey};

/// One `get` of the UAPI.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InterfaceStatus {
    /// The interface's own key.
    pub private_key: Option<PrivateKey>,
    /// The UDP port; 0 while none is bound or asked for.
    pub listen_port: u16,
    /// SO_MARK of outgoing datagrams; 0 is none.
    pub fwmark: u32,
    /// In the order in which they were made.
    pub peers: Vec<PeerStatus>,
}

/// One peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerStatus {
    /// Who.
    pub public_key: PublicKey,
    /// All zero is "none".
    pub preshared_key: PresharedKey,
    /// Where it was last heard from or told to be.
    pub endpoint: Option<SocketAddr>,
    /// Time of the last completed handshake since the Unix epoch; zero is never.
    pub last_handshake: Duration,
    /// Octets of datagrams received from it and authenticated, handshakes and padding included.
    pub rx_bytes: u64,
    /// Octets of datagrams sent to it, handshakes and padding included.
    pub tx_bytes: u64,
    /// Seconds; 0 is off.
    pub persistent_keepalive_interval: u16,
    /// In the order in which they were added.
    pub allowed_ips: Vec<IpNet>,
}
