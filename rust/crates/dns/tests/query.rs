//! Messages of clients: queries, and what is answered to everything else; replies as they are written and read.
#![allow(clippy::unwrap_used, clippy::panic)]

mod wire;

use dns::lookup::Transport;
use dns::message::query::{MAX_QUERY_BYTES, Query, Rejection};
use dns::message::question::{Question, ResponseError};
use dns::message::reply::{Reply, answer_rejected};
use domain::base::iana::{Rcode, Rtype};
use domain::base::message::Message;
use proptest::prelude::*;

use wire::{ASKED, CNAME, NO_ERROR, NXDOMAIN, address, labels, record, response};

const REFUSED: u8 = 5;
const NOTIMP: u8 = 4;
const SOA: u16 = 6;

fn question(kind: Rtype) -> Question {
    Question { name: "www.example.org".parse().unwrap(), kind }
}

fn plain() -> Vec<u8> {
    question(Rtype::A).encode(0x1234, false)
}

/// The code of the answer to a message that is no query; None if it gets none.
fn code(octets: &[u8]) -> Option<u8> {
    let rejection = Query::parse(octets).unwrap_err();
    let answer = answer_rejected(&rejection)?;
    assert_eq!(answer[..2], octets[..2]);
    assert!(answer[2] & 0x80 != 0 && answer[2] & 0x79 == octets[2] & 0x79, "QR set, opcode and RD repeated");
    Some(answer[3] & 0xf)
}

/// A query with one bit or octet changed.
fn changed(place: usize, value: u8) -> Vec<u8> {
    let mut octets = plain();
    octets[place] = value;
    octets
}

fn soa(ttl: u32, minimum: u32) -> Vec<u8> {
    let numbers = [1, 2, 3, 4, minimum].map(u32::to_be_bytes).concat();
    let mut octets = record(&labels("example.org"), SOA, &[labels("ns.example.org"), labels("a.b"), numbers].concat());
    let at = labels("example.org").len() + 4;
    octets[at..at + 4].copy_from_slice(&ttl.to_be_bytes());
    octets
}

fn read(octets: &[u8]) -> Reply {
    Reply::read(Message::from_slice(octets).unwrap()).unwrap()
}

#[test]
fn a_query_has_its_question_and_what_the_client_takes() {
    let query = Query::parse(&plain()).unwrap();
    assert_eq!((query.head.id, query.head.recursion_desired, query.edns), (0x1234, true, None));
    assert_eq!(query.question, question(Rtype::A));
    assert_eq!(query.max_answer_bytes(Transport::Udp), 512);
    assert_eq!(query.max_answer_bytes(Transport::Tcp), 65535);
    let mut extended = question(Rtype::A).encode(1, true);
    assert_eq!(Query::parse(&extended).unwrap().max_answer_bytes(Transport::Udp), 1232);
    let payload = extended.len() - 8;
    for (claimed, taken) in [(100u16, 512), (4096, 1232), (1000, 1000)] {
        extended[payload..payload + 2].copy_from_slice(&claimed.to_be_bytes());
        assert_eq!(Query::parse(&extended).unwrap().max_answer_bytes(Transport::Udp), taken);
    }
}

#[test]
fn whatever_is_no_query_gets_the_code_that_says_why() {
    const FORMERR: u8 = 1;
    assert_eq!(code(&changed(5, 0)), Some(FORMERR), "no question");
    assert_eq!(code(&changed(5, 2)), Some(FORMERR), "two questions");
    assert_eq!(code(&changed(7, 1)), Some(FORMERR), "a record that is not there");
    assert_eq!(code(&changed(12, 0xff)), Some(FORMERR), "no name");
    for length in 12..plain().len() {
        assert_eq!(code(&plain()[..length]), Some(FORMERR), "cut off at {length}");
    }
    let mut long = question(Rtype::A).encode(1, false);
    long.resize(MAX_QUERY_BYTES, 0);
    assert!(Query::parse(&long).is_ok());
    long.push(0);
    assert_eq!(code(&long), Some(FORMERR));
    for opcode in [1, 2, 4, 5, 6, 15] {
        assert_eq!(code(&changed(2, opcode << 3)), Some(NOTIMP), "opcode {opcode}");
    }
    assert_eq!(code(&changed(plain().len() - 1, 3)), Some(REFUSED), "class CHAOS");
    assert_eq!(code(&question(Rtype::AXFR).encode(1, false)), Some(REFUSED));
}

#[test]
fn an_answer_and_what_has_no_header_get_no_answer() {
    assert_eq!(code(&response(&plain(), NO_ERROR, false, &[])), None);
    assert_eq!(code(&changed(2, 0x81)), None);
    for length in 0..12 {
        assert_eq!(code(&plain()[..length]), None);
    }
}

#[test]
fn another_version_of_edns_gets_badvers_and_two_opt_records_formerr() {
    let mut extended = question(Rtype::A).encode(1, true);
    let version = extended.len() - 5;
    extended[version] = 1;
    let rejection = Query::parse(&extended).unwrap_err();
    let answer = answer_rejected(&rejection).unwrap();
    let end = answer.len();
    assert_eq!((answer[3] & 0xf, &answer[end - 11..]), (0, &b"\x00\x00\x29\x04\xd0\x01\x00\x00\x00\x00\x00"[..]));
    let mut twice = question(Rtype::A).encode(1, true);
    let opt = twice[twice.len() - 11..].to_vec();
    twice.extend(opt);
    twice[11] = 2;
    assert_eq!(code(&twice), Some(1));
}

#[test]
fn type_any_gets_the_hinfo_record_of_rfc_8482() {
    let rejection = Query::parse(&question(Rtype::ANY).encode(7, false)).unwrap_err();
    assert!(matches!(rejection, Rejection::AnyType(_)));
    let reply = read(&answer_rejected(&rejection).unwrap());
    assert_eq!(reply.answers.len(), 1);
    assert_eq!(reply.answers[0].data().to_string(), "\"RFC8482\" \"\"");
}

#[test]
fn a_reply_survives_being_written_and_read() {
    let octets = response(
        &plain(),
        NO_ERROR,
        false,
        &[
            record(&ASKED, CNAME, &labels("a.example")),
            address(&labels("a.example"), "192.0.2.1"),
            record(&ASKED, 999, b"new"),
        ],
    );
    let reply = read(&octets);
    let query = Query::parse(&question(Rtype::A).encode(7, true)).unwrap();
    let written = reply.encode(&query, 1232);
    // Records of unknown types are never equal.
    assert_eq!(format!("{:?}", read(&written)), format!("{reply:?}"));
    assert_eq!(question(Rtype::A).verify_response(&written, 7).unwrap().header_counts().arcount(), 1);
    assert_eq!(reply.answers[2].data().to_string(), "\\# 3 6e 65 77");
}

#[test]
fn a_reply_that_is_too_long_has_tc_and_no_records() {
    let records: Vec<_> = (0..100).map(|number| address(&ASKED, &format!("192.0.2.{number}"))).collect();
    let reply = read(&response(&plain(), NO_ERROR, false, &records));
    let query = Query::parse(&plain()).unwrap();
    let cut = reply.encode(&query, 512);
    assert!(cut[2] & 2 != 0 && cut.len() == plain().len());
    assert_eq!(read(&reply.encode(&query, 65535)).answers.len(), 100);
}

#[test]
fn the_ttl_is_the_least_of_the_records_or_that_of_the_soa_record() {
    let reply = |code, records: &[Vec<u8>], authority: &[Vec<u8>]| {
        let mut octets = response(&plain(), code, false, records);
        octets[9] = authority.len() as u8;
        octets.extend(authority.concat());
        read(&octets)
    };
    assert_eq!(reply(NO_ERROR, &[address(&ASKED, "192.0.2.1")], &[]).ttl_seconds(), Some(60));
    assert_eq!(reply(NXDOMAIN, &[], &[soa(900, 30)]).ttl_seconds(), Some(30));
    assert_eq!(reply(NO_ERROR, &[], &[soa(20, 30)]).ttl_seconds(), Some(20));
    assert_eq!(reply(NO_ERROR, &[], &[]).ttl_seconds(), None);
    assert_eq!(reply(NXDOMAIN, &[record(&ASKED, CNAME, &labels("a"))], &[]).ttl_seconds(), None);
    assert_eq!(reply(NO_ERROR, &[record(&ASKED, CNAME, &labels("a"))], &[soa(900, 300)]).ttl_seconds(), Some(60));
}

#[test]
fn a_record_that_cannot_be_read_is_an_error() {
    let octets = response(&plain(), NO_ERROR, false, &[record(&ASKED, CNAME, b"\xc0\xff")]);
    assert_eq!(Reply::read(Message::from_slice(&octets).unwrap()).unwrap_err(), ResponseError::Malformed);
    assert_eq!(Reply::empty(Rcode::SERVFAIL).ttl_seconds(), None);
}

proptest! {
    #[test]
    fn whatever_comes_is_a_query_or_has_an_answer_of_its_own_size(octets: Vec<u8>, place in 0usize..30) {
        for message in [octets.clone(), [&plain()[..place], &octets].concat(), [&plain()[..12], &octets].concat()] {
            match Query::parse(&message) {
                Ok(query) => prop_assert_eq!(query.head.id.to_be_bytes(), &message[..2]),
                Err(rejection) => {
                    // No amplification: at most HINFO and OPT are added to the question.
                    let answer = answer_rejected(&rejection).unwrap_or_default();
                    prop_assert!(answer.len() <= message.len() + 40);
                }
            }
        }
    }
}
