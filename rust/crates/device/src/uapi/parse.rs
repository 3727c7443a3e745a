//! Parsing of messages. Pure, and linear in the length of the message.

use std::net::SocketAddr;
use std::time::Duration;

use proto::change::{InterfaceChange, PeerChange};
use proto::key::{KEY_BYTES, PresharedKey};
use proto::status::{InterfaceStatus, PeerStatus};

use super::line::{Line, ParseError, Problem, lines};
use super::value;

/// Size of a complete `public_key` line with its end.
const PEER_LINE_BYTES: usize = "public_key=\n".len() + 2 * KEY_BYTES;

/// Parse what follows `set=1`, without the empty line.
///
/// `scope` returns the index of a named interface of this host, for endpoints_are_parsed_and_formatted like `[fe80::1%eth0]:51820`.
///
/// # Errors
/// [`ParseError`]; its first line has the number 2.
pub fn change(body: &[u8], scope: &dyn Fn(&str) -> Option<u32>) -> Result<InterfaceChange, ParseError> {
    let mut change = InterfaceChange { peers: Vec::with_capacity(peer_count(body)), ..InterfaceChange::default() };
    for line in lines(body, 2) {
        let line = line?;
        match (line.key, change.peers.last_mut()) {
            ("public_key", _) => change.peers.push(PeerChange::new(line.read(&value::PUBLIC_KEY)?)),
            (_, None) => change_interface(&mut change, &line)?,
            (_, Some(peer)) => change_peer(peer, &line, scope)?,
        }
    }
    Ok(change)
}

/// Parse the response to `get=1`, without its empty line. Unknown keys are ignored, as by wg(8).
///
/// # Errors
/// [`ParseError`].
pub fn status(body: &[u8]) -> Result<InterfaceStatus, ParseError> {
    let mut status = InterfaceStatus { peers: Vec::with_capacity(peer_count(body)), ..InterfaceStatus::default() };
    for line in lines(body, 1) {
        let line = line?;
        match (line.key, status.peers.last_mut()) {
            ("public_key", _) => status.peers.push(new_peer(&line)?),
            (_, None) => interface_status(&mut status, &line)?,
            (_, Some(peer)) => peer_status(peer, &line)?,
        }
    }
    Ok(status)
}

/// Parse the `errno` at the end of a response; 0 is success, and either sign is the same error.
///
/// # Errors
/// [`ParseError`] when it is missing or not a number.
pub fn errno(body: &[u8]) -> Result<i32, ParseError> {
    let last = lines(body, 1).last();
    let line = last.unwrap_or(Err(ParseError { line: 1, problem: Problem::NoEquals }))?;
    let missing = Problem::Value { key: value::ERRNO.key, expected: "the last line of every answer" };
    if line.key != value::ERRNO.key {
        return Err(line.error(missing));
    }
    line.read(&value::ERRNO).map(|errno: i32| errno.saturating_abs())
}

/// Return the most peers that a message can hold. They are allocated at once, so that no growing vector leaves copies
/// of their secrets.
fn peer_count(body: &[u8]) -> usize {
    let named = body.split(|octet| *octet == b'\n').filter(|line| line.starts_with(b"public_key=")).count();
    named.min(body.len() / PEER_LINE_BYTES + 1)
}

fn change_interface(change: &mut InterfaceChange, line: &Line<'_>) -> Result<(), ParseError> {
    match line.key {
        "private_key" => change.private_key = Some(line.read(&value::PRIVATE_KEY)?),
        "listen_port" => change.listen_port = Some(line.read(&value::LISTEN_PORT)?),
        "fwmark" => change.fwmark = Some(line.read(&value::FWMARK)?),
        "warren_probe_sources" => change.probe_sources = Some(line.read(&value::PROBE_SOURCES)?),
        "replace_peers" => {
            line.read(&value::REPLACE_PEERS)?;
            change.replace_peers = true;
        }
        _ => return Err(line.error(Problem::InterfaceKey)),
    }
    Ok(())
}

fn change_peer(peer: &mut PeerChange, line: &Line<'_>, scope: &dyn Fn(&str) -> Option<u32>) -> Result<(), ParseError> {
    match line.key {
        "update_only" => {
            line.read(&value::UPDATE_ONLY)?;
            peer.update_only = true;
        }
        "remove" => {
            line.read(&value::REMOVE)?;
            peer.remove = true;
        }
        "preshared_key" => peer.preshared_key = Some(line.read(&value::PRESHARED_KEY)?),
        "endpoint" => peer.endpoint = Some(endpoint(line, scope)?),
        "persistent_keepalive_interval" => peer.persistent_keepalive_interval = Some(line.read(&value::KEEPALIVE)?),
        "replace_allowed_ips" => {
            line.read(&value::REPLACE_ALLOWED_IPS)?;
            // It also removes what earlier lines of this message added.
            peer.allowed_ips.clear();
            peer.replace_allowed_ips = true;
        }
        "allowed_ip" => peer.allowed_ips.push(line.read(&value::ALLOWED_IP_CHANGE)?),
        "warren_probe_address" => peer.probe_address = Some(line.read(&value::PROBE_ADDRESS)?),
        "protocol_version" => line.read(&value::PROTOCOL_VERSION)?,
        _ => return Err(line.error(Problem::PeerKey)),
    }
    Ok(())
}

fn endpoint(line: &Line<'_>, scope: &dyn Fn(&str) -> Option<u32>) -> Result<SocketAddr, ParseError> {
    let problem = Problem::Value { key: "endpoint", expected: value::ENDPOINT_EXPECTED };
    value::endpoint(line.value(), scope).ok_or_else(|| line.error(problem))
}

fn new_peer(line: &Line<'_>) -> Result<PeerStatus, ParseError> {
    Ok(PeerStatus {
        public_key: line.read(&value::PUBLIC_KEY)?,
        preshared_key: PresharedKey::default(),
        endpoint: None,
        last_handshake: Duration::ZERO,
        rx_bytes: 0,
        tx_bytes: 0,
        persistent_keepalive_interval: 0,
        allowed_ips: Vec::new(),
        probe_address: None,
        path_mtu: None,
    })
}

fn interface_status(status: &mut InterfaceStatus, line: &Line<'_>) -> Result<(), ParseError> {
    match line.key {
        "private_key" => status.private_key = line.read(&value::PRIVATE_KEY)?,
        "listen_port" => status.listen_port = line.read(&value::LISTEN_PORT)?,
        "fwmark" => status.fwmark = line.read(&value::FWMARK)?,
        "warren_probe_sources" => status.probe_sources = line.read(&value::PROBE_SOURCES)?,
        "warren_offload_off" => status.offloads_off.push(line.read(&value::OFFLOAD_OFF)?),
        _ => {}
    }
    Ok(())
}

fn peer_status(peer: &mut PeerStatus, line: &Line<'_>) -> Result<(), ParseError> {
    match line.key {
        "preshared_key" => peer.preshared_key = line.read(&value::PRESHARED_KEY)?,
        "endpoint" => peer.endpoint = Some(endpoint(line, &|_| None)?),
        "last_handshake_time_sec" => {
            let seconds = line.read(&value::HANDSHAKE_SECONDS)?;
            peer.last_handshake = Duration::new(seconds, peer.last_handshake.subsec_nanos());
        }
        "last_handshake_time_nsec" => {
            let nanoseconds = line.read(&value::HANDSHAKE_NANOSECONDS)?;
            peer.last_handshake = Duration::new(peer.last_handshake.as_secs(), nanoseconds);
        }
        "rx_bytes" => peer.rx_bytes = line.read(&value::RX_BYTES)?,
        "tx_bytes" => peer.tx_bytes = line.read(&value::TX_BYTES)?,
        "persistent_keepalive_interval" => peer.persistent_keepalive_interval = line.read(&value::KEEPALIVE)?,
        "allowed_ip" => peer.allowed_ips.push(line.read(&value::ALLOWED_IP)?),
        "warren_probe_address" => peer.probe_address = line.read(&value::PROBE_ADDRESS)?,
        "warren_path_mtu" => peer.path_mtu = Some(line.read(&value::PATH_MTU)?),
        _ => {}
    }
    Ok(())
}
