//! The state of an engine. The private key stays in Rust; Python gets the public key.

use std::net::IpAddr;

use proto::status::{Drops, InterfaceStatus, OffloadOff, PathMtu, PeerStatus};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use crate::key::{PresharedKey, PublicKey};
use crate::net::ToNetwork;

/// The state of an interface as the engine reports it.
#[pyclass(frozen, get_all, module = "warren._core")]
pub(crate) struct DeviceStatus {
    /// None while it has no private key.
    public_key: Option<Py<PublicKey>>,
    /// 0 while none is bound or configured.
    listen_port: u16,
    /// SO_MARK of outgoing datagrams; 0 is none.
    fwmark: u32,
    /// In the order in which they were created.
    peers: Py<PyTuple>,
    /// Dropped packets by reason; None for a status from a socket, which does not carry it.
    drops: Option<Py<PyDict>>,
    /// Disabled offloads with the reasons; usually empty.
    offloads_off: Py<PyDict>,
    /// The own addresses from which paths are probed; None for the kernel, which probes none.
    probe_sources: Option<Py<PyTuple>>,
}

/// The state of a peer as the engine reports it.
#[pyclass(frozen, get_all, module = "warren._core")]
pub(crate) struct DevicePeer {
    /// The peer.
    public_key: Py<PublicKey>,
    /// None for the all-zero key.
    preshared_key: Option<Py<PresharedKey>>,
    /// `address:port` or `[address]:port`.
    endpoint: Option<String>,
    /// In the order in which they were added.
    allowed_ips: Py<PyTuple>,
    /// 0 is off.
    persistent_keepalive_seconds: u16,
    /// Seconds since the Unix epoch; None is never.
    latest_handshake: Option<f64>,
    /// Octets of authenticated datagrams from it.
    rx_bytes: u64,
    /// Octets of datagrams to it.
    tx_bytes: u64,
    /// The configured address for probes of the path.
    probe_address: Option<IpAddr>,
    /// The size of the largest packet that reaches it in one datagram; None while it is unknown.
    path_mtu: Option<u16>,
    /// Seconds since that was last confirmed.
    path_mtu_age_seconds: Option<u64>,
    /// Why it is unknown: no_session, no_probe_address, searching or no_answer; None if paths are not probed.
    path_mtu_unknown: Option<&'static str>,
}

/// Convert the status of a device in this process, which has counts of dropped packets.
pub(crate) fn of_device(py: Python<'_>, status: &InterfaceStatus) -> PyResult<DeviceStatus> {
    Ok(DeviceStatus { drops: Some(drops(py, &status.drops)?), ..of_interface(py, status)? })
}

/// Convert the status of the kernel's WireGuard.
pub(crate) fn of_kernel(py: Python<'_>, status: &InterfaceStatus) -> PyResult<DeviceStatus> {
    Ok(DeviceStatus { probe_sources: None, ..of_interface(py, status)? })
}

/// Convert a status that was received over the UAPI, where those counts are missing.
pub(crate) fn of_interface(py: Python<'_>, status: &InterfaceStatus) -> PyResult<DeviceStatus> {
    let peers = status.peers.iter().map(|peer| of_peer(py, peer)).collect::<PyResult<Vec<_>>>()?;
    let public_key = status.private_key.as_ref().map(|key| Py::new(py, PublicKey(key.public_key())));
    Ok(DeviceStatus {
        public_key: public_key.transpose()?,
        listen_port: status.listen_port,
        fwmark: status.fwmark,
        peers: PyTuple::new(py, peers)?.unbind(),
        drops: None,
        offloads_off: offloads_off(py, &status.offloads_off)?,
        probe_sources: Some(PyTuple::new(py, &status.probe_sources)?.unbind()),
    })
}

fn of_peer(py: Python<'_>, peer: &PeerStatus) -> PyResult<DevicePeer> {
    let preshared_key = Some(&peer.preshared_key).filter(|key| !key.is_none());
    let (path_mtu, path_mtu_age_seconds, path_mtu_unknown) = match peer.path_mtu {
        Some(PathMtu::Probed { mtu, age_seconds }) => (Some(mtu), Some(age_seconds), None),
        Some(PathMtu::Unknown(why)) => (None, None, Some(why.name())),
        None => (None, None, None),
    };
    let allowed_ips = peer.allowed_ips.iter().map(|prefix| ToNetwork(*prefix));
    Ok(DevicePeer {
        public_key: Py::new(py, PublicKey(peer.public_key))?,
        preshared_key: preshared_key.map(|key| Py::new(py, PresharedKey(key.clone()))).transpose()?,
        endpoint: peer.endpoint.map(|endpoint| endpoint.to_string()),
        allowed_ips: PyTuple::new(py, allowed_ips.collect::<Vec<_>>())?.unbind(),
        persistent_keepalive_seconds: peer.persistent_keepalive_interval,
        latest_handshake: Some(peer.last_handshake.as_secs_f64()).filter(|seconds| *seconds > 0.0),
        rx_bytes: peer.rx_bytes,
        tx_bytes: peer.tx_bytes,
        probe_address: peer.probe_address,
        path_mtu,
        path_mtu_age_seconds,
        path_mtu_unknown,
    })
}

fn offloads_off(py: Python<'_>, offloads: &[OffloadOff]) -> PyResult<Py<PyDict>> {
    let off = PyDict::new(py);
    offloads.iter().try_for_each(|offload| off.set_item(&offload.name, &offload.reason))?;
    Ok(off.unbind())
}

fn drops(py: Python<'_>, drops: &Drops) -> PyResult<Py<PyDict>> {
    let counts = PyDict::new(py);
    // Destructured completely, so that a new reason cannot be missed here.
    let Drops {
        malformed,
        invalid_mac,
        invalid_handshake,
        rate_limited,
        no_session,
        not_authentic,
        replayed,
        not_ip,
        source_not_allowed,
        no_peer,
        no_endpoint,
        not_up,
        send_refused,
        tun_refused,
    } = *drops;
    for (reason, count) in [
        ("malformed", malformed),
        ("invalid_mac", invalid_mac),
        ("invalid_handshake", invalid_handshake),
        ("rate_limited", rate_limited),
        ("no_session", no_session),
        ("not_authentic", not_authentic),
        ("replayed", replayed),
        ("not_ip", not_ip),
        ("source_not_allowed", source_not_allowed),
        ("no_peer", no_peer),
        ("no_endpoint", no_endpoint),
        ("not_up", not_up),
        ("send_refused", send_refused),
        ("tun_refused", tun_refused),
    ] {
        counts.set_item(reason, count)?;
    }
    Ok(counts.unbind())
}
