//! `warren.tunnel.plan.InterfaceChange`, read by its attributes.

use proto::change::{AllowedIpChange, InterfaceChange, PeerChange};
use pyo3::prelude::*;

use crate::key::{PresharedKey, PrivateKey, PublicKey};
use crate::net::{FromAddress, FromEndpoint, FromPrefix};

/// A change with Python's field names. `None` is unchanged.
#[derive(FromPyObject)]
pub(crate) struct Change<'py> {
    private_key: Option<PyRef<'py, PrivateKey>>,
    listen_port: Option<u16>,
    fwmark: Option<u32>,
    probe_sources: Option<Vec<FromAddress>>,
    peers: Vec<Peer<'py>>,
}

#[derive(FromPyObject)]
struct Peer<'py> {
    public_key: PyRef<'py, PublicKey>,
    remove: bool,
    preshared_key: Option<PyRef<'py, PresharedKey>>,
    endpoint: Option<FromEndpoint>,
    allowed_ips: Option<Vec<FromPrefix>>,
    persistent_keepalive_seconds: Option<u16>,
    /// The unspecified address removes it.
    probe_address: Option<FromAddress>,
}

impl From<Change<'_>> for InterfaceChange {
    fn from(change: Change<'_>) -> Self {
        Self {
            private_key: change.private_key.map(|key| Some(key.0.clone())),
            listen_port: change.listen_port,
            fwmark: change.fwmark,
            replace_peers: false,
            probe_sources: change.probe_sources.map(|sources| sources.into_iter().map(|source| source.0).collect()),
            peers: change.peers.into_iter().map(PeerChange::from).collect(),
        }
    }
}

impl From<Peer<'_>> for PeerChange {
    fn from(peer: Peer<'_>) -> Self {
        Self {
            public_key: peer.public_key.0,
            remove: peer.remove,
            update_only: false,
            preshared_key: peer.preshared_key.map(|key| key.0.clone()),
            endpoint: peer.endpoint.map(|endpoint| endpoint.0),
            persistent_keepalive_interval: peer.persistent_keepalive_seconds,
            probe_address: peer
                .probe_address
                .map(|address| Some(address.0).filter(|address| !address.is_unspecified())),
            replace_allowed_ips: peer.allowed_ips.is_some(),
            allowed_ips: peer.allowed_ips.into_iter().flatten().map(|prefix| AllowedIpChange::Add(prefix.0)).collect(),
        }
    }
}
