//! Errors are built about packets of both families and read again.

use super::*;
use crate::packet::{Transport, parse};
use proptest::prelude::*;

const ERRORS: [Error; 8] = [
    Error::NetworkUnreachable,
    Error::HostUnreachable,
    Error::ProtocolUnreachable,
    Error::PortUnreachable,
    Error::Prohibited,
    Error::TimeExceeded,
    Error::ReassemblyTimeExceeded,
    Error::TooBig { mtu: 1380 },
];

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn udp(is_v6: bool, payload: &[u8]) -> Vec<u8> {
    let (source, destination) =
        if is_v6 { ("[fd00::2]:4660", "[2001:db8::1]:53") } else { ("10.0.0.2:4660", "192.0.2.1:53") };
    let original = Original::Udp { source: source.parse().unwrap(), destination: destination.parse().unwrap() };
    let mut out = Vec::new();
    original.write(payload, &mut out);
    out
}

fn router(is_v6: bool) -> IpAddr {
    ip(if is_v6 { "2001:db8::fe" } else { "198.51.100.1" })
}

#[test]
fn each_error_has_the_type_and_code_of_its_family() {
    let expected = [
        ([3, 0], [1, 0]),
        ([3, 1], [1, 3]),
        ([3, 2], [4, 1]),
        ([3, 3], [1, 4]),
        ([3, 13], [1, 1]),
        ([11, 0], [3, 0]),
        ([11, 1], [3, 1]),
        ([3, 4], [2, 0]),
    ];
    for (error, (v4, v6)) in ERRORS.into_iter().zip(expected) {
        for (is_v6, fields) in [(false, v4), (true, v6)] {
            let (about, mut out) = (udp(is_v6, &[1, 2, 3]), Vec::new());
            assert!(write_error(&parse(&about).unwrap(), error, router(is_v6), &mut out));
            let packet = parse(&out).unwrap();
            assert_eq!((packet.source, packet.destination), (router(is_v6), parse(&about).unwrap().source));
            let Ok(Transport::Icmp { kind, code, message }) = packet.transport() else { panic!() };
            assert_eq!(([kind, code], &message[8..]), (fields, &about[..]));
        }
    }
}

#[test]
fn the_number_behind_the_checksum_is_the_mtu_or_the_place_of_the_protocol() {
    let number = |is_v6, error| {
        let (about, mut out) = (udp(is_v6, &[]), Vec::new());
        assert!(write_error(&parse(&about).unwrap(), error, router(is_v6), &mut out));
        word(&out, if is_v6 { 44 } else { 24 })
    };
    assert_eq!(number(false, Error::TooBig { mtu: 1380 }), 1380);
    assert_eq!(number(true, Error::TooBig { mtu: 1380 }), 1380);
    assert_eq!(number(false, Error::TooBig { mtu: 70_000 }), 65_535);
    assert_eq!(number(true, Error::ProtocolUnreachable), 6);
    assert_eq!(number(false, Error::ProtocolUnreachable), 0);
    assert_eq!(number(false, Error::Other { kind: 12, code: 0, info: 0x0900_0000 }), 0x0900_0000);
}

#[test]
fn a_long_packet_is_quoted_up_to_the_longest_error() {
    for (is_v6, longest) in [(false, 576), (true, 1280)] {
        let (about, mut out) = (udp(is_v6, &[7; 3000]), Vec::new());
        assert!(write_error(&parse(&about).unwrap(), Error::PortUnreachable, router(is_v6), &mut out));
        assert_eq!(out.len(), longest);
        let Ok(Transport::Icmp { message, .. }) = parse(&out).unwrap().transport() else { panic!() };
        assert_eq!(read_error(is_v6, message).unwrap().ports(), Some((4660, 53)));
    }
}

/// Return a packet without transport, or with one octet of it.
fn plain(source: &str, destination: &str, protocol: u8, payload: &[u8]) -> Vec<u8> {
    let (source, destination) = (ip(source), ip(destination));
    let mut out = Vec::new();
    Header { source, destination, protocol, ttl: 9, tos: 0, dont_fragment: false }.write(payload.len(), &mut out);
    out.extend_from_slice(payload);
    out
}

#[test]
fn no_error_is_sent_about_what_must_not_cause_one() {
    let (mut first, mut later) = (plain("10.0.0.2", "192.0.2.1", 17, &[0; 8]), Vec::new());
    first[6..8].copy_from_slice(&[0x20, 0]);
    packet::seal(&mut first[..20], 8);
    later.extend_from_slice(&first);
    later[7] = 1;
    packet::seal(&mut later[..20], 8);
    let silent = [
        plain("10.0.0.2", "224.0.0.1", 17, &[]),
        plain("10.0.0.2", "255.255.255.255", 17, &[]),
        plain("0.0.0.0", "192.0.2.1", 17, &[]),
        plain("10.0.0.2", "192.0.2.1", 1, &[3, 0]),
        plain("10.0.0.2", "192.0.2.1", 1, &[5, 0]),
        plain("10.0.0.2", "192.0.2.1", 1, &[11, 0]),
        plain("10.0.0.2", "192.0.2.1", 1, &[]),
        plain("fd00::2", "ff02::1", 17, &[]),
        plain("::", "2001:db8::1", 17, &[]),
        plain("fd00::2", "2001:db8::1", 58, &[1]),
        plain("fd00::2", "2001:db8::1", 58, &[127]),
        plain("fd00::2", "2001:db8::1", 58, &[137]),
        later,
    ];
    let mut out = vec![1];
    for octets in silent {
        let about = parse(&octets).unwrap();
        assert!(!write_error(&about, Error::Prohibited, router(about.source.is_ipv6()), &mut out), "{octets:02x?}");
        assert!(out.is_empty());
    }
    let answered = [
        first,
        plain("10.0.0.2", "192.0.2.1", 1, &[8, 0]),
        plain("fd00::2", "2001:db8::1", 58, &[128]),
        plain("fd00::2", "2001:db8::1", 1, &[3]),
    ];
    for octets in answered {
        let about = parse(&octets).unwrap();
        assert!(write_error(&about, Error::Prohibited, router(about.source.is_ipv6()), &mut out), "{octets:02x?}");
    }
}

#[test]
fn a_restored_udp_header_whose_checksum_is_zero_has_ones_instead() {
    for (is_v6, place) in [(false, 26), (true, 46)] {
        let zero = udp(is_v6, &[0, 0]);
        // With its own checksum as the content the sum is complete, and its complement zero.
        let octets = udp(is_v6, &zero[place..place + 2]);
        assert_eq!(octets[place..place + 2], [0xff, 0xff]);
        assert!(matches!(parse(&octets).unwrap().transport(), Ok(Transport::Udp { .. })));
    }
}

#[test]
fn an_error_has_the_family_of_its_packet() {
    let (about, mut out) = (udp(false, &[]), Vec::new());
    assert!(!write_error(&parse(&about).unwrap(), Error::Prohibited, router(true), &mut out));
}

#[test]
fn the_original_header_of_an_echo_is_restored_for_an_error_from_outside() {
    for (source, destination) in [("10.0.0.2", "192.0.2.1"), ("fd00::2", "2001:db8::1")] {
        let original = Original::Echo { source: ip(source), destination: ip(destination), identifier: 7, sequence: 9 };
        let mut octets = Vec::new();
        original.write(b"ping", &mut octets);
        let packet = parse(&octets).unwrap();
        assert_eq!((packet.source, packet.destination), (ip(source), ip(destination)));
        let expected = Transport::EchoRequest { identifier: 7, sequence: 9, payload: b"ping" };
        assert_eq!(packet.transport(), Ok(expected));
        let mut out = Vec::new();
        assert!(write_error(&packet, Error::TimeExceeded, router(packet.source.is_ipv6()), &mut out));
    }
}

#[test]
fn an_echo_is_answered_from_the_address_that_was_asked() {
    for (source, destination) in [("10.0.0.2", "10.0.0.1"), ("fd00::2", "fd00::1")] {
        let original = Original::Echo { source: ip(source), destination: ip(destination), identifier: 7, sequence: 9 };
        let (mut octets, mut out) = (Vec::new(), Vec::new());
        original.write(b"ping", &mut octets);
        write_echo_reply(&parse(&octets).unwrap(), 7, 9, b"ping", &mut out);
        let reply = parse(&out).unwrap();
        assert_eq!((reply.source, reply.destination), (ip(destination), ip(source)));
        let Ok(Transport::Icmp { kind: 0 | 129, code: 0, message }) = reply.transport() else { panic!() };
        assert_eq!(message[4..], [0, 7, 0, 9, b'p', b'i', b'n', b'g']);
    }
}

#[test]
fn messages_that_are_not_errors_are_not_read() {
    let quoted = udp(false, &[]);
    let message = |kind: u8| [&[kind, 0, 0, 0, 0, 0, 0, 0][..], &quoted].concat();
    assert!(read_error(false, &message(3)).is_some());
    for kind in [0, 8, 13] {
        assert_eq!(read_error(false, &message(kind)), None);
    }
    assert_eq!(read_error(true, &message(1)), None, "an IPv4 packet in an error of IPv6");
    assert_eq!(read_error(false, &message(3)[..9]), None);
    assert_eq!(read_error(false, &[3; 7]), None);
}

#[test]
fn a_report_about_tcp_has_its_ports_and_sequence_number() {
    let quoted = plain("10.0.0.1", "10.0.0.2", 6, &[0, 80, 0x12, 0x34, 1, 2, 3, 4]);
    let message = [&[3, 4, 0, 0, 0, 0, 5, 0x64][..], &quoted].concat();
    let report = read_error(false, &message).unwrap();
    assert_eq!((report.error, report.ports()), (Error::TooBig { mtu: 1380 }, Some((80, 0x1234))));
    assert_eq!((report.sequence(), report.about.destination), (Some(0x0102_0304), ip("10.0.0.2")));
    let cut_off = read_error(false, &message[..8 + 20 + 3]).unwrap();
    assert_eq!((cut_off.ports(), cut_off.sequence()), (None, None));
}

#[test]
fn a_peer_is_sent_a_hundred_errors_in_a_second() {
    let (mut limit, start) = (Limit::default(), Duration::from_secs(9));
    assert_eq!((0..300).filter(|_| limit.allow(1, start)).count(), 100);
    assert!(limit.allow(2, start), "another peer has a credit of its own");
    let allowed = (0..2000).filter(|ms| limit.allow(1, start + Duration::from_millis(*ms))).count();
    assert_eq!(allowed, 199);
    let later = start + Duration::from_secs(3600);
    assert_eq!((0..300).filter(|_| limit.allow(1, later)).count(), 100, "a pause saves no more than a second");
    limit.remove(1);
    assert!(limit.allow(1, later), "a peer that comes again has a new credit");
}

#[test]
fn the_last_hop_is_not_used_up() {
    let mut octets = plain("fd00::2", "2001:db8::1", 99, &[]);
    for (ttl, next) in [(0, None), (1, None), (2, Some(1)), (255, Some(254))] {
        octets[7] = ttl;
        assert_eq!(next_ttl(&parse(&octets).unwrap()), next);
    }
}

proptest! {
    #[test]
    fn an_error_is_read_as_it_was_written(
        (is_v6, number, mtu) in (any::<bool>(), 0..ERRORS.len(), 0u32..65_536),
        payload in prop::collection::vec(any::<u8>(), 0..1600),
    ) {
        let error = if number == 7 { Error::TooBig { mtu } } else { ERRORS[number] };
        let (about, mut out) = (udp(is_v6, &payload), Vec::new());
        prop_assert!(write_error(&parse(&about).unwrap(), error, router(is_v6), &mut out));
        let Ok(Transport::Icmp { message, .. }) = parse(&out).unwrap().transport() else { panic!() };
        let report = read_error(is_v6, message).unwrap();
        let expected = match (error, is_v6) {
            (Error::ProtocolUnreachable, false) => Error::Other { kind: 3, code: 2, info: 0 },
            (Error::ProtocolUnreachable, true) => Error::Other { kind: 4, code: 1, info: 6 },
            _ => error,
        };
        prop_assert_eq!((report.error, report.ports()), (expected, Some((4660, 53))));
        prop_assert_eq!(report.about.source, parse(&about).unwrap().source);
    }
}
