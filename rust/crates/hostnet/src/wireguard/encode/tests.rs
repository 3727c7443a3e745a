//! Encoded messages parse to the change they came from, however many there are.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::attribute::BODY_BYTES;
use crate::socket::attributes;
use crate::wireguard::constants::{GENERIC_HEADER_BYTES, WGALLOWEDIP_A_FAMILY};
use ipnet::IpNet;
use proto::key::{PresharedKey, PrivateKey, PublicKey};

type Attribute = (u16, Vec<u8>);

/// Return the attributes of a nest; fail on octets that belong to none.
fn read(octets: &[u8]) -> Vec<Attribute> {
    let all: Vec<_> = attributes(octets, 0).map(|found| (found.kind(), found.value().to_vec())).collect();
    let read: usize = all.iter().map(|(_, value)| (HEAD_BYTES + value.len()).next_multiple_of(4)).sum();
    assert_eq!(read, octets.len());
    all
}

fn value(all: &[Attribute], kind: u16) -> Option<&[u8]> {
    all.iter().find(|(found, _)| *found == kind).map(|(_, value)| value.as_slice())
}

fn number<const N: usize>(all: &[Attribute], kind: u16) -> Option<[u8; N]> {
    value(all, kind).map(|value| value.try_into().unwrap())
}

fn flags(all: &[Attribute], kind: u16) -> u32 {
    number(all, kind).map_or(0, u32::from_ne_bytes)
}

fn read_allowed_ip(octets: &[u8]) -> AllowedIpChange {
    let all = read(octets);
    let address = netlink_packet_core::parse_ip(value(&all, WGALLOWEDIP_A_IPADDR).unwrap()).unwrap();
    let family = if address.is_ipv4() { AF_INET } else { AF_INET6 };
    assert_eq!(number(&all, WGALLOWEDIP_A_FAMILY).map(u16::from_ne_bytes), Some(family));
    let prefix = IpNet::new(address, number::<1>(&all, WGALLOWEDIP_A_CIDR_MASK).unwrap()[0]).unwrap();
    match flags(&all, WGALLOWEDIP_A_FLAGS) {
        0 => AllowedIpChange::Add(prefix),
        WGALLOWEDIP_F_REMOVE_ME => AllowedIpChange::Remove(prefix),
        other => panic!("flags {other}"),
    }
}

fn read_endpoint(octets: &[u8]) -> SocketAddr {
    crate::wireguard::parse::parse_endpoint(octets).unwrap()
}

fn read_peer(octets: &[u8]) -> PeerChange {
    let all = read(octets);
    let flags = flags(&all, WGPEER_A_FLAGS);
    let key = |kind| number::<KEY_BYTES>(&all, kind);
    PeerChange {
        remove: flags & WGPEER_F_REMOVE_ME != 0,
        update_only: flags & WGPEER_F_UPDATE_ONLY != 0,
        preshared_key: key(WGPEER_A_PRESHARED_KEY).map(PresharedKey::from_bytes),
        endpoint: value(&all, WGPEER_A_ENDPOINT).map(read_endpoint),
        persistent_keepalive_interval: number(&all, WGPEER_A_PERSISTENT_KEEPALIVE_INTERVAL).map(u16::from_ne_bytes),
        replace_allowed_ips: flags & WGPEER_F_REPLACE_ALLOWEDIPS != 0,
        allowed_ips: value(&all, WGPEER_A_ALLOWEDIPS)
            .map(|list| read(list).iter().map(|(_, ip)| read_allowed_ip(ip)).collect())
            .unwrap_or_default(),
        ..PeerChange::new(PublicKey::from_bytes(key(WGPEER_A_PUBLIC_KEY).unwrap()))
    }
}

/// Return the change that a kernel understands: a repeated peer only has more allowed IPs.
fn read_back(parts: &[Part]) -> InterfaceChange {
    let mut change = InterfaceChange::default();
    for part in parts {
        let octets = part.body.octets();
        assert!(octets.len() <= BODY_BYTES, "{} octets", octets.len());
        assert_eq!(octets[..GENERIC_HEADER_BYTES], [WG_CMD_SET_DEVICE, 1, 0, 0]);
        let all = read(&octets[GENERIC_HEADER_BYTES..]);
        assert_eq!(value(&all, WGDEVICE_A_IFNAME), Some(&b"wg0\0"[..]));
        change.listen_port = number(&all, WGDEVICE_A_LISTEN_PORT).map(u16::from_ne_bytes).or(change.listen_port);
        change.fwmark = number(&all, WGDEVICE_A_FWMARK).map(u32::from_ne_bytes).or(change.fwmark);
        change.replace_peers |= flags(&all, WGDEVICE_A_FLAGS) == WGDEVICE_F_REPLACE_PEERS;
        if let Some(key) = number::<KEY_BYTES>(&all, WGDEVICE_A_PRIVATE_KEY) {
            change.private_key = Some((key != [0; KEY_BYTES]).then(|| PrivateKey::from_bytes(key)));
        }
        for (_, peer) in value(&all, WGDEVICE_A_PEERS).map(read).unwrap_or_default() {
            let peer = read_peer(&peer);
            match change.peers.last_mut() {
                Some(last) if last.public_key == peer.public_key => {
                    let expected = PeerChange { update_only: true, ..PeerChange::new(peer.public_key) };
                    assert_eq!(PeerChange { allowed_ips: Vec::new(), ..peer.clone() }, expected);
                    assert!(!peer.allowed_ips.is_empty());
                    last.allowed_ips.extend(peer.allowed_ips);
                }
                _ => change.peers.push(peer),
            }
        }
    }
    change
}

fn prefixes() -> impl Strategy<Value = IpNet> {
    let v4 = (any::<[u8; 4]>(), 0u8..=32).prop_map(|(octets, length)| IpNet::new(octets.into(), length));
    let v6 = (any::<[u8; 16]>(), 0u8..=128).prop_map(|(octets, length)| IpNet::new(octets.into(), length));
    prop_oneof![v4, v6].prop_map(|prefix| prefix.unwrap().trunc())
}

fn allowed_ips() -> impl Strategy<Value = Vec<AllowedIpChange>> {
    let add = prefixes().prop_map(AllowedIpChange::Add);
    let either = prop_oneof![9 => add, 1 => prefixes().prop_map(AllowedIpChange::Remove)];
    // A message holds about five hundred.
    prop_oneof![4 => vec(either.clone(), 0..8), 1 => vec(either, 400..1800)]
}

prop_compose! {
    fn peers()(
        remove in prop::bool::weighted(0.1),
        update_only: bool,
        preshared_key in any::<Option<[u8; KEY_BYTES]>>(),
        endpoint in any::<Option<SocketAddr>>(),
        persistent_keepalive_interval: Option<u16>,
        replace_allowed_ips: bool,
        allowed_ips in allowed_ips(),
    ) -> PeerChange {
        PeerChange {
            remove,
            update_only,
            preshared_key: preshared_key.map(PresharedKey::from_bytes),
            endpoint,
            persistent_keepalive_interval,
            replace_allowed_ips,
            allowed_ips: if remove { Vec::new() } else { allowed_ips },
            ..PeerChange::new(PublicKey::from_bytes([0; KEY_BYTES]))
        }
    }
}

prop_compose! {
    fn changes()(
        private_key in any::<Option<Option<[u8; KEY_BYTES]>>>(),
        listen_port: Option<u16>,
        fwmark: Option<u32>,
        replace_peers: bool,
        mut peers in prop_oneof![vec(peers(), 0..6), vec(peers(), 100..300)],
    ) -> InterfaceChange {
        for (number, peer) in peers.iter_mut().enumerate() {
            let mut key = [7; KEY_BYTES];
            key[..8].copy_from_slice(&number.to_ne_bytes());
            peer.public_key = PublicKey::from_bytes(key);
        }
        let private_key = private_key.map(|key| key.map(PrivateKey::from_bytes));
        InterfaceChange { private_key, listen_port, fwmark, replace_peers, peers, ..InterfaceChange::default() }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn encoded_messages_parse_to_the_change(change in changes()) {
        prop_assert_eq!(read_back(&parts("wg0", &change)), change);
    }
}

#[test]
fn the_port_goes_first_and_alone() {
    let peers = vec![PeerChange::new(PublicKey::from_bytes([7; KEY_BYTES]))];
    let change = InterfaceChange { listen_port: Some(51820), fwmark: Some(1), peers, ..InterfaceChange::default() };
    let parts = parts("wg0", &change);
    assert_eq!(
        parts.iter().map(|part| part.what.as_str()).collect::<Vec<_>>(),
        ["the port 51820", "keys, mark and peers"]
    );
    assert_eq!(read_back(&parts[..1]), InterfaceChange { listen_port: Some(51820), ..InterfaceChange::default() });
}

#[test]
fn an_empty_change_needs_no_message() {
    assert!(parts("wg0", &InterfaceChange::default()).is_empty());
}

#[test]
fn the_longest_peer_and_allowed_ip_have_the_maximum_size() {
    let mut body = command(WG_CMD_SET_DEVICE);
    let peer = PeerChange {
        remove: true,
        preshared_key: Some(PresharedKey::default()),
        endpoint: Some("[2001:db8::1]:1".parse().unwrap()),
        persistent_keepalive_interval: Some(1),
        ..PeerChange::new(PublicKey::from_bytes([7; KEY_BYTES]))
    };
    let before = body.room();
    let (nest, ip) = (body.begin_nest(0), AllowedIpChange::Remove("2001:db8::/32".parse().unwrap()));
    put_peer(&mut body, &peer);
    let list = body.begin_nest(WGPEER_A_ALLOWEDIPS);
    assert_eq!(before - body.room(), PEER_BYTES);
    put_allowed_ip(&mut body, ip);
    assert_eq!(before - body.room(), PEER_BYTES + ALLOWED_IP_BYTES);
    body.end(list);
    body.end(nest);
}
