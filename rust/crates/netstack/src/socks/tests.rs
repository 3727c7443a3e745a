//! Handshakes of clients, in one piece and octet by octet, and datagrams of the relay.

use super::*;
use proptest::prelude::*;

fn handshake(credentials: bool, octets: &[u8]) -> (Result<Option<Request>, HandshakeError>, Vec<u8>) {
    let credentials = credentials.then(|| Credentials::new("ann", b"secret"));
    let mut out = Vec::new();
    (Handshake::new(credentials).receive(octets, &mut out), out)
}

fn target(text: &str) -> Target {
    Target::parse(text, None).unwrap()
}

#[test]
fn requests_are_read_with_each_type_of_address() {
    let v6 = [&[4][..], &"2001:db8::1".parse::<Ipv6Addr>().unwrap().octets(), &[1, 187]].concat();
    let cases = [
        (vec![1, 192, 0, 2, 1, 0, 80], "192.0.2.1:80"),
        ([&[3, 11][..], b"Example.org", &[1, 187]].concat(), "example.org:443"),
        ([&[3, 9][..], b"192.0.2.1", &[1, 187]].concat(), "192.0.2.1:443"),
        ([&[3, 11][..], b"2001:db8::1", &[1, 187]].concat(), "[2001:db8::1]:443"),
        (v6, "[2001:db8::1]:443"),
    ];
    for (address, expected) in cases {
        let octets = [&[5, 2, 1, 0, 5, 1, 0][..], &address].concat();
        assert_eq!(handshake(false, &octets), (Ok(Some(Request::Connect(target(expected)))), vec![5, 0]));
    }
    let (associate, _) = handshake(false, &[5, 1, 0, 5, 3, 0, 1, 0, 0, 0, 0, 0, 0]);
    let nowhere = Target { host: Host::Address(Ipv4Addr::UNSPECIFIED.into()), port: 0 };
    assert_eq!(associate, Ok(Some(Request::UdpAssociate(nowhere))));
}

#[test]
fn credentials_are_required_and_compared() {
    let login = |user: &[u8], password: &[u8]| {
        let lengths = [user.len() as u8, password.len() as u8];
        [&[5, 2, 0, 2, 1, lengths[0]][..], user, &lengths[1..], password].concat()
    };
    let request = [5, 1, 0, 1, 192, 0, 2, 1, 0, 80];
    let (result, out) = handshake(true, &[login(b"ann", b"secret"), request.to_vec()].concat());
    assert_eq!((result, out), (Ok(Some(Request::Connect(target("192.0.2.1:80")))), vec![5, 2, 1, 0]));
    for (user, password) in [(&b"ann"[..], &b"Secret"[..]), (b"bob", b"secret"), (b"", b""), (b"ann", b"secret2")] {
        assert_eq!(handshake(true, &login(user, password)), (Err(HandshakeError::Credentials), vec![5, 2, 1, 1]));
    }
    assert_eq!(format!("{:?}", Credentials::new("ann", b"secret")), "Credentials { .. }");
}

#[test]
fn a_client_without_an_acceptable_method_is_told() {
    assert_eq!(handshake(true, &[5, 1, 0]), (Err(HandshakeError::Method), vec![5, 0xff]));
    assert_eq!(handshake(false, &[5, 2, 1, 2]), (Err(HandshakeError::Method), vec![5, 0xff]));
}

#[test]
fn what_is_not_supported_gets_its_reply() {
    let request = |octets: &[u8]| handshake(false, &[&[5, 1, 0][..], octets].concat());
    let reply = |code| vec![5, 0, 5, code, 0, 1, 0, 0, 0, 0, 0, 0];
    let cases: [(&[u8], _, _); 5] = [
        (&[5, 2, 0, 1, 192, 0, 2, 1, 0, 80], HandshakeError::Command, 7),
        (&[5, 9, 0], HandshakeError::Command, 7),
        (&[5, 1, 0, 2], HandshakeError::Address, 8),
        (&[5, 1, 0, 3, 3, b'a', b' ', b'b', 0, 80], HandshakeError::Address, 4),
        (&[5, 1, 0, 3, 0, 0, 80], HandshakeError::Address, 4),
    ];
    for (octets, error, code) in cases {
        assert_eq!(request(octets), (Err(error), reply(code)), "{octets:?}");
    }
}

#[test]
fn octets_beyond_the_grammar_end_the_handshake() {
    let cases: [(&[u8], _); 7] = [
        (&[4, 1, 0, 80, 192, 0, 2, 1, 0], HandshakeError::Version),
        (b"GET / HTTP/1.1\r\n", HandshakeError::Version),
        (&[5, 0], HandshakeError::Malformed),
        (&[5, 1, 0, 4, 1, 0], HandshakeError::Version),
        (&[5, 1, 0, 5, 1, 1], HandshakeError::Malformed),
        (&[5, 1, 0, 5, 1, 0, 1, 192, 0, 2, 1, 0, 80, 9], HandshakeError::EarlyData),
        (&[5, 1, 0, 5, 3, 0, 1, 192, 0, 2, 1, 0, 80, 9], HandshakeError::EarlyData),
    ];
    for (octets, error) in cases {
        assert_eq!(handshake(false, octets).0, Err(error), "{octets:?}");
    }
    assert_eq!(handshake(true, &[5, 1, 2, 5, 3]).0, Err(HandshakeError::Malformed), "no version of the password");
    let (mut client, mut out) = (Handshake::new(None), Vec::new());
    assert!(client.receive(&[5, 1, 0, 5, 1, 0, 1, 192, 0, 2, 1, 0, 80], &mut out).is_ok());
    assert_eq!(client.receive(&[1], &mut out), Err(HandshakeError::EarlyData));
}

#[test]
fn a_reply_has_its_code_and_the_address_here() {
    let mut out = Vec::new();
    Reply::Succeeded.write("192.0.2.1:1080".parse().unwrap(), &mut out);
    Reply::TimedOut.write("[::1]:1".parse().unwrap(), &mut out);
    let expected = [vec![5, 0, 0, 1, 192, 0, 2, 1, 4, 56, 5, 6, 0, 4], vec![0; 15], vec![1, 0, 1]].concat();
    assert_eq!(out, expected);
    let codes = [
        Reply::Failure,
        Reply::NotAllowed,
        Reply::NetworkUnreachable,
        Reply::HostUnreachable,
        Reply::Refused,
        Reply::TimedOut,
        Reply::CommandNotSupported,
        Reply::AddressTypeNotSupported,
    ];
    assert_eq!(codes.map(|reply| reply as u8), [1, 2, 3, 4, 5, 6, 7, 8]);
}

#[test]
fn datagrams_have_a_header_with_their_other_end() {
    for from in ["192.0.2.1:53", "[2001:db8::1]:53"] {
        let mut datagram = vec![9];
        write_datagram_header(from.parse().unwrap(), &mut datagram);
        datagram.extend_from_slice(b"content");
        assert_eq!(parse_datagram(&datagram), Some((target(from), &b"content"[..])));
    }
    let named = [&[0, 0, 0, 3, 11][..], b"example.org", &[0, 53]].concat();
    assert_eq!(parse_datagram(&named), Some((target("example.org:53"), &b""[..])));
    let refused: [&[u8]; 6] = [
        &[0, 0, 1, 1, 192, 0, 2, 1, 0, 53],
        &[0, 1, 0, 1, 192, 0, 2, 1, 0, 53],
        &[0, 0, 0, 2, 192, 0, 2, 1, 0, 53],
        &[0, 0, 0, 1, 192, 0, 2, 1, 0, 0],
        &[0, 0, 0, 1, 192, 0, 2, 1, 0],
        &[0, 0],
    ];
    for datagram in refused {
        assert_eq!(parse_datagram(datagram), None, "{datagram:?}");
    }
}

proptest! {
    #[test]
    fn a_handshake_is_read_alike_in_any_pieces(
        octets in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..60),
            prop::collection::vec(prop::sample::select(vec![0u8, 1, 2, 3, 4, 5]), 0..60),
        ],
        starts: bool,
        (credentials, cuts) in (any::<bool>(), prop::collection::vec(1usize..9, 0..60)),
    ) {
        let greeting: &[u8] = if starts { &[5, 1, if credentials { 2 } else { 0 }, 5] } else { &[] };
        let octets = [greeting, &octets].concat();
        let (whole, written) = handshake(credentials, &octets);
        let mut pieces = Handshake::new(credentials.then(|| Credentials::new("ann", b"secret")));
        let (mut out, mut result, mut rest) = (Vec::new(), Ok(None), &octets[..]);
        let mut cuts = cuts.into_iter();
        while !rest.is_empty() && result == Ok(None) {
            let (piece, after) = rest.split_at(cuts.next().unwrap_or(3).min(rest.len()));
            (rest, result) = (after, pieces.receive(piece, &mut out));
        }
        if result.as_ref().is_ok_and(Option::is_some) && !rest.is_empty() {
            result = pieces.receive(rest, &mut out).map(|_| None);
        }
        prop_assert_eq!((result, out), (whole, written));
    }

    #[test]
    fn arbitrary_datagrams_are_parsed_or_dropped(datagram in prop::collection::vec(any::<u8>(), 0..60)) {
        let datagram = [&[0, 0, 0][..], &datagram].concat();
        if let Some((target, content)) = parse_datagram(&datagram) {
            prop_assert!(target.port != 0 && datagram.ends_with(content));
        }
    }
}
