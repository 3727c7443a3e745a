//! Changes of an interface: the keys of a UAPI `set`, as values.
//!
//! A change is a delta: what is `None` or empty is kept. It is applied entirely or not at all.

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;

use crate::key::{PresharedKey, PrivateKey, PublicKey};

/// One `set` of the UAPI.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InterfaceChange {
    /// `Some(None)` removes the key: the interface stops sending.
    pub private_key: Option<Option<PrivateKey>>,
    /// UDP port; 0 lets the system select one.
    pub listen_port: Option<u16>,
    /// SO_MARK of outgoing datagrams; 0 is none.
    pub fwmark: Option<u32>,
    /// Remove every peer before `peers` are applied.
    pub replace_peers: bool,
    /// The own addresses inside the tunnel, from which the paths to the peers are probed; without any, none is probed.
    pub probe_sources: Option<Vec<IpAddr>>,
    /// In order; a key may occur twice, and the later entry then changes what the earlier one created.
    pub peers: Vec<PeerChange>,
}

/// The change of one peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerChange {
    /// The peer.
    pub public_key: PublicKey,
    /// Remove the peer; all other fields are ignored.
    pub remove: bool,
    /// Change a peer that exists, and create none.
    pub update_only: bool,
    /// The all-zero key means none.
    pub preshared_key: Option<PresharedKey>,
    /// Where to send, until the peer sends from another address.
    pub endpoint: Option<SocketAddr>,
    /// Seconds between keepalives of an idle tunnel; 0 is off.
    pub persistent_keepalive_interval: Option<u16>,
    /// Remove all allowed IPs before `allowed_ips` are applied.
    pub replace_allowed_ips: bool,
    /// The address inside the tunnel that answers probes of the path; `Some(None)` selects the first of its allowed IPs
    /// that is a single address.
    pub probe_address: Option<Option<IpAddr>>,
    /// In order. A prefix belongs to one peer: adding it removes it from its former owner.
    pub allowed_ips: Vec<AllowedIpChange>,
}

/// One `allowed_ip=` line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AllowedIpChange {
    /// `allowed_ip=10.0.0.0/8`
    Add(IpNet),
    /// `allowed_ip=-10.0.0.0/8`: removed if this peer has it.
    Remove(IpNet),
}

impl PeerChange {
    /// Return a change that only names the peer, and so creates it.
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
            probe_address: None,
            allowed_ips: Vec::new(),
        }
    }
}
