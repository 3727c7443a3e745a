//! Questions to servers, as a state machine: no socket, no clock, no random number.
//!
//! - A question goes out from a random port under a random identity. Only a message from that server to that port that
//!   repeats both the identity and the question, octet by octet, is its answer.
//! - There are [`TRIES`] tries of [`TIMEOUT`] each, over the servers in the order of their health.
//! - An answer with TC is asked for again over TCP, and a server that rejects EDNS is asked again without it.
//! - A TCP connection carries up to [`MAX_PIPELINED`] questions at once and is kept for [`IDLE`] (RFC 7766).
//! - Equal questions to the same servers are one question.
//!
//! | file | content |
//! |---|---|
//! | `exchange` | one message to one server, and which message answers it |
//! | `stream` | the TCP connections |

mod exchange;
mod stream;

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::health::Health;
use crate::message::question::Question;
use crate::message::reply::Reply;
use crate::route::{NameServer, Servers};
use crate::upstream::exchange::{Exchange, Verdict};
use crate::upstream::stream::Streams;

pub use crate::upstream::exchange::Random;
pub use crate::upstream::stream::{IDLE, MAX_PIPELINED, Ticket};

/// How long to wait for one answer.
pub const TIMEOUT: Duration = Duration::from_secs(2);
/// How often a question is asked.
pub const TRIES: usize = 3;
/// The most questions at once.
pub const MAX_QUESTIONS: usize = 1024;

/// What to do at the sockets, in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outgoing {
    /// Send a datagram from a port that is not used otherwise; messages to it are for `receive_datagram`.
    Datagram {
        /// The port, unpredictable for others.
        port: u16,
        /// The server.
        server: NameServer,
        /// The message.
        octets: Vec<u8>,
    },
    /// No message to the port is awaited any more.
    ClosePort(u16),
    /// Connect to a server.
    Open {
        /// The number of the connection.
        stream: u32,
        /// The server.
        server: NameServer,
    },
    /// Write on a connection, once it stands.
    Write {
        /// The number of the connection.
        stream: u32,
        /// What to write.
        octets: Vec<u8>,
    },
    /// Close a connection.
    Close(u32),
}

/// What came of a question.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// A server answered, with or without records.
    Reply(Reply),
    /// Each server that answered said that it cannot.
    Refused,
    /// No server said anything that can be read.
    Silent,
}

/// The questions in flight. Times are those that the caller passes.
#[derive(Debug, Default)]
pub struct Upstream {
    questions: HashMap<Ticket, Pending>,
    tickets: HashMap<(Question, Servers), Ticket>,
    last_ticket: u64,
    ports: HashMap<u16, Ticket>,
    streams: Streams,
    health: Health<NameServer>,
    deadlines: BTreeSet<(Instant, Ticket)>,
    outgoing: VecDeque<Outgoing>,
    finished: VecDeque<(Ticket, Outcome)>,
}

#[derive(Debug)]
struct Pending {
    question: Question,
    servers: Servers,
    /// The places of the servers in the order in which they are asked.
    order: Vec<usize>,
    attempt: usize,
    edns: bool,
    over_tcp: bool,
    was_refused: bool,
    exchange: Option<Exchange>,
    deadline: Instant,
}

impl Pending {
    fn server(&self) -> NameServer {
        self.servers[self.order[self.attempt % self.order.len()]]
    }
}

impl Upstream {
    /// Ask servers a question, unless it is asked already. None if there is no server, or no room for another question.
    pub fn ask(&mut self, question: &Question, servers: &Servers, now: Instant, random: Random<'_>) -> Option<Ticket> {
        let key = (question.clone(), Servers::clone(servers));
        if let Some(ticket) = self.tickets.get(&key) {
            return Some(*ticket);
        }
        if servers.is_empty() || self.is_full() {
            return None;
        }
        self.last_ticket += 1;
        let ticket = Ticket(self.last_ticket);
        self.tickets.insert(key, ticket);
        let pending = Pending {
            question: question.clone(),
            servers: Servers::clone(servers),
            order: self.health.order(servers, now),
            attempt: 0,
            edns: true,
            over_tcp: false,
            was_refused: false,
            exchange: None,
            deadline: now,
        };
        self.questions.insert(ticket, pending);
        self.send(ticket, now, random);
        Some(ticket)
    }

    /// Return whether there is no room for another question.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.questions.len() >= MAX_QUESTIONS
    }

    /// Return what to do next at the sockets.
    pub fn take_outgoing(&mut self) -> Option<Outgoing> {
        self.outgoing.pop_front()
    }

    /// Return a question that has ended.
    pub fn take_finished(&mut self) -> Option<(Ticket, Outcome)> {
        self.finished.pop_front()
    }

    /// Return when to call `on_deadline`; None if nothing is awaited.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        let first = self.deadlines.first().map(|(deadline, _)| *deadline);
        first.into_iter().chain(self.streams.next_deadline()).min()
    }

    /// Ask again what has had no answer in time, and close connections that were not used.
    pub fn on_deadline(&mut self, now: Instant, random: Random<'_>) {
        while let Some((deadline, ticket)) = self.deadlines.first().copied().filter(|(deadline, _)| *deadline <= now) {
            self.deadlines.remove(&(deadline, ticket));
            self.fail(ticket, now, random);
        }
        for stream in self.streams.take_idle(now) {
            self.outgoing.push_back(Outgoing::Close(stream));
        }
    }

    /// Take a datagram that came to a port; one that answers no question is ignored.
    pub fn receive_datagram(&mut self, port: u16, from: SocketAddr, octets: &[u8], now: Instant, random: Random<'_>) {
        let Some(ticket) = self.ports.get(&port).copied() else { return };
        if self.questions.get(&ticket).is_some_and(|pending| is_from(from, pending.server().address)) {
            self.receive(ticket, octets, now, random);
        }
    }

    /// Take octets that came over a connection.
    pub fn receive_stream(&mut self, stream: u32, octets: &[u8], now: Instant, random: Random<'_>) {
        self.streams.push(stream, octets);
        while let Some((message, ticket)) = self.streams.take_message(stream) {
            if let Some(ticket) = ticket {
                self.receive(ticket, &message, now, random);
            }
        }
    }

    /// Take the error of a port: the server cannot be reached, or the port cannot be used.
    pub fn fail_port(&mut self, port: u16, now: Instant, random: Random<'_>) {
        if let Some(ticket) = self.ports.get(&port).copied() {
            self.fail(ticket, now, random);
        }
    }

    /// Take the end of a connection, by the server or by an error. Its questions are asked again.
    pub fn fail_stream(&mut self, stream: u32, now: Instant, random: Random<'_>) {
        for ticket in self.streams.remove(stream) {
            self.fail(ticket, now, random);
        }
    }

    /// End every question and close every port and connection.
    pub fn clear(&mut self) {
        let ports = self.ports.drain().map(|(port, _)| Outgoing::ClosePort(port));
        self.outgoing.extend(ports);
        self.outgoing.extend(self.streams.clear().map(Outgoing::Close));
        self.questions.clear();
        self.tickets.clear();
        self.deadlines.clear();
        self.finished.clear();
        self.health = Health::default();
    }

    /// Send the question to the server whose turn it is.
    fn send(&mut self, ticket: Ticket, now: Instant, random: Random<'_>) {
        self.release(ticket);
        let Some(pending) = self.questions.get_mut(&ticket) else { return };
        let (server, id) = (pending.server(), random());
        let exchange = if pending.over_tcp {
            let (stream, is_new) = self.streams.for_server(server);
            if is_new {
                self.outgoing.push_back(Outgoing::Open { stream, server });
            }
            let id = self.streams.add(stream, id, ticket);
            let exchange = Exchange::over_stream(&pending.question, id, pending.edns, stream);
            self.outgoing.push_back(Outgoing::Write { stream, octets: exchange.framed() });
            exchange
        } else {
            let port = exchange::free_port(random, |port| self.ports.contains_key(&port));
            let exchange = Exchange::from_port(&pending.question, id, pending.edns, port);
            self.ports.insert(port, ticket);
            self.outgoing.push_back(Outgoing::Datagram { port, server, octets: exchange.message().to_vec() });
            exchange
        };
        pending.exchange = Some(exchange);
        pending.deadline = now + TIMEOUT;
        self.deadlines.insert((pending.deadline, ticket));
    }

    /// Await no answer to the message that was sent last.
    fn release(&mut self, ticket: Ticket) {
        let Some(pending) = self.questions.get_mut(&ticket) else { return };
        self.deadlines.remove(&(pending.deadline, ticket));
        let Some(exchange) = pending.exchange.take() else { return };
        if let Some(port) = exchange.port() {
            self.ports.remove(&port);
            self.outgoing.push_back(Outgoing::ClosePort(port));
        }
    }

    fn receive(&mut self, ticket: Ticket, octets: &[u8], now: Instant, random: Random<'_>) {
        let Some(pending) = self.questions.get_mut(&ticket) else { return };
        let Some(exchange) = &pending.exchange else { return };
        let verdict = exchange.judge(&pending.question, octets, pending.edns);
        if verdict == Verdict::Unrelated {
            return;
        }
        if let Some((stream, id)) = exchange.stream() {
            self.streams.answered(stream, id, now);
        }
        match verdict {
            Verdict::Unrelated => {}
            Verdict::Malformed => self.fail(ticket, now, random),
            Verdict::Truncated => {
                pending.over_tcp = true;
                self.send(ticket, now, random);
            }
            Verdict::WithoutEdns => {
                pending.edns = false;
                self.send(ticket, now, random);
            }
            Verdict::Refused => {
                pending.was_refused = true;
                self.health.note_answer(&pending.server());
                self.try_next(ticket, now, random);
            }
            Verdict::Reply(reply) => {
                self.health.note_answer(&pending.server());
                self.finish(ticket, Outcome::Reply(reply));
            }
        }
    }

    /// Go on after a server that was silent, unreachable or not understood.
    fn fail(&mut self, ticket: Ticket, now: Instant, random: Random<'_>) {
        let Some(pending) = self.questions.get(&ticket) else { return };
        self.health.note_failure(&pending.server(), now);
        if let Some((stream, id)) = pending.exchange.as_ref().and_then(Exchange::stream) {
            self.streams.give_up(stream, id, now);
        }
        self.try_next(ticket, now, random);
    }

    fn try_next(&mut self, ticket: Ticket, now: Instant, random: Random<'_>) {
        let Some(pending) = self.questions.get_mut(&ticket) else { return };
        pending.attempt += 1;
        pending.edns = true;
        if pending.attempt < TRIES {
            return self.send(ticket, now, random);
        }
        let outcome = if pending.was_refused { Outcome::Refused } else { Outcome::Silent };
        self.finish(ticket, outcome);
    }

    fn finish(&mut self, ticket: Ticket, outcome: Outcome) {
        self.release(ticket);
        if let Some(pending) = self.questions.remove(&ticket) {
            self.tickets.remove(&(pending.question, pending.servers));
            self.finished.push_back((ticket, outcome));
        }
    }
}

/// Return whether a datagram came from the server; flow label and scope are no part of its identity.
fn is_from(from: SocketAddr, server: SocketAddr) -> bool {
    (from.ip().to_canonical(), from.port()) == (server.ip().to_canonical(), server.port())
}
