//! Parses the response to WG_CMD_GET_DEVICE: several messages, each with some peers, or with more of the allowed IPs of
//! one.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::time::Duration;

use ipnet::IpNet;
use netlink_packet_core::parse_ip;
use proto::key::{KEY_BYTES, PresharedKey, PrivateKey, PublicKey};
use proto::status::{InterfaceStatus, PeerStatus};

use super::constants::{
    AF_INET, AF_INET6, WGALLOWEDIP_A_CIDR_MASK, WGALLOWEDIP_A_IPADDR, WGDEVICE_A_FWMARK, WGDEVICE_A_LISTEN_PORT,
    WGDEVICE_A_PEERS, WGDEVICE_A_PRIVATE_KEY, WGPEER_A_ALLOWEDIPS, WGPEER_A_ENDPOINT, WGPEER_A_LAST_HANDSHAKE_TIME,
    WGPEER_A_PERSISTENT_KEEPALIVE_INTERVAL, WGPEER_A_PRESHARED_KEY, WGPEER_A_PUBLIC_KEY, WGPEER_A_RX_BYTES,
    WGPEER_A_TX_BYTES,
};
use crate::socket::attributes;

/// Add the content of one message, without its generic header. Malformed and unknown parts are ignored.
pub(super) fn fold(status: &mut InterfaceStatus, body: &[u8]) {
    for attribute in attributes(body, 0) {
        let value = attribute.value();
        match attribute.kind() {
            WGDEVICE_A_PRIVATE_KEY => status.private_key = octets(value).map(PrivateKey::from),
            WGDEVICE_A_LISTEN_PORT => set(&mut status.listen_port, value, u16::from_ne_bytes),
            WGDEVICE_A_FWMARK => set(&mut status.fwmark, value, u32::from_ne_bytes),
            WGDEVICE_A_PEERS => attributes(value, 0).filter_map(|peer| parse_peer(peer.value())).for_each(|peer| {
                add_peer(&mut status.peers, peer);
            }),
            _ => {}
        }
    }
}

/// A repeated peer has only the allowed IPs that did not fit into the previous message.
fn add_peer(peers: &mut Vec<PeerStatus>, peer: PeerStatus) {
    match peers.last_mut() {
        Some(last) if last.public_key == peer.public_key => last.allowed_ips.extend(peer.allowed_ips),
        _ => peers.push(peer),
    }
}

fn parse_peer(body: &[u8]) -> Option<PeerStatus> {
    let public_key = attributes(body, 0).find(|attribute| attribute.kind() == WGPEER_A_PUBLIC_KEY)?;
    let mut peer = PeerStatus {
        public_key: PublicKey::from_bytes(*octets(public_key.value())?),
        preshared_key: PresharedKey::default(),
        endpoint: None,
        last_handshake: Duration::ZERO,
        rx_bytes: 0,
        tx_bytes: 0,
        persistent_keepalive_interval: 0,
        allowed_ips: Vec::new(),
        probe_address: None,
        path_mtu: None,
    };
    for attribute in attributes(body, 0) {
        let value = attribute.value();
        match attribute.kind() {
            WGPEER_A_PRESHARED_KEY => peer.preshared_key = PresharedKey::from(octets(value)?),
            WGPEER_A_ENDPOINT => peer.endpoint = parse_endpoint(value),
            WGPEER_A_LAST_HANDSHAKE_TIME => peer.last_handshake = parse_time(value)?,
            WGPEER_A_RX_BYTES => set(&mut peer.rx_bytes, value, u64::from_ne_bytes),
            WGPEER_A_TX_BYTES => set(&mut peer.tx_bytes, value, u64::from_ne_bytes),
            WGPEER_A_PERSISTENT_KEEPALIVE_INTERVAL => {
                set(&mut peer.persistent_keepalive_interval, value, u16::from_ne_bytes);
            }
            WGPEER_A_ALLOWEDIPS => {
                peer.allowed_ips.extend(attributes(value, 0).filter_map(|ip| parse_allowed_ip(ip.value())));
            }
            _ => {}
        }
    }
    Some(peer)
}

/// Keys are parsed in place: a secret is copied only to its final memory.
fn octets(value: &[u8]) -> Option<&[u8; KEY_BYTES]> {
    value.try_into().ok()
}

fn set<T, const N: usize>(field: &mut T, value: &[u8], number: fn([u8; N]) -> T) {
    if let Ok(octets) = value.try_into() {
        *field = number(octets);
    }
}

/// Parse a `struct sockaddr_in` or `sockaddr_in6`.
pub(super) fn parse_endpoint(value: &[u8]) -> Option<SocketAddr> {
    let port = u16::from_be_bytes(part(value, 2)?);
    match u16::from_ne_bytes(part(value, 0)?) {
        AF_INET => Some((Ipv4Addr::from(part::<4>(value, 4)?), port).into()),
        AF_INET6 => {
            let flow = u32::from_be_bytes(part(value, 4)?);
            let zone = u32::from_ne_bytes(part(value, 24)?);
            Some(SocketAddrV6::new(Ipv6Addr::from(part::<16>(value, 8)?), port, flow, zone).into())
        }
        _ => None,
    }
}

/// Parse a `struct __kernel_timespec` since the Unix epoch.
fn parse_time(value: &[u8]) -> Option<Duration> {
    let seconds = i64::from_ne_bytes(part(value, 0)?);
    let nanoseconds = i64::from_ne_bytes(part(value, 8)?);
    Some(Duration::new(seconds.try_into().ok()?, nanoseconds.try_into().ok()?))
}

fn parse_allowed_ip(body: &[u8]) -> Option<IpNet> {
    let find = |kind| attributes(body, 0).find(|attribute| attribute.kind() == kind);
    let address: IpAddr = parse_ip(find(WGALLOWEDIP_A_IPADDR)?.value()).ok()?;
    IpNet::new(address, *find(WGALLOWEDIP_A_CIDR_MASK)?.value().first()?).ok()
}

/// Return `N` octets of a structure.
fn part<const N: usize>(octets: &[u8], at: usize) -> Option<[u8; N]> {
    octets.get(at..at + N)?.try_into().ok()
}

#[cfg(test)]
mod tests;
