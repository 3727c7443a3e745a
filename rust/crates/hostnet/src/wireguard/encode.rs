//! Encodes a change as messages of WG_CMD_SET_DEVICE, each within the size that the kernel accepts.

use std::net::{IpAddr, SocketAddr};

use proto::change::{AllowedIpChange, InterfaceChange, PeerChange};
use proto::key::KEY_BYTES;

use super::constants::{
    AF_INET, AF_INET6, GENERIC_VERSION, WG_CMD_SET_DEVICE, WGALLOWEDIP_A_CIDR_MASK, WGALLOWEDIP_A_FAMILY,
    WGALLOWEDIP_A_FLAGS, WGALLOWEDIP_A_IPADDR, WGALLOWEDIP_F_REMOVE_ME, WGDEVICE_A_FLAGS, WGDEVICE_A_FWMARK,
    WGDEVICE_A_IFNAME, WGDEVICE_A_LISTEN_PORT, WGDEVICE_A_PEERS, WGDEVICE_A_PRIVATE_KEY, WGDEVICE_F_REPLACE_PEERS,
    WGPEER_A_ALLOWEDIPS, WGPEER_A_ENDPOINT, WGPEER_A_FLAGS, WGPEER_A_PERSISTENT_KEEPALIVE_INTERVAL,
    WGPEER_A_PRESHARED_KEY, WGPEER_A_PUBLIC_KEY, WGPEER_F_REMOVE_ME, WGPEER_F_REPLACE_ALLOWEDIPS, WGPEER_F_UPDATE_ONLY,
};
use crate::attribute::{HEAD_BYTES, Nest, Writer};

/// Size of `struct sockaddr_in6`, the longest address.
const ENDPOINT_BYTES: usize = 28;
/// The maximum size of a peer without its allowed IPs: its head, two keys, endpoint, three small attributes, and the
/// head of the allowed IPs.
const PEER_BYTES: usize = 7 * HEAD_BYTES + 2 * KEY_BYTES + ENDPOINT_BYTES + 2 * 4;
/// The maximum size of an allowed IP: five heads, an address, three small attributes.
const ALLOWED_IP_BYTES: usize = 5 * HEAD_BYTES + 16 + 3 * 4;

/// One message, and the description of what it sets, for an error.
pub(super) struct Part {
    pub(super) what: String,
    pub(super) body: Writer,
}

/// Return the messages in the order in which they are to be sent.
///
/// The kernel applies the attributes of a message one after the other and stops at the first that it rejects. It may
/// reject the port, so the port is sent first and alone.
pub(super) fn parts(name: &str, change: &InterfaceChange) -> Vec<Part> {
    let port = change.listen_port.map(|port| {
        let mut body = begin(name);
        body.put(WGDEVICE_A_LISTEN_PORT, &port.to_ne_bytes());
        Part { what: format!("the port {port}"), body }
    });
    let mut parts = Parts { name, done: Vec::from_iter(port), body: begin(name), peers: None };
    put_device(&mut parts.body, change);
    change.peers.iter().for_each(|peer| parts.peer(peer));
    parts.flush();
    parts.done
}

struct Parts<'a> {
    name: &'a str,
    done: Vec<Part>,
    body: Writer,
    /// The list of peers in `body`, once it has been started.
    peers: Option<Nest>,
}

impl Parts<'_> {
    /// Write a peer; allowed IPs that do not fit go into further messages.
    fn peer(&mut self, peer: &PeerChange) {
        let mut allowed_ips = if peer.remove { &[][..] } else { &peer.allowed_ips };
        let mut put_head: fn(&mut Writer, &PeerChange) = put_peer;
        loop {
            self.make_room();
            let nest = self.body.begin_nest(0);
            put_head(&mut self.body, peer);
            allowed_ips = put_allowed_ips(&mut self.body, allowed_ips);
            self.body.end(nest);
            if allowed_ips.is_empty() {
                return;
            }
            put_head = put_peer_again;
        }
    }

    /// Ensure space for a peer with one allowed IP in a list of peers.
    fn make_room(&mut self) {
        if self.body.room() < HEAD_BYTES + PEER_BYTES + ALLOWED_IP_BYTES {
            self.flush();
        }
        if self.peers.is_none() {
            self.peers = Some(self.body.begin_nest(WGDEVICE_A_PEERS));
        }
    }

    /// End the message if it is not empty, and start the next one.
    fn flush(&mut self) {
        if let Some(peers) = self.peers.take() {
            self.body.end(peers);
        }
        let next = begin(self.name);
        if self.body.octets().len() > next.octets().len() {
            let body = std::mem::replace(&mut self.body, next);
            self.done.push(Part { what: "keys, mark and peers".into(), body });
        }
    }
}

/// Return the body of a command (struct genlmsghdr).
pub(super) fn command(command: u8) -> Writer {
    Writer::new([command, GENERIC_VERSION, 0, 0])
}

fn begin(name: &str) -> Writer {
    let mut body = command(WG_CMD_SET_DEVICE);
    body.put_text(WGDEVICE_A_IFNAME, name);
    body
}

fn put_device(body: &mut Writer, change: &InterfaceChange) {
    if change.replace_peers {
        body.put(WGDEVICE_A_FLAGS, &WGDEVICE_F_REPLACE_PEERS.to_ne_bytes());
    }
    if let Some(key) = &change.private_key {
        // All zero removes the key.
        body.put(WGDEVICE_A_PRIVATE_KEY, key.as_ref().map_or(&[0; KEY_BYTES], |key| key.as_bytes()));
    }
    if let Some(fwmark) = change.fwmark {
        body.put(WGDEVICE_A_FWMARK, &fwmark.to_ne_bytes());
    }
}

/// Write a peer without its allowed IPs.
fn put_peer(body: &mut Writer, peer: &PeerChange) {
    let flags = [
        (peer.remove, WGPEER_F_REMOVE_ME),
        (peer.update_only, WGPEER_F_UPDATE_ONLY),
        (peer.replace_allowed_ips, WGPEER_F_REPLACE_ALLOWEDIPS),
    ];
    put_named(body, peer, flags.iter().filter(|(set, _)| *set).fold(0, |all, (_, flag)| all | flag));
    if let Some(key) = &peer.preshared_key {
        body.put(WGPEER_A_PRESHARED_KEY, key.as_bytes());
    }
    if let Some(endpoint) = peer.endpoint {
        put_endpoint(body, endpoint);
    }
    if let Some(seconds) = peer.persistent_keepalive_interval {
        body.put(WGPEER_A_PERSISTENT_KEEPALIVE_INTERVAL, &seconds.to_ne_bytes());
    }
}

/// Write the same peer in a further message: it exists by then, unless the first message was not to create it.
fn put_peer_again(body: &mut Writer, peer: &PeerChange) {
    put_named(body, peer, WGPEER_F_UPDATE_ONLY);
}

fn put_named(body: &mut Writer, peer: &PeerChange, flags: u32) {
    body.put(WGPEER_A_PUBLIC_KEY, peer.public_key.as_bytes());
    if flags != 0 {
        body.put(WGPEER_A_FLAGS, &flags.to_ne_bytes());
    }
}

/// Encode a `struct sockaddr_in` or `sockaddr_in6`.
pub(super) fn put_endpoint(body: &mut Writer, endpoint: SocketAddr) {
    let mut octets = Vec::with_capacity(ENDPOINT_BYTES);
    match endpoint {
        SocketAddr::V4(address) => {
            octets.extend(AF_INET.to_ne_bytes());
            octets.extend(address.port().to_be_bytes());
            octets.extend(address.ip().octets());
            octets.extend([0; 8]);
        }
        SocketAddr::V6(address) => {
            octets.extend(AF_INET6.to_ne_bytes());
            octets.extend(address.port().to_be_bytes());
            octets.extend(address.flowinfo().to_be_bytes());
            octets.extend(address.ip().octets());
            octets.extend(address.scope_id().to_ne_bytes());
        }
    }
    body.put(WGPEER_A_ENDPOINT, &octets);
}

/// Write as many allowed IPs as fit, and return the others.
fn put_allowed_ips<'a>(body: &mut Writer, allowed_ips: &'a [AllowedIpChange]) -> &'a [AllowedIpChange] {
    if allowed_ips.is_empty() {
        return allowed_ips;
    }
    let list = body.begin_nest(WGPEER_A_ALLOWEDIPS);
    let (now, later) = allowed_ips.split_at(allowed_ips.len().min(body.room() / ALLOWED_IP_BYTES));
    now.iter().for_each(|allowed_ip| put_allowed_ip(body, *allowed_ip));
    body.end(list);
    later
}

fn put_allowed_ip(body: &mut Writer, change: AllowedIpChange) {
    let (prefix, flags) = match change {
        AllowedIpChange::Add(prefix) => (prefix, None),
        AllowedIpChange::Remove(prefix) => (prefix, Some(WGALLOWEDIP_F_REMOVE_ME)),
    };
    let nest = body.begin_nest(0);
    match prefix.network() {
        IpAddr::V4(address) => {
            body.put(WGALLOWEDIP_A_FAMILY, &AF_INET.to_ne_bytes());
            body.put(WGALLOWEDIP_A_IPADDR, &address.octets());
        }
        IpAddr::V6(address) => {
            body.put(WGALLOWEDIP_A_FAMILY, &AF_INET6.to_ne_bytes());
            body.put(WGALLOWEDIP_A_IPADDR, &address.octets());
        }
    }
    body.put(WGALLOWEDIP_A_CIDR_MASK, &[prefix.prefix_len()]);
    if let Some(flags) = flags {
        body.put(WGALLOWEDIP_A_FLAGS, &flags.to_ne_bytes());
    }
    body.end(nest);
}

#[cfg(test)]
mod tests;
