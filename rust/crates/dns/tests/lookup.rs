//! The state machine of a lookup under any sequence of answers, failures and silence.
#![allow(clippy::unwrap_used)]

mod wire;

use std::net::IpAddr;
use std::time::{Duration, Instant};

use dns::lookup::Lookup;
use dns::resolv_conf::{ResolvConf, Server};
use proptest::prelude::*;

use wire::{ASKED, CNAME, FORMERR, NO_ERROR, NXDOMAIN, SERVFAIL, address, asked, labels, record, response};

/// What happens to the messages of one request.
#[derive(Debug, Clone, Copy)]
enum Event {
    Addresses,
    Nothing,
    NoSuchName,
    Alias,
    Truncated,
    Failed,
    NoEdns,
    Garbage,
    Refused,
    Silence,
    Stray,
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    use Event::{Addresses, Alias, Failed, Garbage, NoEdns, NoSuchName, Nothing, Refused, Silence, Stray, Truncated};
    let event = prop::sample::select(vec![
        Addresses, Nothing, NoSuchName, Alias, Truncated, Failed, NoEdns, Garbage, Refused, Silence, Stray,
    ]);
    prop::collection::vec(event, 1..60)
}

fn reply(event: Event, query: &[u8]) -> Option<Vec<u8>> {
    let (_, kind, _) = asked(query);
    let own = address(&ASKED, if kind == 1 { "192.0.2.7" } else { "2001:db8::7" });
    Some(match event {
        Event::Addresses => response(query, NO_ERROR, false, &[own]),
        Event::Nothing => response(query, NO_ERROR, false, &[]),
        Event::NoSuchName => response(query, NXDOMAIN, false, &[]),
        Event::Alias => response(query, NO_ERROR, false, &[record(&ASKED, CNAME, &labels("other.example"))]),
        Event::Truncated => response(query, NO_ERROR, true, &[own]),
        Event::Failed => response(query, SERVFAIL, false, &[]),
        Event::NoEdns => response(query, FORMERR, false, &[]),
        Event::Garbage => response(query, NO_ERROR, false, &[vec![0xff; 9]]),
        Event::Refused | Event::Silence | Event::Stray => return None,
    })
}

proptest! {
    #[test]
    fn every_lookup_ends_after_a_bounded_number_of_questions(events in events(), names in 1usize..4, servers in 1u8..4) {
        let servers = (1..=servers).map(|number| Server::new(IpAddr::from([192, 0, 2, number]))).collect::<Vec<_>>();
        let bound = names * servers.len() * 2 * 40;
        let conf = ResolvConf { servers, ..ResolvConf::default() };
        let names: Vec<_> = (0..names).map(|number| format!("vpn{number}.example").parse().unwrap()).collect();
        let (mut now, mut count, mut requests) = (Instant::now(), 0u16, 0);
        let mut id = || { count = count.wrapping_add(1); count };
        let mut lookup = Lookup::new(names, conf, now, &mut id);
        let mut events = events.iter().cycle();
        while lookup.outcome().is_none() {
            let request = lookup.take_request().unwrap();
            prop_assert_eq!(lookup.channel(), Some(request.channel));
            requests += 1;
            prop_assert!(requests <= bound, "{} requests", requests);
            let channel = request.channel;
            for query in &request.messages {
                let event = *events.next().unwrap();
                now += Duration::from_millis(10);
                match (event, reply(event, query)) {
                    (_, Some(reply)) => lookup.receive(channel, &reply, now, &mut id),
                    (Event::Refused, _) => lookup.fail(channel, "connection refused", now, &mut id),
                    (Event::Stray, _) => lookup.receive(channel + 1, query, now, &mut id),
                    _ => {}
                }
            }
            while lookup.channel() == Some(channel) {
                now = lookup.next_deadline().unwrap();
                lookup.on_deadline(now, &mut id);
            }
        }
        prop_assert!(lookup.take_request().is_none() && lookup.channel().is_none() && lookup.next_deadline().is_none());
        if let Some(Ok(addresses)) = lookup.outcome() {
            prop_assert!(!addresses.is_empty());
        }
    }
}
