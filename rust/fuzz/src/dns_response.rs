//! Responses of name servers: ignored, rejected or understood, and a lookup ends whatever they contain.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use dns::lookup::Lookup;
use dns::message::addresses::{AddressQuestion, Family, Response, parse};
use dns::resolv_conf::{ResolvConf, Server};

const NAME: &str = "vpn.example.org";
/// Two names, one server asked twice, each at most so many times for aliases, TCP and EDNS.
const MAX_REQUESTS: usize = 2 * 2 * 40;

/// Return the question that inputs of the corpus answer.
#[must_use]
pub fn question(family: Family) -> AddressQuestion {
    AddressQuestion { id: 0x1234, name: NAME.parse().expect("a valid name"), family }
}

/// Parse any octets as a response, then give pieces of them to a lookup with its own identities.
pub fn run(octets: &[u8]) {
    for family in [Family::V4, Family::V6] {
        match parse(octets, &question(family)) {
            Ok(Response::Addresses(addresses)) => {
                assert!(addresses.iter().all(|address| address.is_ipv4() == (family == Family::V4)));
                assert!(octets.starts_with(&[0x12, 0x34]) && octets[2] & 0x80 != 0);
            }
            Ok(Response::Alias(name)) => assert_ne!(name.to_string(), NAME),
            Ok(_) | Err(_) => {}
        }
    }
    look_up(octets);
}

fn look_up(octets: &[u8]) {
    let conf = ResolvConf { servers: vec![Server::new(IpAddr::from([192, 0, 2, 1]))], ..ResolvConf::default() };
    let names = ["vpn.corp.example", NAME].map(|name| name.parse().expect("a valid name")).to_vec();
    let (mut now, mut requests) = (Instant::now(), 0);
    let mut id = || 0x1234;
    let mut lookup = Lookup::new(names, conf, now, &mut id);
    let mut replies = octets.chunks(64).cycle();
    while lookup.outcome().is_none() {
        let Some(request) = lookup.take_request() else { break };
        requests += 1;
        assert!(requests <= MAX_REQUESTS);
        for message in &request.messages {
            now += Duration::from_millis(1);
            lookup.receive(request.channel, octets, now, &mut id);
            if let Some(rest) = replies.next() {
                let flags = [&message[..2], b"\x81\x80\x00\x01\x00\x01\x00\x00\x00\x00", &message[12..], rest].concat();
                lookup.receive(request.channel, &flags, now, &mut id);
            }
        }
        while lookup.channel() == Some(request.channel) {
            let Some(deadline) = lookup.next_deadline() else { break };
            now = deadline;
            lookup.on_deadline(now, &mut id);
        }
    }
    assert!(lookup.outcome().is_some());
}
