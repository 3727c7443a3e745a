//! One lookup as a state machine. It holds no socket, no clock and no random number.
//!
//! For each name of the search list, each server is asked for both kinds of addresses at once, up to `attempts` times:
//!
//! - An answer counts for its question alone, and is kept when the other question has to be asked again.
//! - A truncated answer is asked for again over TCP, a server that fails with EDNS is asked again without it.
//! - A server that refuses, fails or is silent gives way to the next one. One that is silent is asked last for the next name.
//! - Addresses of one kind are enough: the other is awaited for [`RESOLUTION_DELAY`] only (RFC 8305, section 3).
//! - If no server answers at all, the rest of the search list is not asked.

use std::collections::VecDeque;
use std::fmt;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use crate::HostName;
use crate::health::Health;
use crate::message::addresses::{self, AddressQuestion, Family, Response};
use crate::message::question::ResponseError;
use crate::resolv_conf::{ResolvConf, Server};

/// How long to wait for the second kind of addresses after the first has come. WireGuard tries one address after the
/// other anyway, so this may be longer than the 50 ms of RFC 8305, which a slow resolver exceeds.
pub const RESOLUTION_DELAY: Duration = Duration::from_secs(1);
/// A longer chain of aliases over several answers is a loop.
const MAX_ALIASES: usize = 16;
const FAMILIES: [Family; 2] = [Family::V6, Family::V4];

/// How a message is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// In a datagram.
    Udp,
    /// In a stream, behind its length (RFC 1035, section 4.2.2).
    Tcp,
}

/// Messages to send over a new channel; channels before it are closed.
#[derive(Debug, Clone)]
pub struct Request {
    /// The number of the channel, for `receive` and `fail`.
    pub channel: u32,
    /// The server.
    pub server: Server,
    /// The transport.
    pub transport: Transport,
    /// The messages.
    pub messages: Vec<Vec<u8>>,
}

/// Why a lookup found no address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LookupError {
    /// There is no server to ask.
    NoServer,
    /// The name cannot be one of DNS.
    InvalidName,
    /// No name of the search list exists, says this server.
    NoSuchName {
        /// The server that was asked last.
        server: Option<IpAddr>,
        /// The names, where several were asked.
        names: Vec<String>,
    },
    /// The name exists, and has no address.
    NoAddress {
        /// The server.
        server: IpAddr,
    },
    /// No server gave an answer; each with its reason.
    Failed(Vec<(IpAddr, String)>),
}

impl std::error::Error for LookupError {}

impl fmt::Display for LookupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoServer => f.write_str("no name server of this host is reached without the network"),
            Self::InvalidName => f.write_str("it cannot be a name of DNS"),
            Self::NoSuchName { server, names } => {
                server.map_or(Ok(()), |server| write!(f, "{server}: "))?;
                f.write_str("there is no such name")?;
                if names.len() > 1 { write!(f, " ({})", names.join(", ")) } else { Ok(()) }
            }
            Self::NoAddress { server } => write!(f, "{server}: the name has no address"),
            Self::Failed(servers) => {
                for (number, (server, reason)) in servers.iter().enumerate() {
                    write!(f, "{}{server}: {reason}", if number > 0 { ", " } else { "" })?;
                }
                Ok(())
            }
        }
    }
}

/// The answer to one question of a name.
#[derive(Debug, Clone)]
enum Answer {
    Addresses(Vec<IpAddr>),
    NoSuchName,
}

/// The question for one kind of addresses, through all aliases.
#[derive(Debug)]
struct Part {
    family: Family,
    /// The name, or the last alias.
    name: HostName,
    aliases: usize,
    answer: Option<Answer>,
}

/// The questions that one server was asked.
#[derive(Debug)]
struct Exchange {
    channel: u32,
    transport: Transport,
    questions: Vec<AddressQuestion>,
    deadline: Instant,
}

/// A lookup. Times are those that the caller passes.
#[derive(Debug)]
pub struct Lookup {
    conf: ResolvConf,
    names: VecDeque<HostName>,
    asked: Vec<String>,
    parts: Vec<Part>,
    /// The number of the attempt for the present name; the server follows from it and from the order.
    attempt: usize,
    health: Health<usize>,
    order: Vec<usize>,
    edns: Vec<bool>,
    failures: Vec<(IpAddr, String)>,
    was_answered: bool,
    exists: bool,
    exchange: Option<Exchange>,
    channels: u32,
    request: Option<Request>,
    outcome: Option<Result<Vec<IpAddr>, LookupError>>,
}

impl Lookup {
    /// Begin to look up the first of `names`; those after it are asked where it does not exist.
    ///
    /// `id` returns an unpredictable number at each call, here and below.
    pub fn new(names: Vec<HostName>, conf: ResolvConf, now: Instant, id: &mut dyn FnMut() -> u16) -> Self {
        let edns = vec![true; conf.servers.len()];
        let mut lookup = Self {
            conf,
            names: names.into(),
            asked: Vec::new(),
            parts: Vec::new(),
            attempt: 0,
            health: Health::default(),
            order: Vec::new(),
            edns,
            failures: Vec::new(),
            was_answered: false,
            exists: false,
            exchange: None,
            channels: 0,
            request: None,
            outcome: None,
        };
        if lookup.names.is_empty() {
            lookup.outcome = Some(Err(LookupError::InvalidName));
        } else if lookup.conf.servers.is_empty() {
            lookup.outcome = Some(Err(LookupError::NoServer));
        } else {
            lookup.next_name(now, id);
        }
        lookup
    }

    /// Return what to send, once.
    pub fn take_request(&mut self) -> Option<Request> {
        self.request.take()
    }

    /// Return the channel whose answers are awaited; every other one can be closed.
    #[must_use]
    pub fn channel(&self) -> Option<u32> {
        self.exchange.as_ref().map(|exchange| exchange.channel)
    }

    /// Return when to call `on_deadline`; None when the lookup has ended.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        self.exchange.as_ref().map(|exchange| exchange.deadline)
    }

    /// Return the addresses as the servers gave them, or the error; None until the lookup has ended.
    #[must_use]
    pub fn outcome(&self) -> Option<&Result<Vec<IpAddr>, LookupError>> {
        self.outcome.as_ref()
    }

    /// Take a message that came over a channel; one that answers no question is ignored.
    pub fn receive(&mut self, channel: u32, octets: &[u8], now: Instant, id: &mut dyn FnMut() -> u16) {
        let Some(exchange) = self.exchange.as_mut().filter(|exchange| exchange.channel == channel) else { return };
        let parsed = exchange.questions.iter().enumerate().find_map(|(place, question)| {
            match addresses::parse(octets, question) {
                Err(ResponseError::Unrelated) => None,
                parsed => Some((place, parsed)),
            }
        });
        let Some((place, parsed)) = parsed else { return };
        let question = exchange.questions.swap_remove(place);
        let transport = exchange.transport;
        match parsed {
            Ok(Response::Addresses(addresses)) => self.answer(&question, Answer::Addresses(addresses), now, id),
            Ok(Response::NoSuchName) => self.answer(&question, Answer::NoSuchName, now, id),
            Ok(Response::Alias(target)) => self.follow(&question, target, now, id),
            Ok(Response::Truncated) if transport == Transport::Udp => self.ask(Transport::Tcp, now, id),
            Ok(Response::Failed(code)) => self.server_failed(&code.to_string(), now, id),
            Ok(Response::Truncated) => self.next_attempt("malformed answer", now, id),
            Err(error) => self.next_attempt(&error.to_string(), now, id),
        }
    }

    /// Take an error of a channel, such as a port that nobody listens on.
    pub fn fail(&mut self, channel: u32, reason: &str, now: Instant, id: &mut dyn FnMut() -> u16) {
        if self.channel() == Some(channel) {
            self.next_attempt(reason, now, id);
        }
    }

    /// Go on when a server has not answered in time.
    pub fn on_deadline(&mut self, now: Instant, id: &mut dyn FnMut() -> u16) {
        if self.next_deadline().is_none_or(|deadline| deadline > now) {
            return;
        }
        if self.has_addresses() {
            self.conclude_name(now, id);
        } else {
            self.next_attempt("no answer", now, id);
        }
    }

    fn server(&self) -> usize {
        self.order[self.attempt % self.order.len()]
    }

    fn next_name(&mut self, now: Instant, id: &mut dyn FnMut() -> u16) {
        let Some(name) = self.names.pop_front() else {
            return self.end(Err(self.negative()));
        };
        self.asked.push(name.to_string());
        let families = FAMILIES.iter().filter(|family| !self.conf.no_aaaa || **family == Family::V4);
        self.parts =
            families.map(|family| Part { family: *family, name: name.clone(), aliases: 0, answer: None }).collect();
        (self.attempt, self.was_answered) = (0, false);
        let servers: Vec<usize> = (0..self.conf.servers.len()).collect();
        self.order = self.health.order(&servers, now);
        self.failures.clear();
        let transport = self.first_transport();
        self.ask(transport, now, id);
    }

    fn first_transport(&self) -> Transport {
        if self.conf.use_tcp { Transport::Tcp } else { Transport::Udp }
    }

    /// Ask the present server all that has no answer yet.
    fn ask(&mut self, transport: Transport, now: Instant, id: &mut dyn FnMut() -> u16) {
        let open = self.parts.iter().filter(|part| part.answer.is_none());
        let mut questions: Vec<AddressQuestion> = Vec::new();
        for part in open {
            let mut number = id();
            // Two answers to be told apart by their questions, and by their numbers as well.
            while questions.iter().any(|question| question.id == number) {
                number = number.wrapping_add(1);
            }
            questions.push(AddressQuestion { id: number, name: part.name.clone(), family: part.family });
        }
        let server = self.server();
        let messages = questions.iter().map(|question| question.encode(self.edns[server])).collect();
        self.channels += 1;
        self.request =
            Some(Request { channel: self.channels, server: self.conf.servers[server].clone(), transport, messages });
        let deadline = now + self.conf.timeout;
        self.exchange = Some(Exchange { channel: self.channels, transport, questions, deadline });
    }

    fn answer(&mut self, question: &AddressQuestion, answer: Answer, now: Instant, id: &mut dyn FnMut() -> u16) {
        self.was_answered = true;
        self.exists |= matches!(answer, Answer::Addresses(_));
        if let Some(part) = self.part(question.family) {
            part.answer = Some(answer);
        }
        if self.parts.iter().all(|part| part.answer.is_some()) {
            self.conclude_name(now, id);
        } else if self.exchange.as_ref().is_some_and(|exchange| exchange.questions.is_empty()) {
            // What is left was cut off, or leads to another name.
            self.ask(self.transport(), now, id);
        } else if self.has_addresses()
            && let Some(exchange) = &mut self.exchange
        {
            exchange.deadline = exchange.deadline.min(now + RESOLUTION_DELAY);
        }
    }

    fn follow(&mut self, question: &AddressQuestion, target: HostName, now: Instant, id: &mut dyn FnMut() -> u16) {
        self.was_answered = true;
        self.exists = true;
        let Some(part) = self.part(question.family) else { return };
        part.aliases += 1;
        part.name = target;
        if part.aliases > MAX_ALIASES {
            self.next_attempt("too many aliases", now, id);
        } else if self.exchange.as_ref().is_some_and(|exchange| exchange.questions.is_empty()) {
            self.ask(self.transport(), now, id);
        }
    }

    fn part(&mut self, family: Family) -> Option<&mut Part> {
        self.parts.iter_mut().find(|part| part.family == family)
    }

    fn transport(&self) -> Transport {
        self.exchange.as_ref().map_or(self.first_transport(), |exchange| exchange.transport)
    }

    /// A server that does not know EDNS is asked again without it (RFC 6891, section 7).
    fn server_failed(&mut self, code: &str, now: Instant, id: &mut dyn FnMut() -> u16) {
        let server = self.server();
        if self.edns[server] && matches!(code, "FORMERR" | "NOTIMP") {
            self.edns[server] = false;
            return self.ask(self.transport(), now, id);
        }
        self.was_answered = true;
        self.ask_next_server(code, now, id);
    }

    /// Go on after a server that was silent, unreachable or not understood.
    fn next_attempt(&mut self, reason: &str, now: Instant, id: &mut dyn FnMut() -> u16) {
        self.health.note_failure(&self.server(), now);
        self.ask_next_server(reason, now, id);
    }

    fn ask_next_server(&mut self, reason: &str, now: Instant, id: &mut dyn FnMut() -> u16) {
        let address = self.conf.servers[self.server()].address.ip();
        self.failures.retain(|(server, _)| *server != address);
        self.failures.push((address, reason.to_owned()));
        self.attempt += 1;
        let all = self.conf.servers.len() * usize::from(self.conf.attempts);
        if self.attempt < all {
            let transport = self.first_transport();
            self.ask(transport, now, id);
        } else if self.has_addresses() {
            self.conclude_name(now, id);
        } else if self.was_answered && !self.names.is_empty() {
            self.next_name(now, id);
        } else {
            self.end(Err(LookupError::Failed(self.failures.clone())));
        }
    }

    fn has_addresses(&self) -> bool {
        let mut answers = self.parts.iter().filter_map(|part| part.answer.as_ref());
        answers.any(|answer| matches!(answer, Answer::Addresses(addresses) if !addresses.is_empty()))
    }

    fn conclude_name(&mut self, now: Instant, id: &mut dyn FnMut() -> u16) {
        if !self.has_addresses() {
            return self.next_name(now, id);
        }
        let mut found = Vec::new();
        for part in &self.parts {
            if let Some(Answer::Addresses(addresses)) = &part.answer {
                found.extend(addresses.iter().copied());
            }
        }
        self.end(Ok(found));
    }

    fn negative(&self) -> LookupError {
        let server = self.conf.servers[self.server()].address.ip();
        if self.exists {
            LookupError::NoAddress { server }
        } else {
            LookupError::NoSuchName { server: Some(server), names: self.asked.clone() }
        }
    }

    fn end(&mut self, outcome: Result<Vec<IpAddr>, LookupError>) {
        (self.exchange, self.request) = (None, None);
        self.outcome = Some(outcome);
    }
}
