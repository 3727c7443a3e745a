//! Formatting of messages, without the line `set=1`, the line `errno` and the empty line.

use std::io::{self, Write};
use std::net::IpAddr;

use proto::change::{AllowedIpChange, InterfaceChange, PeerChange};
use proto::key::KEY_BYTES;
use proto::status::{InterfaceStatus, PathMtu, PeerStatus};

/// Write the response to `get=1` in wireguard-go's order. Warren's own keys begin with `warren_` and are present only
/// where an offload is disabled or paths are probed; wg(8) ignores unknown keys.
///
/// # Errors
/// Those of `out`.
pub fn status(status: &InterfaceStatus, out: &mut impl Write) -> io::Result<()> {
    if let Some(key) = &status.private_key {
        writeln!(out, "private_key={}", *key.to_hex())?;
    }
    if status.listen_port != 0 {
        writeln!(out, "listen_port={}", status.listen_port)?;
    }
    if status.fwmark != 0 {
        writeln!(out, "fwmark={}", status.fwmark)?;
    }
    for offload in &status.offloads_off {
        writeln!(out, "warren_offload_off={} {}", offload.name, offload.reason)?;
    }
    if !status.probe_sources.is_empty() {
        probe_sources(&status.probe_sources, out)?;
    }
    status.peers.iter().try_for_each(|peer| peer_status(peer, out))
}

fn peer_status(peer: &PeerStatus, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "public_key={}", *peer.public_key.to_hex())?;
    writeln!(out, "preshared_key={}", *peer.preshared_key.to_hex())?;
    writeln!(out, "protocol_version=1")?;
    if let Some(endpoint) = peer.endpoint {
        writeln!(out, "endpoint={endpoint}")?;
    }
    writeln!(out, "last_handshake_time_sec={}", peer.last_handshake.as_secs())?;
    writeln!(out, "last_handshake_time_nsec={}", peer.last_handshake.subsec_nanos())?;
    writeln!(out, "tx_bytes={}", peer.tx_bytes)?;
    writeln!(out, "rx_bytes={}", peer.rx_bytes)?;
    writeln!(out, "persistent_keepalive_interval={}", peer.persistent_keepalive_interval)?;
    peer.allowed_ips.iter().try_for_each(|prefix| writeln!(out, "allowed_ip={prefix}"))?;
    if let Some(address) = peer.probe_address {
        writeln!(out, "warren_probe_address={address}")?;
    }
    match peer.path_mtu {
        Some(PathMtu::Probed { mtu, age_seconds }) => writeln!(out, "warren_path_mtu={mtu} {age_seconds}"),
        Some(PathMtu::Unknown(why)) => writeln!(out, "warren_path_mtu=unknown {}", why.name()),
        None => Ok(()),
    }
}

fn probe_sources(sources: &[IpAddr], out: &mut impl Write) -> io::Result<()> {
    let sources: Vec<_> = sources.iter().map(IpAddr::to_string).collect();
    writeln!(out, "warren_probe_sources={}", sources.join(" "))
}

/// Write what follows `set=1`.
///
/// # Errors
/// Those of `out`.
pub fn change(change: &InterfaceChange, out: &mut impl Write) -> io::Result<()> {
    match &change.private_key {
        Some(Some(key)) => writeln!(out, "private_key={}", *key.to_hex())?,
        Some(None) => writeln!(out, "private_key={}", "0".repeat(2 * KEY_BYTES))?,
        None => {}
    }
    if let Some(port) = change.listen_port {
        writeln!(out, "listen_port={port}")?;
    }
    if let Some(fwmark) = change.fwmark {
        writeln!(out, "fwmark={fwmark}")?;
    }
    if let Some(sources) = &change.probe_sources {
        probe_sources(sources, out)?;
    }
    if change.replace_peers {
        writeln!(out, "replace_peers=true")?;
    }
    change.peers.iter().try_for_each(|peer| peer_change(peer, out))
}

fn peer_change(peer: &PeerChange, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "public_key={}", *peer.public_key.to_hex())?;
    if peer.update_only {
        writeln!(out, "update_only=true")?;
    }
    if peer.remove {
        writeln!(out, "remove=true")?;
    }
    if let Some(key) = &peer.preshared_key {
        writeln!(out, "preshared_key={}", *key.to_hex())?;
    }
    if let Some(endpoint) = peer.endpoint {
        writeln!(out, "endpoint={endpoint}")?;
    }
    if let Some(seconds) = peer.persistent_keepalive_interval {
        writeln!(out, "persistent_keepalive_interval={seconds}")?;
    }
    if peer.replace_allowed_ips {
        writeln!(out, "replace_allowed_ips=true")?;
    }
    peer.allowed_ips.iter().try_for_each(|change| match change {
        AllowedIpChange::Add(prefix) => writeln!(out, "allowed_ip={prefix}"),
        AllowedIpChange::Remove(prefix) => writeln!(out, "allowed_ip=-{prefix}"),
    })?;
    match peer.probe_address {
        Some(Some(address)) => writeln!(out, "warren_probe_address={address}"),
        Some(None) => writeln!(out, "warren_probe_address="),
        None => Ok(()),
    }
}
