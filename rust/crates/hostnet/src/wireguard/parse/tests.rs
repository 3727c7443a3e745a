//! Responses of a kernel, split into messages at any point, and arbitrary octets.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::attribute::Writer;
use crate::wireguard::constants::{GENERIC_HEADER_BYTES, WG_CMD_GET_DEVICE, WGALLOWEDIP_A_FAMILY};
use crate::wireguard::encode::command;

fn status() -> InterfaceStatus {
    let peer = |number: u8, allowed_ips: &[&str]| PeerStatus {
        public_key: PublicKey::from_bytes([number; KEY_BYTES]),
        preshared_key: PresharedKey::from_bytes([number - 1; KEY_BYTES]),
        endpoint: ["192.0.2.1:1", "[2001:db8::1]:51820"].get(usize::from(number) - 1).map(|text| text.parse().unwrap()),
        last_handshake: Duration::new(u64::from(number) << 32, 7),
        rx_bytes: u64::MAX,
        tx_bytes: 3,
        persistent_keepalive_interval: 25,
        allowed_ips: allowed_ips.iter().map(|text| text.parse().unwrap()).collect(),
        probe_address: None,
        path_mtu: None,
    };
    InterfaceStatus {
        private_key: Some(PrivateKey::from_bytes([9; KEY_BYTES])),
        listen_port: 51820,
        fwmark: 0xca6c,
        peers: vec![
            peer(1, &["10.0.0.0/8", "fd00::/8", "192.0.2.7/32", "0.0.0.0/0"]),
            peer(2, &[]),
            peer(3, &["::/0", "10.1.0.0/16"]),
        ],
        ..InterfaceStatus::default()
    }
}

fn begin() -> Writer {
    command(WG_CMD_GET_DEVICE)
}

/// Split the status like the kernel (wg_get_device_dump), with space for `room` allowed IPs in each message.
fn dump(status: &InterfaceStatus, room: usize) -> Vec<Writer> {
    let mut body = begin();
    body.put(WGDEVICE_A_LISTEN_PORT, &status.listen_port.to_ne_bytes());
    body.put(WGDEVICE_A_FWMARK, &status.fwmark.to_ne_bytes());
    body.put(WGDEVICE_A_PRIVATE_KEY, status.private_key.as_ref().unwrap().as_bytes());
    let mut messages = vec![body];
    for peer in &status.peers {
        let mut lists = peer.allowed_ips.chunks(room);
        put_peer(messages.last_mut().unwrap(), peer, true, lists.next().unwrap_or_default());
        for list in lists {
            messages.push(begin());
            put_peer(messages.last_mut().unwrap(), peer, false, list);
        }
    }
    messages
}

fn put_peer(body: &mut Writer, peer: &PeerStatus, first: bool, allowed_ips: &[IpNet]) {
    let (list, nest) = (body.begin_nest(WGDEVICE_A_PEERS), body.begin_nest(0));
    body.put(WGPEER_A_PUBLIC_KEY, peer.public_key.as_bytes());
    if first {
        body.put(WGPEER_A_PRESHARED_KEY, peer.preshared_key.as_bytes());
        let time = [peer.last_handshake.as_secs() as i64, i64::from(peer.last_handshake.subsec_nanos())];
        body.put(WGPEER_A_LAST_HANDSHAKE_TIME, &time.map(i64::to_ne_bytes).concat());
        body.put(WGPEER_A_PERSISTENT_KEEPALIVE_INTERVAL, &peer.persistent_keepalive_interval.to_ne_bytes());
        body.put(WGPEER_A_TX_BYTES, &peer.tx_bytes.to_ne_bytes());
        body.put(WGPEER_A_RX_BYTES, &peer.rx_bytes.to_ne_bytes());
        if let Some(endpoint) = peer.endpoint {
            crate::wireguard::encode::put_endpoint(body, endpoint);
        }
    }
    let ips = body.begin_nest(WGPEER_A_ALLOWEDIPS);
    for prefix in allowed_ips {
        let ip = body.begin_nest(0);
        body.put(WGALLOWEDIP_A_CIDR_MASK, &[prefix.prefix_len()]);
        match prefix.addr() {
            IpAddr::V4(address) => body.put(WGALLOWEDIP_A_IPADDR, &address.octets()),
            IpAddr::V6(address) => body.put(WGALLOWEDIP_A_IPADDR, &address.octets()),
        }
        body.put(WGALLOWEDIP_A_FAMILY, &[0, 0]);
        body.end(ip);
    }
    body.end(ips);
    body.end(nest);
    body.end(list);
}

#[test]
fn split_messages_give_one_status() {
    for room in 1..5 {
        let mut found = InterfaceStatus::default();
        for message in dump(&status(), room) {
            fold(&mut found, &message.octets()[GENERIC_HEADER_BYTES..]);
        }
        assert_eq!(found, status(), "{room} allowed IPs in each message");
    }
}

#[test]
fn an_interface_without_a_key_has_none() {
    let mut body = begin();
    body.put(WGDEVICE_A_LISTEN_PORT, &1u16.to_ne_bytes());
    let mut found = InterfaceStatus::default();
    fold(&mut found, &body.octets()[GENERIC_HEADER_BYTES..]);
    assert_eq!(found, InterfaceStatus { listen_port: 1, ..InterfaceStatus::default() });
}

proptest! {
    #[test]
    fn arbitrary_octets_parse_without_panic(octets in vec(any::<u8>(), 0..200), at in 0usize..2000, octet: u8) {
        fold(&mut InterfaceStatus::default(), &octets);
        let message = dump(&status(), 9).remove(0);
        let mut cut = message.octets()[GENERIC_HEADER_BYTES..].to_vec();
        let at = at % cut.len();
        cut[at] = octet;
        fold(&mut InterfaceStatus::default(), &cut);
        fold(&mut InterfaceStatus::default(), &cut[..at]);
    }
}
