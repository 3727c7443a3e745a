//! The service under queries, answers, silence and new tables, without a socket.
#![allow(clippy::unwrap_used, clippy::panic)]

mod wire;

use std::collections::{HashMap, HashSet, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use dns::frames::{Frames, framed};
use dns::lookup::Transport;
use dns::message::question::Question;
use dns::resolver::{Client, MAX_QUERIES, MAX_QUERIES_PER_PEER, Resolver, STALE_DELAY};
use dns::route::{NameServer, Path, Servers, Table};
use dns::upstream::{IDLE, MAX_PIPELINED, Outgoing, TIMEOUT, TRIES};
use dns::zone::Zone;
use domain::base::iana::Rtype;
use proptest::prelude::*;

use wire::{ASKED, FORMERR, NO_ERROR, NXDOMAIN, SERVFAIL, address, asked, response};

const REFUSED: u8 = 5;
const FIRST: &str = "192.0.2.1:53";
const SECOND: &str = "192.0.2.2:53";
const CORP: &str = "10.0.0.53:53";

fn servers(addresses: &[&str]) -> Servers {
    addresses.iter().map(|text| NameServer { address: text.parse().unwrap(), path: Path::Tunnel }).collect()
}

fn table() -> Table {
    let own = ("a.warren.internal".parse().unwrap(), vec!["10.10.0.1".parse().unwrap()]);
    Table {
        zone: Zone::new("warren.internal".parse().unwrap(), &[own], vec!["10.10.0.0/16".parse().unwrap()]),
        routes: [("corp.example".parse().unwrap(), servers(&[CORP])), ("none.example".parse().unwrap(), servers(&[]))]
            .into(),
        others: servers(&[FIRST, SECOND]),
        host_names: HashSet::new(),
        host: servers(&[]),
        mesh: vec!["10.10.0.0/16".parse().unwrap()],
        rebind_allow: HashSet::new(),
    }
}

/// A datagram to a server, or a message on a connection.
#[derive(Debug, Clone)]
struct Sent {
    server: SocketAddr,
    port: u16,
    stream: u32,
    message: Vec<u8>,
}

struct Network {
    resolver: Resolver,
    now: Instant,
    random: u64,
    token: u64,
    sent: VecDeque<Sent>,
    open_ports: HashSet<u16>,
    streams: HashMap<u32, (SocketAddr, Frames)>,
    closed: Vec<u32>,
}

impl Network {
    fn new() -> Self {
        Self {
            resolver: Resolver::new(Arc::new(table())),
            now: Instant::now(),
            random: 0x1234_5678,
            token: 0,
            sent: VecDeque::new(),
            open_ports: HashSet::new(),
            streams: HashMap::new(),
            closed: Vec::new(),
        }
    }

    fn with<T>(&mut self, act: impl FnOnce(&mut Resolver, Instant, &mut dyn FnMut() -> u16) -> T) -> T {
        let state = &mut self.random;
        let mut random = || {
            *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (*state >> 48) as u16
        };
        let result = act(&mut self.resolver, self.now, &mut random);
        self.collect();
        result
    }

    fn collect(&mut self) {
        while let Some(outgoing) = self.resolver.take_outgoing() {
            match outgoing {
                Outgoing::Datagram { port, server, octets } => {
                    assert!(port >= 1024 && self.open_ports.insert(port), "a port of its own");
                    self.sent.push_back(Sent { server: server.address, port, stream: 0, message: octets });
                }
                Outgoing::ClosePort(port) => assert!(self.open_ports.remove(&port)),
                Outgoing::Open { stream, server } => {
                    assert!(self.streams.insert(stream, (server.address, Frames::default())).is_none());
                }
                Outgoing::Write { stream, octets } => {
                    let Some((server, frames)) = self.streams.get_mut(&stream) else { panic!("not open") };
                    frames.push(&octets);
                    while let Some(message) = frames.take() {
                        self.sent.push_back(Sent { server: *server, port: 0, stream, message });
                    }
                }
                Outgoing::Close(stream) => {
                    assert!(self.streams.remove(&stream).is_some());
                    self.closed.push(stream);
                }
            }
        }
    }

    fn ask_as(&mut self, peer: u64, name: &str) {
        self.token += 1;
        let client = Client { token: self.token, peer, transport: Transport::Udp };
        let query = Question { name: name.parse().unwrap(), kind: Rtype::A }.encode(self.token as u16, true);
        self.with(|resolver, now, random| resolver.receive(client, &query, now, random));
    }

    fn ask(&mut self, name: &str) {
        self.ask_as(1, name);
    }

    fn sent(&mut self) -> Sent {
        self.sent.pop_front().unwrap()
    }

    fn reply(&mut self, sent: &Sent, octets: &[u8]) {
        self.with(|resolver, now, random| match sent.stream {
            0 => resolver.receive_datagram(sent.port, sent.server, octets, now, random),
            stream => resolver.receive_stream(stream, &framed(octets), now, random),
        });
    }

    /// Answer the next message with one address.
    fn answer(&mut self, text: &str) {
        let sent = self.sent();
        self.reply(&sent, &response(&sent.message, NO_ERROR, false, &[address(&ASKED, text)]));
    }

    /// The code and the number of records of the next answer.
    fn answered(&mut self) -> Option<(u8, u8)> {
        let octets = self.resolver.take_answer()?.octets;
        Some((octets[3] & 0xf, octets[7]))
    }

    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(deadline) = self.resolver.next_deadline().filter(|deadline| *deadline <= end) {
            self.now = deadline;
            self.with(|resolver, now, random| resolver.on_deadline(now, random));
            assert!(self.resolver.next_deadline().is_none_or(|next| next > deadline), "a deadline is met once");
        }
        self.now = end;
    }
}

#[test]
fn own_names_need_no_server_and_others_are_cached() {
    let mut network = Network::new();
    network.ask("a.warren.internal");
    assert_eq!(network.answered(), Some((NO_ERROR, 1)));
    assert!(network.sent.is_empty());
    network.ask("www.example.org");
    assert_eq!(network.answered(), None);
    assert_eq!(network.sent[0].server.to_string(), FIRST);
    network.answer("198.51.100.1");
    assert_eq!(network.answered(), Some((NO_ERROR, 1)));
    network.ask("WWW.example.org");
    assert_eq!(network.answered(), Some((NO_ERROR, 1)));
    assert!(network.sent.is_empty() && network.open_ports.is_empty() && network.resolver.in_flight() == 0);
    let counters = network.resolver.counters();
    assert_eq!((counters.own, counters.forwarded, counters.cached), (1, 1, 1));
}

#[test]
fn equal_questions_in_flight_are_one() {
    let mut network = Network::new();
    for name in ["www.example.org", "WWW.example.org", "www.example.org."] {
        network.ask(name);
    }
    assert_eq!((network.sent.len(), network.resolver.in_flight()), (1, 3));
    network.answer("198.51.100.1");
    let ids: Vec<u8> = std::iter::from_fn(|| network.resolver.take_answer()).map(|answer| answer.octets[1]).collect();
    assert_eq!(ids, [1, 2, 3]);
}

#[test]
fn a_question_is_tried_three_times_and_silent_servers_stand_behind() {
    let mut network = Network::new();
    network.ask("www.example.org");
    network.pass(TIMEOUT * TRIES as u32 - Duration::from_millis(1));
    assert_eq!(network.answered(), None);
    network.pass(Duration::from_millis(1));
    assert_eq!(network.answered(), Some((SERVFAIL, 0)));
    let asked: Vec<String> = network.sent.drain(..).map(|sent| sent.server.to_string()).collect();
    assert_eq!(asked, [FIRST, SECOND, FIRST]);
    network.ask("www.example.org");
    assert_eq!(network.answered(), Some((SERVFAIL, 0)), "the failure is kept");
    network.ask("other.example.org");
    assert_eq!(network.sent().server.to_string(), SECOND, "its failure is older");
    assert_eq!(network.open_ports.len(), 1);
}

#[test]
fn a_rule_that_fails_leads_to_no_other_server() {
    let mut network = Network::new();
    network.ask("www.corp.example");
    network.ask("www.none.example");
    assert_eq!(network.answered(), Some((SERVFAIL, 0)));
    network.pass(TIMEOUT * TRIES as u32);
    assert_eq!(network.answered(), Some((SERVFAIL, 0)));
    assert_eq!(network.sent.len(), TRIES);
    assert!(network.sent.iter().all(|sent| sent.server.to_string() == CORP));
}

#[test]
fn a_server_that_fails_gives_way_to_the_next() {
    let mut network = Network::new();
    network.ask("www.example.org");
    let sent = network.sent();
    network.reply(&sent, &response(&sent.message, SERVFAIL, false, &[]));
    assert_eq!(network.sent[0].server.to_string(), SECOND);
    network.answer("198.51.100.1");
    assert_eq!(network.answered(), Some((NO_ERROR, 1)));
    network.ask("more.example.org");
    let sent = network.sent();
    network.with(|resolver, now, random| resolver.fail_port(sent.port, now, random));
    assert_eq!(network.sent().server.to_string(), SECOND);
}

#[test]
fn only_the_exact_answer_from_the_server_counts() {
    let mut network = Network::new();
    network.ask("www.example.org");
    let sent = network.sent();
    let genuine = response(&sent.message, NO_ERROR, false, &[address(&ASKED, "198.51.100.1")]);
    let changed = |place: usize, value: u8| {
        let mut octets = genuine.clone();
        octets[place] ^= value;
        octets
    };
    for forged in
        [changed(0, 1), changed(1, 1), changed(2, 0x80), changed(14, 0x20), changed(14, 1), sent.message.clone()]
    {
        network.reply(&sent, &forged);
    }
    let elsewhere = Sent { server: SECOND.parse().unwrap(), ..sent.clone() };
    network.reply(&elsewhere, &genuine);
    network.reply(&Sent { port: sent.port ^ 1, ..sent.clone() }, &genuine);
    assert_eq!((network.answered(), network.resolver.in_flight()), (None, 1));
    network.reply(&sent, &genuine);
    assert_eq!(network.answered(), Some((NO_ERROR, 1)));
    network.reply(&sent, &genuine);
    assert_eq!(network.answered(), None);
}

#[test]
fn an_answer_with_tc_is_asked_for_over_tcp_and_the_connection_is_kept() {
    let mut network = Network::new();
    for number in 0..=MAX_PIPELINED {
        network.ask(&format!("n{number}.example.org"));
    }
    for sent in std::mem::take(&mut network.sent) {
        network.reply(&sent, &response(&sent.message, NO_ERROR, true, &[]));
    }
    assert_eq!(network.streams.len(), 2, "a connection takes so many questions at once");
    let first = network.sent[0].stream;
    assert_eq!(network.sent.iter().filter(|sent| sent.stream == first).count(), MAX_PIPELINED);
    for _ in 0..=MAX_PIPELINED {
        network.answer("198.51.100.1");
        assert_eq!(network.answered(), Some((NO_ERROR, 1)));
    }
    network.pass(IDLE - Duration::from_secs(1));
    assert_eq!(network.streams.len(), 2);
    network.ask("again.example.org");
    let sent = network.sent();
    network.reply(&sent, &response(&sent.message, NO_ERROR, true, &[]));
    network.answer("198.51.100.1");
    network.pass(Duration::from_secs(1));
    assert_eq!((network.streams.len(), network.closed.len()), (1, 1));
    network.pass(IDLE);
    assert!(network.streams.is_empty() && network.resolver.next_deadline().is_none());
}

#[test]
fn a_connection_that_ends_or_is_silent_is_replaced() {
    let mut network = Network::new();
    network.ask("www.corp.example");
    let sent = network.sent();
    network.reply(&sent, &response(&sent.message, NO_ERROR, true, &[]));
    let first = network.sent().stream;
    network.streams.remove(&first);
    network.with(|resolver, now, random| resolver.fail_stream(first, now, random));
    let second = network.sent().stream;
    assert_ne!(first, second);
    network.pass(TIMEOUT);
    assert_eq!(network.closed, [second]);
    let sent = network.sent();
    assert!(sent.stream != second);
    network.reply(&sent, &response(&sent.message, NO_ERROR, true, &[]));
    assert_eq!(network.answered(), Some((SERVFAIL, 0)), "TC over TCP is no answer, and this was the last try");
}

#[test]
fn a_server_that_rejects_edns_is_asked_without_it() {
    let mut network = Network::new();
    network.ask("www.example.org");
    let sent = network.sent();
    assert!(asked(&sent.message).2);
    let mut head = sent.message[..12].to_vec();
    head[2..].copy_from_slice(&[0x81, 0x80 | FORMERR, 0, 0, 0, 0, 0, 0, 0, 0]);
    network.reply(&sent, &head);
    assert!(!asked(&network.sent[0].message).2 && network.sent[0].server == sent.server);
    network.answer("198.51.100.1");
    assert_eq!(network.answered(), Some((NO_ERROR, 1)));
}

#[test]
fn internal_addresses_are_removed_from_answers_of_all_but_the_servers_of_a_domain() {
    let mut network = Network::new();
    for (name, text, left) in [
        ("www.example.org", "10.1.1.1", 0),
        ("mesh.example.org", "10.10.0.9", 0),
        ("web.example.org", "198.51.100.1", 1),
        ("www.corp.example", "10.1.1.1", 1),
    ] {
        network.ask(name);
        network.answer(text);
        assert_eq!(network.answered(), Some((NO_ERROR, left)), "{name}");
    }
}

#[test]
fn stale_answers_take_the_place_of_silent_servers() {
    let mut network = Network::new();
    network.ask("www.example.org");
    network.answer("198.51.100.1");
    network.answered();
    network.pass(Duration::from_secs(61));
    network.ask("www.example.org");
    network.pass(STALE_DELAY - Duration::from_millis(1));
    assert_eq!(network.answered(), None);
    network.pass(Duration::from_millis(1));
    assert_eq!((network.answered(), network.resolver.in_flight()), (Some((NO_ERROR, 1)), 0));
    network.pass(TIMEOUT * TRIES as u32);
    network.ask("www.example.org");
    assert_eq!(network.answered(), Some((NO_ERROR, 1)), "at once after a failure");
    network.pass(Duration::from_secs(600));
    network.sent.clear();
    network.ask("www.example.org");
    network.pass(TIMEOUT * TRIES as u32);
    assert_eq!(network.answered(), Some((SERVFAIL, 0)), "ten minutes are over");
}

#[test]
fn a_server_that_refuses_gets_no_stale_answer() {
    let mut network = Network::new();
    network.ask("www.example.org");
    network.answer("198.51.100.1");
    network.answered();
    network.pass(Duration::from_secs(61));
    network.ask("www.example.org");
    for _ in 0..TRIES {
        let sent = network.sent();
        network.reply(&sent, &response(&sent.message, SERVFAIL, false, &[]));
    }
    assert_eq!(network.answered(), Some((SERVFAIL, 0)));
}

#[test]
fn queries_in_flight_are_limited_for_each_peer_and_for_all() {
    let mut network = Network::new();
    for peer in 0..(MAX_QUERIES / MAX_QUERIES_PER_PEER) as u64 {
        for number in 0..MAX_QUERIES_PER_PEER {
            network.ask_as(peer, &format!("n{number}.p{peer}.example.org"));
        }
        assert_eq!(network.answered(), None);
        network.ask_as(peer, "more.example.org");
        assert_eq!(network.answered(), Some((REFUSED, 0)));
    }
    assert_eq!((network.resolver.in_flight(), network.open_ports.len()), (MAX_QUERIES, MAX_QUERIES));
    network.ask_as(99, "more.example.org");
    assert_eq!(network.answered(), Some((REFUSED, 0)));
    network.ask_as(99, "a.warren.internal");
    assert_eq!(network.answered(), Some((NO_ERROR, 1)), "own names need no room");
    network.pass(TIMEOUT * TRIES as u32);
    assert_eq!(std::iter::from_fn(|| network.answered()).count(), MAX_QUERIES);
    assert!(network.open_ports.is_empty() && network.resolver.in_flight() == 0);
}

#[test]
fn a_new_table_empties_the_cache_and_asks_again_what_is_in_flight() {
    let mut network = Network::new();
    network.ask("www.example.org");
    network.answer("198.51.100.1");
    network.answered();
    network.ask("www.corp.example");
    let old = network.sent();
    let mut changed = table();
    changed.routes = [("corp.example".parse().unwrap(), servers(&[SECOND]))].into();
    network.with(|resolver, now, random| resolver.set_table(Arc::new(changed), now, random));
    assert_eq!((network.sent[0].server.to_string().as_str(), network.open_ports.len()), (SECOND, 1));
    network.reply(&old, &response(&old.message, NO_ERROR, false, &[address(&ASKED, "10.0.0.1")]));
    assert_eq!(network.answered(), None);
    network.answer("10.0.0.2");
    assert_eq!(network.answered(), Some((NO_ERROR, 1)));
    network.ask("www.example.org");
    assert_eq!(network.sent().server.to_string(), FIRST);
    network.with(|resolver, _, _| resolver.clear_cache());
    network.ask("www.corp.example");
    assert_eq!(network.sent().server.to_string(), SECOND);
}

#[test]
fn a_query_without_recursion_sees_own_names_only() {
    let mut network = Network::new();
    network.ask("www.example.org");
    network.answer("198.51.100.1");
    network.answered();
    for (name, outcome) in [("www.example.org", (REFUSED, 0)), ("a.warren.internal", (NO_ERROR, 1))] {
        let mut query = Question { name: name.parse().unwrap(), kind: Rtype::A }.encode(1, false);
        query[2] = 0;
        let client = Client { token: 1, peer: 1, transport: Transport::Udp };
        network.with(|resolver, now, random| resolver.receive(client, &query, now, random));
        assert_eq!(network.answered(), Some(outcome));
    }
}

/// What a server does with a message.
#[derive(Debug, Clone, Copy)]
enum Event {
    Answer,
    Nothing,
    Truncated,
    Failed,
    Garbage,
    Silence,
    Error,
    NewTable,
    Pass,
}

fn events() -> impl Strategy<Value = Vec<(Event, u8)>> {
    use Event::{Answer, Error, Failed, Garbage, NewTable, Nothing, Pass, Silence, Truncated};
    let event =
        prop::sample::select(vec![Answer, Nothing, Truncated, Failed, Garbage, Silence, Error, Error, NewTable, Pass]);
    prop::collection::vec((event, 0u8..12), 1..200)
}

proptest! {
    #[test]
    fn every_query_is_answered_once_whatever_servers_do(events in events()) {
        let mut network = Network::new();
        let (mut asked_for, mut answered) = (0, 0);
        for (event, number) in events {
            let domain = if number % 3 == 0 { "corp.example" } else { "example.org" };
            network.ask_as(number.into(), &format!("n{number}.{domain}"));
            asked_for += 1;
            match event {
                Event::NewTable => network.with(|resolver, now, random| resolver.set_table(Arc::new(table()), now, random)),
                Event::Pass => network.pass(Duration::from_secs(u64::from(number) * 7)),
                Event::Silence => drop(network.sent.pop_front()),
                _ => if let Some(sent) = network.sent.pop_front() {
                    let own = [address(&ASKED, "198.51.100.1")];
                    match event {
                        Event::Answer => network.reply(&sent, &response(&sent.message, NO_ERROR, false, &own)),
                        Event::Nothing => network.reply(&sent, &response(&sent.message, NXDOMAIN, false, &[])),
                        Event::Truncated => network.reply(&sent, &response(&sent.message, NO_ERROR, true, &[])),
                        Event::Failed => network.reply(&sent, &response(&sent.message, SERVFAIL, false, &[])),
                        Event::Garbage => network.reply(&sent, &response(&sent.message, NO_ERROR, false, &[vec![0xff; 9]])),
                        _ if sent.stream == 0 => network.with(|resolver, now, random| resolver.fail_port(sent.port, now, random)),
                        _ => if network.streams.remove(&sent.stream).is_some() {
                            network.with(|resolver, now, random| resolver.fail_stream(sent.stream, now, random));
                        },
                    }
                },
            }
            answered += std::iter::from_fn(|| network.answered()).count();
        }
        network.pass(TIMEOUT * 10 + IDLE);
        answered += std::iter::from_fn(|| network.answered()).count();
        prop_assert_eq!(answered, asked_for);
        prop_assert!(network.open_ports.is_empty() && network.streams.is_empty());
        prop_assert_eq!((network.resolver.in_flight(), network.resolver.next_deadline()), (0, None));
    }
}
