//! Packets with one field wrong at a time, and arbitrary ones.

use super::*;
use proptest::prelude::*;

const V4: (&str, &str) = ("10.0.0.2", "192.0.2.1");
const V6: (&str, &str) = ("fd00::2", "2001:db8::1");

/// Return a packet with this payload, checksums left as they are in it.
fn packet((source, destination): (&str, &str), protocol: u8, payload: &[u8]) -> Vec<u8> {
    let (source, destination) = (source.parse().unwrap(), destination.parse().unwrap());
    let header = Header { source, destination, protocol, ttl: 64, tos: 0x2e, dont_fragment: true };
    let mut out = Vec::new();
    header.write(payload.len(), &mut out);
    out.extend_from_slice(payload);
    out
}

/// Return a packet whose transport has a right checksum at `place`.
fn summed(addresses: (&str, &str), protocol: u8, mut payload: Vec<u8>, place: usize) -> Vec<u8> {
    let (source, destination) = (addresses.0.parse().unwrap(), addresses.1.parse().unwrap());
    let start =
        if protocol == protocol::ICMP { 0 } else { pseudo_header(source, destination, protocol, payload.len()) };
    let field = checksum::field(checksum::add(start, &payload));
    payload[place..place + 2].copy_from_slice(&field);
    packet(addresses, protocol, &payload)
}

fn tcp() -> Vec<u8> {
    let mut segment = vec![0; 24];
    (segment[0], segment[1], segment[3], segment[12]) = (0x12, 0x34, 80, 0x50);
    segment
}

fn udp() -> Vec<u8> {
    vec![0x12, 0x34, 0, 53, 0, 11, 0, 0, 1, 2, 3]
}

/// Return a copy with an octet changed, its IPv4 header summed again.
fn changed(packet: &[u8], at: usize, octet: u8) -> Vec<u8> {
    let mut packet = packet.to_vec();
    packet[at] = octet;
    if packet[0] >> 4 == 4 {
        seal_v4(&mut packet[..20]);
    }
    packet
}

#[test]
fn the_fields_of_a_header_are_read_as_they_were_written() {
    for addresses in [V4, V6] {
        let octets = packet(addresses, 99, &[7; 5]);
        let read = parse(&octets).unwrap();
        assert_eq!((read.source, read.destination), (addresses.0.parse().unwrap(), addresses.1.parse().unwrap()));
        assert_eq!((read.protocol, read.ttl, read.tos, read.fragment), (99, 64, 0x2e, None));
        assert!(read.dont_fragment);
        assert_eq!((read.payload(), read.transport()), (&[7; 5][..], Ok(Transport::Other)));
    }
}

#[test]
fn padding_behind_a_packet_is_cut_off() {
    for addresses in [V4, V6] {
        let octets = [&packet(addresses, 99, &[7; 5])[..], &[0; 9]].concat();
        assert_eq!(parse(&octets).unwrap().payload(), [7; 5]);
    }
}

#[test]
fn each_transport_is_verified() {
    for addresses in [V4, V6] {
        let octets = summed(addresses, protocol::TCP, tcp(), 16);
        let Ok(Transport::Tcp { source: 0x1234, destination: 80, segment }) = parse(&octets).unwrap().transport()
        else {
            panic!()
        };
        assert_eq!(segment.len(), 24);
        let octets = summed(addresses, protocol::UDP, udp(), 6);
        let expected = Transport::Udp { source: 0x1234, destination: 53, payload: &[1, 2, 3] };
        assert_eq!(parse(&octets).unwrap().transport(), Ok(expected));
        let (icmp, request) = if addresses == V4 { (protocol::ICMP, 8) } else { (protocol::ICMPV6, 128) };
        let octets = summed(addresses, icmp, vec![request, 0, 0, 0, 0x12, 0x34, 0, 7, 9], 2);
        let expected = Transport::EchoRequest { identifier: 0x1234, sequence: 7, payload: &[9] };
        assert_eq!(parse(&octets).unwrap().transport(), Ok(expected));
        let octets = summed(addresses, icmp, vec![request, 1, 0, 0, 0, 0, 0, 0], 2);
        assert!(matches!(parse(&octets).unwrap().transport(), Ok(Transport::Icmp { code: 1, .. })));
    }
}

#[test]
fn one_wrong_octet_of_a_transport_is_found() {
    for addresses in [V4, V6] {
        let icmp = if addresses == V4 { protocol::ICMP } else { protocol::ICMPV6 };
        for (protocol, payload, place) in [(protocol::TCP, tcp(), 16), (protocol::UDP, udp(), 6), (icmp, tcp(), 2)] {
            let octets = summed(addresses, protocol, payload, place);
            for at in octets.len() - 3..octets.len() {
                let changed = changed(&octets, at, octets[at] ^ 1);
                assert_eq!(parse(&changed).unwrap().transport(), Err(BadPacket::TransportChecksum));
            }
        }
    }
}

#[test]
fn udp_without_a_checksum_is_valid_in_ipv4_alone() {
    assert!(parse(&packet(V4, protocol::UDP, &udp())).unwrap().transport().is_ok());
    let octets = packet(V6, protocol::UDP, &udp());
    assert_eq!(parse(&octets).unwrap().transport(), Err(BadPacket::TransportChecksum));
}

#[test]
fn transports_with_inconsistent_lengths_are_refused() {
    let cases = [
        (protocol::TCP, vec![0; 19]),
        (protocol::TCP, [vec![0; 12], vec![0x40], vec![0; 11]].concat()),
        (protocol::TCP, [vec![0; 12], vec![0x70], vec![0; 11]].concat()),
        (protocol::UDP, vec![0; 7]),
        (protocol::UDP, vec![0, 1, 0, 2, 0, 7, 0, 0]),
        (protocol::UDP, vec![0, 1, 0, 2, 0, 9, 0, 0]),
        (protocol::ICMP, vec![8; 7]),
    ];
    for (protocol, payload) in cases {
        let octets = packet(V4, protocol, &payload);
        assert_eq!(parse(&octets).unwrap().transport(), Err(BadPacket::Transport), "{protocol} {payload:?}");
    }
}

#[test]
fn bad_headers_are_refused_by_reason() {
    let (v4, v6) = (packet(V4, 99, &[0; 8]), packet(V6, 99, &[0; 8]));
    let mut wrong_sum = v4.clone();
    wrong_sum[10] ^= 1;
    let cases = [
        (vec![], BadPacket::Version),
        (vec![0x50; 40], BadPacket::Version),
        (v4[..19].to_vec(), BadPacket::Length),
        (v4[..27].to_vec(), BadPacket::Length),
        (v6[..39].to_vec(), BadPacket::Length),
        (v6[..47].to_vec(), BadPacket::Length),
        (changed(&v4, 0, 0x44), BadPacket::Length),
        (changed(&v4, 3, 19), BadPacket::Length),
        (wrong_sum, BadPacket::HeaderChecksum),
        (changed(&v4, 12, 224), BadPacket::Source),
        (packet(("255.255.255.255", "10.0.0.1"), 99, &[]), BadPacket::Source),
        (changed(&v6, 8, 0xff), BadPacket::Source),
        (packet(("::ffff:10.0.0.2", "2001:db8::1"), 99, &[]), BadPacket::Source),
        // Fragments: not a multiple of 8, no payload, beyond the longest datagram.
        (changed(&changed(&v4, 6, 0x20), 3, 27), BadPacket::Fragment),
        (changed(&changed(&v4, 6, 0x20), 3, 20), BadPacket::Fragment),
        (changed(&changed(&v4, 6, 0x1f), 7, 0xff), BadPacket::Fragment),
    ];
    for (octets, expected) in cases {
        assert_eq!(parse(&octets).map(|_| ()), Err(expected), "{octets:02x?}");
    }
}

/// Return an IPv4 packet with options.
fn with_options(options: &[u8]) -> Vec<u8> {
    let mut octets = packet(V4, 99, &[]);
    octets.truncate(20);
    octets[0] = 0x45 + (options.len() / 4) as u8;
    octets.extend_from_slice(options);
    octets[3] = octets.len() as u8;
    seal_v4(&mut octets);
    octets
}

#[test]
fn options_of_ipv4_are_skipped_unless_they_choose_the_path() {
    let cases: [(&[u8], _); 7] = [
        (&[1, 1, 1, 0], Ok(())),
        (&[0, 131, 0, 0], Ok(())),
        (&[148, 4, 0, 0], Ok(())),
        (&[131, 3, 4, 0], Err(BadPacket::SourceRoute)),
        (&[1, 137, 3, 4], Err(BadPacket::SourceRoute)),
        (&[148, 1, 0, 0], Err(BadPacket::Length)),
        (&[148, 5, 0, 0], Err(BadPacket::Length)),
    ];
    for (options, expected) in cases {
        assert_eq!(parse(&with_options(options)).map(|_| ()), expected, "{options:?}");
    }
}

/// Return an IPv6 packet with these octets behind its header.
fn chained(first: u8, octets: &[u8]) -> Vec<u8> {
    packet(V6, first, octets)
}

#[test]
fn extension_headers_are_walked_to_the_transport() {
    let options = |next: u8| [next, 0, 1, 4, 0, 0, 0, 0];
    let routing = |next: u8, left: u8| [next, 0, 0, left, 0, 0, 0, 0];
    let all =
        [&options(43)[..], &routing(60, 0), &options(51), &[17, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], &udp()].concat();
    let octets = chained(0, &all);
    let read = parse(&octets).unwrap();
    assert_eq!((read.protocol, read.payload()), (protocol::UDP, &udp()[..]));
    let cases = [
        (chained(0, &[17, 1, 0, 0, 0, 0, 0, 0]), BadPacket::Extensions),
        (chained(0, &[]), BadPacket::Extensions),
        (chained(60, &[&options(0)[..], &options(17)].concat()), BadPacket::Extensions),
        (chained(60, &options(60).repeat(9)), BadPacket::Extensions),
        (chained(43, &routing(17, 1)), BadPacket::SourceRoute),
        (chained(44, &[17, 0, 0, 1, 0, 0, 0]), BadPacket::Extensions),
    ];
    for (octets, expected) in cases {
        assert_eq!(parse(&octets).map(|_| ()), Err(expected), "{octets:02x?}");
    }
}

#[test]
fn fragments_name_their_place() {
    let v4 = changed(&changed(&packet(V4, 17, &[0; 8]), 6, 0x20), 7, 3);
    let read = parse(&v4).unwrap();
    assert_eq!(read.fragment, Some(Fragment { id: 0, offset: 24, more: true }));
    assert_eq!((read.is_later_fragment(), read.transport()), (true, Err(BadPacket::Fragment)));
    let v6 = chained(60, &[44, 0, 1, 4, 0, 0, 0, 0, 17, 0, 0, 25, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 9]);
    let read = parse(&v6).unwrap();
    assert_eq!(read.fragment, Some(Fragment { id: 0x0102_0304, offset: 24, more: true }));
    assert_eq!((read.protocol, read.payload()), (17, &[5, 6, 7, 8, 9, 9, 9, 9][..]));
    let single = chained(44, &[17, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8]);
    let read = parse(&single).unwrap();
    assert_eq!((read.fragment, read.protocol, read.payload().len()), (None, 17, 4));
}

#[test]
fn a_quoted_packet_is_read_as_far_as_it_goes() {
    for addresses in [V4, V6] {
        let octets = packet(addresses, protocol::UDP, &udp());
        let end = octets.len() - udp().len() + 8;
        let quoted = parse_quoted(&octets[..end]).unwrap();
        assert_eq!((quoted.source, quoted.protocol), (addresses.0.parse().unwrap(), protocol::UDP));
        assert_eq!((quoted.destination, quoted.transport), (addresses.1.parse().unwrap(), &udp()[..8]));
        assert_eq!(parse_quoted(&octets[..19]), None);
    }
    let later = changed(&packet(V4, 17, &[0; 8]), 7, 3);
    assert_eq!((parse_quoted(&later), parse_quoted(&[]), parse_quoted(&[0x41; 30])), (None, None, None));
    assert_eq!(parse_quoted(&chained(44, &[17, 0, 0, 25, 1, 2, 3, 4])), None);
    assert_eq!(parse_quoted(&chained(0, &[17, 2, 0, 0, 0, 0, 0, 0])), None);
}

proptest! {
    #[test]
    fn arbitrary_octets_are_parsed_or_refused(
        octets in prop::collection::vec(any::<u8>(), 0..120),
        version in prop::sample::select(vec![0x45u8, 0x46, 0x60]),
        next in prop::sample::select(vec![0u8, 6, 17, 43, 44, 51, 58, 60]),
    ) {
        let mut octets = octets;
        if octets.len() >= 40 {
            octets[0] = version;
            octets[6] = next;
            let length = octets.len();
            if version == 0x60 {
                put_short(&mut octets, 4, (length - 40) as u16);
            } else {
                put_short(&mut octets, 2, length as u16);
                octets[6] = 0;
                seal_v4(&mut octets[..usize::from(version & 15) * 4]);
            }
        }
        if let Ok(packet) = parse(&octets) {
            prop_assert!(octets.starts_with(packet.octets));
            prop_assert!(packet.payload().len() + IPV4_BYTES <= octets.len());
            let _ = packet.transport();
            let quoted = parse_quoted(&octets).map(|quoted| (quoted.protocol, quoted.transport.len()));
            let expected = (packet.protocol, octets.len() - packet.header_bytes);
            prop_assert_eq!(quoted, (!packet.is_later_fragment()).then_some(expected));
        }
    }
}
