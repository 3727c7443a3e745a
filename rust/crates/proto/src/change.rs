//! What may be asked of an interface: the keys of a UAPI `set`, as values.
//!
//! A change is a delta. What is `None` or empty stays as it is. It is applied whole or not at all.

use std::net::SocketAddr;

use ipnet::IpNet;

use crate::key::{PresharedKey, PrivateKey, PublicKey};

/// One `set` of the UAPI.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InterfaceChange {
    /// `Some(None)` takes the key away: the interface goes silent.
    pub private_key: Option<Option<PrivateKey>>,
    /// UDP port; 0 asks the system for one.
    pub listen_port: Option<u16>,
    /// SO_MARK of outgoing datagrams; 0 is none.
    pub fwmark: Option<u32>,
    /// Removes every peer before `peers` are applied.
    pub replace_peers: bool,
    /// In order; a key may come twice, the later one then changes what the earlier one made.
    pub peers: Vec<PeerChange>,
}

/// What a `set` asks of one peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerChange {
    /// Who.
    pub public_key: PublicKey,
    /// Takes the peer away; all else is then ignored.
    pub remove: bool,
    /// Changes a peer that exists, and makes none.
    pub update_only: bool,
    /// The all-zero key is "none".
    pub preshared_key: Option<PresharedKey>,
    /// Where to send, until the peer is heard from elsewhere.
    pub endpoint: Option<SocketAddr>,
    /// Seconds between keepalives of an idle tunnel; 0 is off.
    pub persistent_keepalive_interval: Option<u16>,
    /// Removes all allowed IPs before `allowed_ips` are applied.
    pub replace_allowed_ips: bool,
    /// In order. A prefix belongs to one peer: adding takes it from the peer that had it.
    pub allowed_ips: Vec<AllowedIpChange>,
}

/// One `allowed_ip=` line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AllowedIpChange {
    /// `allowed_ip=10.0.0.0/8`
    Add(IpNet),
    /// `allowed_ip=-10.0.0.0/8`: taken away if this peer has it.
    Remove(IpNet),
}

impl PeerChange {
    /// A change that only names the peer, and so makes it.
    #[must_use]
    pub fn new(public_key: PublicKey) -> Self {
        Self {
            public_key,
            remove: false,
            update_only: false,
            preshared_key: None,
            endpoint: None,
            persistent_keepalive_interval: None,
            replace_allowed_ips: false,
            allowed_ips: Vec::new(),
        }
    }
}
