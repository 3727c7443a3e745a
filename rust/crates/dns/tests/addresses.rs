//! DNS messages: a question that a server understands, and of responses only those to it.
#![allow(clippy::unwrap_used, clippy::panic)]

mod wire;

use std::net::IpAddr;

use dns::message::addresses::{AddressQuestion, Family, Response, parse};
use dns::message::question::ResponseError;
use proptest::prelude::*;

use wire::{A, ASKED, CNAME, NO_ERROR, NXDOMAIN, SERVFAIL, address, labels, record, response};

const NAME: &str = "vpn.example.org";
const V4: &str = "192.0.2.7";

fn question(name: &str, family: Family, id: u16) -> AddressQuestion {
    AddressQuestion { id, name: name.parse().unwrap(), family }
}

fn ours() -> AddressQuestion {
    question(NAME, Family::V4, 0x1234)
}

fn addresses(octets: &[u8], question: &AddressQuestion) -> Vec<IpAddr> {
    match parse(octets, question) {
        Ok(Response::Addresses(addresses)) => addresses,
        other => panic!("{other:?}"),
    }
}

fn chain() -> Vec<u8> {
    let records = [record(&ASKED, CNAME, &labels("a.example")), address(&labels("a.example"), V4)];
    response(&ours().encode(false), NO_ERROR, false, &records)
}

#[test]
fn a_question_is_that_of_rfc_1035_and_rfc_6891() {
    let plain = b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x03vpn\x07example\x03org\x00\x00\x01\x00\x01";
    assert_eq!(ours().encode(false), plain);
    let extended = question("vpn.example.org.", Family::V6, 0x1234).encode(true);
    assert_eq!(extended[plain.len() - 4..], *b"\x00\x1c\x00\x01\x00\x00\x29\x04\xd0\x00\x00\x00\x00\x00\x00");
    assert_eq!(extended[11], 1);
    let longest = question(&vec!["a".repeat(63); 4].join(".")[..253], Family::V4, 1);
    assert_eq!(longest.encode(true).len(), 12 + 255 + 4 + 11);
}

#[test]
fn a_response_has_the_addresses_of_the_name() {
    for (family, text) in [(Family::V4, V4), (Family::V6, "2001:db8::7")] {
        let asked = question(NAME, family, 7);
        let reply = response(&asked.encode(true), NO_ERROR, false, &[address(&ASKED, text), address(&ASKED, text)]);
        assert_eq!(addresses(&reply, &question(&NAME.to_uppercase(), family, 7)), [text.parse::<IpAddr>().unwrap(); 2]);
    }
}

#[test]
fn aliases_are_followed_and_other_names_are_not() {
    let mut alias = b"\x07gateway".to_vec();
    alias.extend([0xc0, 0x10]);
    let records = [
        address(&labels("gateway.example.org"), V4),
        address(&labels("other.example.org"), "7.7.7.7"),
        record(&labels("alias.example.org"), CNAME, &alias),
        record(&ASKED, CNAME, &labels("alias.example.org")),
        record(&ASKED, 16, b"\x04text"),
    ];
    assert_eq!(
        addresses(&response(&ours().encode(true), NO_ERROR, false, &records), &ours()),
        [V4.parse::<IpAddr>().unwrap()]
    );
}

#[test]
fn an_alias_without_addresses_is_to_be_asked_for() {
    let reply = response(&ours().encode(true), NO_ERROR, false, &[record(&ASKED, CNAME, &labels("gateway.example"))]);
    match parse(&reply, &ours()) {
        Ok(Response::Alias(name)) => assert_eq!(name.to_string(), "gateway.example"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn loops_of_aliases_and_pointers_end() {
    let looped =
        [record(&ASKED, CNAME, &labels("a.example")), record(&labels("a.example"), CNAME, &labels("a.example"))];
    let reply = response(&ours().encode(false), NO_ERROR, false, &looped);
    assert_eq!(parse(&reply, &ours()).unwrap_err(), ResponseError::Malformed);
    for pointer in [[0xc0, 0x21], [0xc0, 0xff]] {
        let reply = response(&ours().encode(false), NO_ERROR, false, &[record(&pointer, A, &[192, 0, 2, 7])]);
        assert_eq!(parse(&reply, &ours()).unwrap_err(), ResponseError::Malformed);
    }
}

#[test]
fn every_outcome_is_told_apart() {
    let reply = |code, truncated| parse(&response(&ours().encode(false), code, truncated, &[]), &ours()).unwrap();
    assert!(matches!(reply(NO_ERROR, false), Response::Addresses(none) if none.is_empty()));
    assert!(matches!(reply(NXDOMAIN, false), Response::NoSuchName));
    assert!(matches!(reply(SERVFAIL, false), Response::Failed(code) if code.to_string() == "SERVFAIL"));
    assert!(matches!(reply(NO_ERROR, true), Response::Truncated));
    let mut short = ours().encode(true)[..12].to_vec();
    short[2..].copy_from_slice(&[0x81, 0x81, 0, 0, 0, 0, 0, 0, 0, 0]);
    assert!(matches!(parse(&short, &ours()), Ok(Response::Failed(code)) if code.to_string() == "FORMERR"));
}

#[test]
fn a_response_to_another_question_is_ignored() {
    let others = [
        ours().encode(true),
        response(&question(NAME, Family::V4, 0x1235).encode(true), NO_ERROR, false, &[]),
        response(&question("evil.example.org", Family::V4, 0x1234).encode(true), NO_ERROR, false, &[]),
        response(&question(NAME, Family::V6, 0x1234).encode(true), NO_ERROR, false, &[]),
        Vec::new(),
    ];
    for other in others {
        assert_eq!(parse(&other, &ours()).unwrap_err(), ResponseError::Unrelated);
    }
}

#[test]
fn a_response_that_was_cut_is_none() {
    let whole = chain();
    assert_eq!(addresses(&whole, &ours()), [V4.parse::<IpAddr>().unwrap()]);
    for length in 0..whole.len() {
        assert!(parse(&whole[..length], &ours()).is_err(), "{length}");
    }
}

proptest! {
    #[test]
    fn whatever_comes_is_a_response_or_an_error(octets: Vec<u8>, place in 0usize..60) {
        let whole = chain();
        let head = [&ours().encode(false)[..2], b"\x81\x80"].concat();
        for reply in [octets.clone(), [head, octets.clone()].concat(), [&whole[..place], &octets, &whole[place..]].concat()] {
            let _ = parse(&reply, &ours());
        }
    }
}
