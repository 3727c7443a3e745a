//! The text of the UAPI: requests of `wg`, errors, and the round trip of text and values.
#![allow(clippy::unwrap_used)]

use std::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::time::Duration;

use device::uapi::{ParseError, Problem, format, parse};
use ipnet::IpNet;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proto::change::{AllowedIpChange, InterfaceChange, PeerChange};
use proto::key::{PresharedKey, PrivateKey, PublicKey};
use proto::status::{InterfaceStatus, OffloadOff, PathMtu, PathMtuUnknown, PeerStatus};

fn eth0_is_7(name: &str) -> Option<u32> {
    (name == "eth0").then_some(7)
}

fn parse_change(text: &str) -> Result<InterfaceChange, ParseError> {
    parse::change(text.as_bytes(), &eth0_is_7)
}

fn refused(text: &str) -> String {
    parse_change(text).unwrap_err().to_string()
}

/// Parse a peer with one more line.
fn peer_with(line: &str) -> Result<PeerChange, ParseError> {
    parse_change(&format!("public_key={}\n{line}\n", "ab".repeat(32))).map(|mut change| change.peers.remove(0))
}

#[test]
fn a_request_of_wg_setconf_is_parsed() {
    let (own, one, two, psk) = ("11".repeat(32), "22".repeat(32), "33".repeat(32), "44".repeat(32));
    let text = format!(
        "private_key={own}\nlisten_port=51820\nfwmark=51820\nreplace_peers=true\n\
         public_key={one}\npreshared_key={psk}\nendpoint=[fe80::1%eth0]:51820\npersistent_keepalive_interval=25\n\
         replace_allowed_ips=true\nallowed_ip=10.0.0.7/24\nallowed_ip=fd00::/8\npublic_key={two}\nremove=true\n"
    );
    let first = PeerChange {
        preshared_key: Some(PresharedKey::from_hex(&psk).unwrap()),
        endpoint: Some(SocketAddrV6::new("fe80::1".parse().unwrap(), 51820, 0, 7).into()),
        persistent_keepalive_interval: Some(25),
        replace_allowed_ips: true,
        allowed_ips: ["10.0.0.0/24", "fd00::/8"].map(|prefix| AllowedIpChange::Add(prefix.parse().unwrap())).to_vec(),
        ..PeerChange::new(PublicKey::from_hex(&one).unwrap())
    };
    let second = PeerChange { remove: true, ..PeerChange::new(PublicKey::from_hex(&two).unwrap()) };
    let expected = InterfaceChange {
        private_key: Some(Some(PrivateKey::from_hex(&own).unwrap())),
        listen_port: Some(51820),
        fwmark: Some(51820),
        probe_sources: None,
        replace_peers: true,
        peers: vec![first, second],
    };
    assert_eq!(parse_change(&text), Ok(expected));
}

#[test]
fn an_empty_or_zero_private_key_removes_it() {
    for text in ["private_key=\n".to_owned(), format!("private_key={}\n", "0".repeat(64))] {
        assert_eq!(parse_change(&text).unwrap().private_key, Some(None));
    }
    assert_eq!(parse_change("").unwrap().private_key, None);
}

#[test]
fn an_empty_or_zero_fwmark_is_none() {
    assert_eq!(parse_change("fwmark=\n").unwrap().fwmark, Some(0));
    assert_eq!(parse_change("fwmark=0\n").unwrap().fwmark, Some(0));
}

#[test]
fn a_prefix_is_masked_and_can_be_removed() {
    let peer = peer_with("allowed_ip=-10.1.2.3/8\nallowed_ip=fd00::1/64").unwrap();
    let expected =
        [AllowedIpChange::Remove("10.0.0.0/8".parse().unwrap()), AllowedIpChange::Add("fd00::/64".parse().unwrap())];
    assert_eq!(peer.allowed_ips, expected);
}

#[test]
fn replacing_allowed_ips_undoes_the_lines_before_it() {
    let peer = peer_with("allowed_ip=10.0.0.0/8\nreplace_allowed_ips=true\nallowed_ip=11.0.0.0/8").unwrap();
    assert_eq!(peer.allowed_ips, [AllowedIpChange::Add("11.0.0.0/8".parse().unwrap())]);
}

#[test]
fn endpoints_are_parsed_and_formatted() {
    let good = [("192.0.2.1:5", "192.0.2.1:5"), ("[::1]:5", "[::1]:5"), ("[fe80::1%3]:5", "[fe80::1%3]:5")];
    for (text, endpoint) in good {
        let expected: SocketAddr = endpoint.parse().unwrap();
        assert_eq!(peer_with(&format!("endpoint={text}")).unwrap().endpoint, Some(expected));
    }
    let bad = ["", "1.2.3.4", "1.2.3.4:", "1.2.3.4:65536", "1.2.3.4:+5", "::1:5", "[1.2.3.4]:5", "[::1]:", "[::1]5"];
    let bad_scopes = ["[fe80::1%]:5", "[fe80::1%none]:5", "[fe80::1%4294967296]:5", "host:5"];
    for text in bad.iter().chain(&bad_scopes) {
        assert!(peer_with(&format!("endpoint={text}")).is_err(), "{text}");
    }
}

#[test]
fn the_probing_of_paths_is_turned_on_and_off() {
    let on = parse_change("warren_probe_sources=10.0.0.1 fd00::1\n").unwrap();
    let sources: [IpAddr; 2] = ["10.0.0.1", "fd00::1"].map(|text| text.parse().unwrap());
    assert_eq!(on.probe_sources.as_deref(), Some(sources.as_slice()));
    assert_eq!(parse_change("warren_probe_sources=\n").unwrap().probe_sources, Some(vec![]));
    assert_eq!(peer_with("warren_probe_address=10.0.0.2").unwrap().probe_address, Some("10.0.0.2".parse().ok()));
    assert_eq!(peer_with("warren_probe_address=").unwrap().probe_address, Some(None));
}

#[test]
fn a_status_without_probing_has_no_line_about_it() {
    let mut status = parse::status(format!("public_key={}\n", "ab".repeat(32)).as_bytes()).unwrap();
    let mut text = Vec::new();
    format::status(&status, &mut text).unwrap();
    assert!(!String::from_utf8(text).unwrap().contains("warren_"));
    status.peers[0].path_mtu = Some(PathMtu::Unknown(PathMtuUnknown::NoAnswer));
    let mut text = Vec::new();
    format::status(&status, &mut text).unwrap();
    assert!(text.ends_with(b"warren_path_mtu=unknown no_answer\n"));
}

#[test]
fn almost_valid_values_are_rejected() {
    let key = "ab".repeat(32);
    let interface = ["listen_port=65536", "listen_port=+1", "listen_port=", "fwmark=0x1", "fwmark=4294967296"];
    let more = ["replace_peers=false", "replace_peers=", "private_key=0", "protocol_version=1", " listen_port=1"];
    for line in interface.iter().chain(&more) {
        assert_eq!(parse_change(line).unwrap_err().errno(), 22, "{line}");
    }
    assert!(parse_change("warren_probe_sources=10.0.0.1,10.0.0.2").is_err());
    let peer = [
        "update_only=1",
        "warren_probe_address=10.0.0.2/32",
        "remove=false",
        "preshared_key=",
        "protocol_version=2",
        "listen_port=1",
    ];
    let prefixes = ["allowed_ip=10.0.0.0", "allowed_ip=10.0.0.0/33", "allowed_ip=/8", "allowed_ip=::/+1"];
    let odd = ["allowed_ip=--10.0.0.0/8", "allowed_ip=010.0.0.0/8", "errno=0", "rx_bytes=1", "remove=true\r"];
    for line in peer.iter().chain(&prefixes).chain(&odd) {
        assert_eq!(peer_with(line).unwrap_err().errno(), 22, "{line}");
    }
    assert!(parse_change(&format!("public_key={}", key.to_uppercase())).is_err());
}

#[test]
fn an_error_names_the_line_and_the_expected_value() {
    assert_eq!(
        refused("listen_port=1\nfwmark=x\n"),
        "line 3: fwmark: expected a decimal number from 0 to 4294967295, or empty for none"
    );
    assert_eq!(parse_change("listen_port\n").unwrap_err(), ParseError { line: 2, problem: Problem::NoEquals });
    assert_eq!(parse_change("listen_port\n").unwrap_err().errno(), 71);
}

#[test]
fn an_error_repeats_no_value() {
    let secret = "c2VjcmV0c2VjcmV0";
    let texts = [format!("private_key={secret}"), format!("{secret}={secret}"), secret.to_owned()];
    for text in texts.iter().cloned().chain(texts.iter().map(|text| format!("public_key={}\n{text}", "ab".repeat(32))))
    {
        let error = parse_change(&text).unwrap_err();
        assert!(!format!("{error} {error:?}").contains(secret), "{error}");
    }
}

#[test]
fn a_response_has_the_order_of_wireguard_go() {
    let peer = PeerStatus {
        public_key: PublicKey::from_bytes([0x22; 32]),
        preshared_key: PresharedKey::default(),
        endpoint: Some(SocketAddrV6::new(Ipv6Addr::LOCALHOST, 5, 0, 0).into()),
        last_handshake: Duration::new(1_700_000_000, 5),
        rx_bytes: 1,
        tx_bytes: u64::MAX,
        persistent_keepalive_interval: 25,
        allowed_ips: vec!["10.0.0.0/8".parse().unwrap()],
        probe_address: None,
        path_mtu: None,
    };
    let status = InterfaceStatus { listen_port: 51820, peers: vec![peer], ..InterfaceStatus::default() };
    let mut text = Vec::new();
    format::status(&status, &mut text).unwrap();
    let expected = format!(
        "listen_port=51820\npublic_key={}\npreshared_key={}\nprotocol_version=1\nendpoint=[::1]:5\n\
         last_handshake_time_sec=1700000000\nlast_handshake_time_nsec=5\ntx_bytes=18446744073709551615\nrx_bytes=1\n\
         persistent_keepalive_interval=25\nallowed_ip=10.0.0.0/8\n",
        "22".repeat(32),
        "00".repeat(32)
    );
    assert_eq!(String::from_utf8(text).unwrap(), expected);
}

#[test]
fn the_errno_of_a_response_is_parsed() {
    assert_eq!(parse::errno(b"listen_port=1\nerrno=0\n"), Ok(0));
    assert_eq!(parse::errno(b"errno=-22\n"), Ok(22));
    for text in [&b""[..], b"errno=x\n", b"errno=0\nlisten_port=1\n"] {
        assert!(parse::errno(text).is_err());
    }
}

#[test]
fn unknown_keys_of_a_response_are_ignored() {
    let text = format!("shoe_size=42\npublic_key={}\nhat_size=57\nrx_bytes=3\nerrno=0\n", "22".repeat(32));
    assert_eq!(parse::status(text.as_bytes()).unwrap().peers[0].rx_bytes, 3);
}

#[test]
fn the_largest_messages_are_accepted() {
    let prefixes = (0..130_560).map(|n| format!("allowed_ip={}/32\n", std::net::Ipv4Addr::from(n)));
    let peer = peer_with(prefixes.collect::<String>().trim_end()).unwrap();
    assert_eq!(peer.allowed_ips.len(), 130_560);
    let peers = (0..10_000).map(|n| format!("public_key={n:064x}\nallowed_ip=10.0.0.0/8\n"));
    assert_eq!(parse_change(&peers.collect::<String>()).unwrap().peers.len(), 10_000);
}

fn public_key() -> impl Strategy<Value = PublicKey> {
    any::<[u8; 32]>().prop_map(PublicKey::from_bytes)
}

fn private_key() -> impl Strategy<Value = PrivateKey> {
    any::<[u8; 32]>().prop_map(PrivateKey::from_bytes)
}

fn preshared_key() -> impl Strategy<Value = PresharedKey> {
    any::<[u8; 32]>().prop_map(PresharedKey::from_bytes)
}

fn endpoint() -> impl Strategy<Value = SocketAddr> {
    let scoped = (any::<Ipv6Addr>(), any::<u16>(), any::<u32>());
    prop_oneof![
        (any::<std::net::Ipv4Addr>(), any::<u16>()).prop_map(SocketAddr::from),
        scoped.prop_map(|(address, port, scope)| SocketAddrV6::new(address, port, 0, scope).into()),
    ]
}

fn prefix() -> impl Strategy<Value = IpNet> {
    (any::<IpAddr>(), 0u8..=128).prop_map(|(address, length)| {
        let most = if address.is_ipv4() { 32 } else { 128 };
        IpNet::new(address, length.min(most)).unwrap().trunc()
    })
}

fn allowed_ip_change() -> impl Strategy<Value = AllowedIpChange> {
    (any::<bool>(), prefix()).prop_map(
        |(add, prefix)| {
            if add { AllowedIpChange::Add(prefix) } else { AllowedIpChange::Remove(prefix) }
        },
    )
}

prop_compose! {
    fn peer_change()(
        public_key in public_key(),
        (remove, update_only, replace_allowed_ips) in any::<(bool, bool, bool)>(),
        preshared_key in option::of(preshared_key()),
        endpoint in option::of(endpoint()),
        persistent_keepalive_interval in any::<Option<u16>>(),
        allowed_ips in vec(allowed_ip_change(), 0..8),
        probe_address in any::<Option<Option<IpAddr>>>(),
    ) -> PeerChange {
        PeerChange {
            public_key, remove, update_only, preshared_key, endpoint, persistent_keepalive_interval,
            replace_allowed_ips, allowed_ips, probe_address,
        }
    }
}

prop_compose! {
    fn change()(
        private_key in option::of(option::of(private_key())),
        listen_port in any::<Option<u16>>(),
        fwmark in any::<Option<u32>>(),
        replace_peers in any::<bool>(),
        probe_sources in option::of(vec(any::<IpAddr>(), 0..4)),
        peers in vec(peer_change(), 0..6),
    ) -> InterfaceChange {
        InterfaceChange { private_key, listen_port, fwmark, replace_peers, probe_sources, peers }
    }
}

prop_compose! {
    fn peer_status()(
        public_key in public_key(),
        preshared_key in preshared_key(),
        endpoint in option::of(endpoint()),
        last_handshake in any::<Duration>(),
        (rx_bytes, tx_bytes, persistent_keepalive_interval) in any::<(u64, u64, u16)>(),
        allowed_ips in vec(prefix(), 0..8),
        (probe_address, path_mtu) in (any::<Option<IpAddr>>(), option::of(path_mtu())),
    ) -> PeerStatus {
        PeerStatus {
            public_key, preshared_key, endpoint, last_handshake, rx_bytes, tx_bytes,
            persistent_keepalive_interval, allowed_ips, probe_address, path_mtu,
        }
    }
}

fn path_mtu() -> impl Strategy<Value = PathMtu> {
    prop_oneof![
        any::<(u16, u64)>().prop_map(|(mtu, age_seconds)| PathMtu::Probed { mtu, age_seconds }),
        prop::sample::select(PathMtuUnknown::ALL.to_vec()).prop_map(PathMtu::Unknown),
    ]
}

prop_compose! {
    fn status()(
        private_key in option::of(private_key()),
        (listen_port, fwmark) in any::<(u16, u32)>(),
        peers in vec(peer_status(), 0..6),
        probe_sources in vec(any::<IpAddr>(), 0..4),
        offloads_off in vec(("[a-z_]{1,12}", "[ -~]{0,60}").prop_map(|(name, reason)| OffloadOff { name, reason }), 0..3),
    ) -> InterfaceStatus {
        InterfaceStatus { private_key, listen_port, fwmark, probe_sources, peers, offloads_off, ..InterfaceStatus::default() }
    }
}

/// Return a valid, almost valid or random line.
fn hostile_line() -> impl Strategy<Value = Vec<u8>> {
    let key = prop_oneof![
        Just("public_key"),
        Just("private_key"),
        Just("endpoint"),
        Just("allowed_ip"),
        Just("remove"),
        Just("listen_port"),
        Just("fwmark"),
        Just("last_handshake_time_sec"),
        Just("last_handshake_time_nsec"),
        Just(""),
    ];
    let value = prop_oneof!["[0-9a-f]{64}", "true", "[0-9]{0,20}", "\\PC{0,40}", "-?[0-9.:]{0,12}/[0-9]{0,3}"];
    prop_oneof![
        8 => (key, value).prop_map(|(key, value)| format!("{key}={value}\n").into_bytes()),
        1 => vec(any::<u8>(), 0..60),
    ]
}

proptest! {
    #[test]
    fn a_change_round_trips(change in change()) {
        let mut text = Vec::new();
        format::change(&change, &mut text).unwrap();
        prop_assert_eq!(parse::change(&text, &|_| None), Ok(change));
    }

    #[test]
    fn a_status_round_trips(status in status()) {
        let mut text = Vec::new();
        format::status(&status, &mut text).unwrap();
        prop_assert_eq!(parse::status(&text), Ok(status));
    }

    #[test]
    fn arbitrary_octets_parse_or_fail_in_one_of_their_lines(lines in vec(hostile_line(), 0..12)) {
        let text = lines.concat();
        let most = 2 + text.iter().filter(|octet| **octet == b'\n').count();
        if let Err(error) = parse::change(&text, &eth0_is_7) {
            prop_assert!((2..=most).contains(&error.line));
        }
        if let Err(error) = parse::status(&text) {
            prop_assert!((1..=most).contains(&error.line));
        }
    }
}
