//! Servers that answer, fail, lie and fall silent: every query is answered once, and nothing stays open.
//!
//! The input is a list of steps, one octet each; a step that sends octets has their count behind it.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use dns::frames::{Frames, framed};
use dns::lookup::Transport;
use dns::message::query::Query;
use dns::resolver::{Client, Resolver};
use dns::upstream::Outgoing;

use crate::dns_query::table;

/// Names that are asked: own, routed, and two of others.
const NAMES: [&[u8]; 4] = [
    b"\x01a\x06warren\x08internal\x00",
    b"\x03www\x04corp\x07example\x00",
    b"\x03www\x07example\x03org\x00",
    b"\x01x\x07example\x03org\x00",
];
/// Longer than any wait: tries of two seconds, an idle connection of ten.
const SETTLING: Duration = Duration::from_secs(60);

/// A message to a server.
struct Sent {
    server: SocketAddr,
    port: Option<u16>,
    stream: u32,
    message: Vec<u8>,
}

struct Servers {
    resolver: Resolver,
    now: Instant,
    random: u32,
    asked: u64,
    answered: HashSet<u64>,
    sent: VecDeque<Sent>,
    ports: HashSet<u16>,
    streams: BTreeMap<u32, (SocketAddr, Frames)>,
}

/// Carry out the steps, wait, and compare.
pub fn run(octets: &[u8]) {
    let mut servers = Servers {
        resolver: Resolver::new(Arc::new(table())),
        now: Instant::now(),
        random: 1,
        asked: 0,
        answered: HashSet::new(),
        sent: VecDeque::new(),
        ports: HashSet::new(),
        streams: BTreeMap::new(),
    };
    let mut rest = octets;
    while let Some((step, after)) = rest.split_first() {
        rest = servers.step(*step, after);
        servers.collect();
    }
    servers.pass(SETTLING);
    assert_eq!(servers.answered.len() as u64, servers.asked);
    assert!(servers.ports.is_empty() && servers.streams.is_empty());
    assert!(servers.resolver.in_flight() == 0 && servers.resolver.next_deadline().is_none());
}

impl Servers {
    /// Carry out a step, and return the octets behind it.
    fn step<'a>(&mut self, step: u8, rest: &'a [u8]) -> &'a [u8] {
        let (count, after) = rest.split_first().map_or((0, rest), |(count, after)| (usize::from(*count), after));
        let (data, after_data) = after.split_at(count.min(after.len()));
        match step & 7 {
            0 | 1 => self.ask(step >> 3),
            2 => self.pass(Duration::from_millis(u64::from(step >> 3) * 400)),
            3 => self.end_one(),
            // A response with these flags and records.
            4 | 5 => {
                self.respond(step >> 3, data);
                return after_data;
            }
            // Whatever octets, under the right identity or not.
            6 => {
                self.lie(step & 8 != 0, data);
                return after_data;
            }
            _ if step >> 3 == 31 => {
                let (now, mut random) = (self.now, random(&mut self.random));
                self.resolver.set_table(Arc::new(table()), now, &mut random);
            }
            _ => drop(self.sent.pop_front()),
        }
        rest
    }

    fn ask(&mut self, choice: u8) {
        let name = NAMES[usize::from(choice) % NAMES.len()];
        let octets = [b"\x00\x07\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00", name, b"\x00\x01\x00\x01"].concat();
        assert!(Query::parse(&octets).is_ok());
        let client = Client { token: self.asked, peer: u64::from(choice >> 2), transport: Transport::Udp };
        self.asked += 1;
        let (now, mut random) = (self.now, random(&mut self.random));
        self.resolver.receive(client, &octets, now, &mut random);
    }

    fn respond(&mut self, flags: u8, records: &[u8]) {
        let Some(sent) = self.sent.pop_front() else { return };
        let mut octets = sent.message.clone();
        let end = 12 + octets[12..].iter().position(|octet| *octet == 0).expect("the root") + 5;
        octets.truncate(end);
        // TC, and codes from NOERROR to REFUSED.
        (octets[2], octets[3]) = (0x81 | (flags & 1) << 1, 0x80 | (flags >> 1) % 6);
        (octets[7], octets[9], octets[11]) = (records.first().copied().unwrap_or(0) & 3, 0, 0);
        octets.extend(records.get(1..).unwrap_or_default());
        self.give(&sent, &octets);
    }

    fn lie(&mut self, knows_identity: bool, data: &[u8]) {
        let Some(sent) = self.sent.front() else { return };
        let head = if knows_identity { &sent.message[..2] } else { &[] };
        let octets = [head, data].concat();
        let (server, port, stream) = (sent.server, sent.port, sent.stream);
        self.give(&Sent { server, port, stream, message: Vec::new() }, &octets);
    }

    fn give(&mut self, sent: &Sent, octets: &[u8]) {
        let (now, mut random) = (self.now, random(&mut self.random));
        match sent.port {
            Some(port) => self.resolver.receive_datagram(port, sent.server, octets, now, &mut random),
            None => self.resolver.receive_stream(sent.stream, &framed(octets), now, &mut random),
        }
    }

    /// Fail the port or the connection of the next message.
    fn end_one(&mut self) {
        let Some(sent) = self.sent.pop_front() else { return };
        let (now, mut random) = (self.now, random(&mut self.random));
        match sent.port {
            Some(port) => self.resolver.fail_port(port, now, &mut random),
            None if self.streams.remove(&sent.stream).is_some() => {
                self.resolver.fail_stream(sent.stream, now, &mut random);
            }
            None => {}
        }
    }

    fn pass(&mut self, time: Duration) {
        self.collect();
        let end = self.now + time;
        while let Some(deadline) = self.resolver.next_deadline().filter(|deadline| *deadline <= end) {
            self.now = deadline;
            self.resolver.on_deadline(deadline, &mut random(&mut self.random));
            self.collect();
            assert!(self.resolver.next_deadline().is_none_or(|next| next > deadline));
        }
        self.now = end;
    }

    fn collect(&mut self) {
        while let Some(outgoing) = self.resolver.take_outgoing() {
            match outgoing {
                Outgoing::Datagram { port, server, octets } => {
                    assert!(self.ports.insert(port));
                    let port = Some(port);
                    self.sent.push_back(Sent { server: server.address, port, stream: 0, message: octets });
                }
                Outgoing::ClosePort(port) => assert!(self.ports.remove(&port)),
                Outgoing::Open { stream, server } => {
                    let stream = self.streams.insert(stream, (server.address, Frames::default()));
                    assert!(stream.is_none());
                }
                Outgoing::Write { stream, octets } => {
                    let (server, frames) = self.streams.get_mut(&stream).expect("an open connection");
                    frames.push(&octets);
                    while let Some(message) = frames.take() {
                        self.sent.push_back(Sent { server: *server, port: None, stream, message });
                    }
                }
                Outgoing::Close(stream) => assert!(self.streams.remove(&stream).is_some()),
            }
        }
        while let Some(answer) = self.resolver.take_answer() {
            assert!(self.answered.insert(answer.client.token), "answered once");
        }
    }
}

fn random(state: &mut u32) -> impl FnMut() -> u16 + '_ {
    || {
        *state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (*state >> 16) as u16
    }
}
