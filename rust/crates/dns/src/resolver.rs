//! The DNS service of a node, without its sockets: queries of clients in, answers and questions to servers out.
//!
//! A query is answered by this node's own names, from the cache, or by the servers that the table names for it. While
//! these are silent, an answer whose TTL has passed takes their place: at once if they were silent a moment ago, else
//! after [`STALE_DELAY`], which is less than the time for which clients wait.
//!
//! A new table empties the cache, and the queries in flight are asked again by its rules.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use domain::base::iana::{OptRcode, Rcode};

use crate::cache::{Cache, Failure, Hit};
use crate::lookup::Transport;
use crate::message::query::{Query, Rejection};
use crate::message::question::Question;
use crate::message::reply::{Reply, answer_rejected};
use crate::route::{Route, Rule, Table};
use crate::upstream::{Outcome, Outgoing, Random, Ticket, Upstream};

/// The most queries in flight.
pub const MAX_QUERIES: usize = 1024;
/// The most queries in flight of one peer: it takes eight of them to leave no room for others.
pub const MAX_QUERIES_PER_PEER: usize = 128;
/// When to use a stale answer while servers are asked (RFC 8767, section 5: 1.8 seconds).
pub const STALE_DELAY: Duration = Duration::from_millis(1800);

/// The origin of a query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Client {
    /// Where the answer goes; it means something to the caller alone.
    pub token: u64,
    /// The peer that sent it, whatever address it used.
    pub peer: u64,
    /// How the query came.
    pub transport: Transport,
}

/// An answer to a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The client.
    pub client: Client,
    /// The message.
    pub octets: Vec<u8>,
}

/// What became of the queries, as counters.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Messages that are no queries, whether answered or not.
    pub rejected: u64,
    /// Queries for own names.
    pub own: u64,
    /// Queries that the cache answered, stale ones included.
    pub cached: u64,
    /// Queries that were given to servers.
    pub forwarded: u64,
    /// Queries that a limit refused.
    pub refused: u64,
}

/// The service. Times are those that the caller passes.
#[derive(Debug)]
pub struct Resolver {
    table: Arc<Table>,
    cache: Cache,
    upstream: Upstream,
    waiting: HashMap<Ticket, Waiting>,
    stale_deadlines: BTreeSet<(Instant, Ticket)>,
    load: Load,
    answers: VecDeque<Answer>,
    counters: Counters,
}

/// The queries that await one answer; none if a stale one was given to all.
#[derive(Debug)]
struct Waiting {
    rule: Rule,
    question: Question,
    queries: Vec<(Client, Query)>,
    stale_at: Instant,
}

/// The queries in flight.
#[derive(Debug, Default)]
struct Load {
    all: usize,
    peers: HashMap<u64, usize>,
}

impl Load {
    fn is_full(&self, peer: u64) -> bool {
        self.all >= MAX_QUERIES || self.peers.get(&peer).is_some_and(|count| *count >= MAX_QUERIES_PER_PEER)
    }

    fn add(&mut self, peer: u64) {
        self.all += 1;
        *self.peers.entry(peer).or_default() += 1;
    }

    fn remove(&mut self, peer: u64) {
        self.all -= 1;
        if let Some(count) = self.peers.get_mut(&peer) {
            *count -= 1;
            if *count == 0 {
                self.peers.remove(&peer);
            }
        }
    }
}

impl Resolver {
    /// Return the service with a table and an empty cache.
    #[must_use]
    pub fn new(table: Arc<Table>) -> Self {
        Self {
            table,
            cache: Cache::default(),
            upstream: Upstream::default(),
            waiting: HashMap::new(),
            stale_deadlines: BTreeSet::new(),
            load: Load::default(),
            answers: VecDeque::new(),
            counters: Counters::default(),
        }
    }

    /// Put a new table in place of the old one.
    pub fn set_table(&mut self, table: Arc<Table>, now: Instant, random: Random<'_>) {
        self.table = table;
        self.cache.clear();
        self.upstream.clear();
        self.stale_deadlines.clear();
        self.load = Load::default();
        for (client, query) in std::mem::take(&mut self.waiting).into_values().flat_map(|waiting| waiting.queries) {
            self.resolve(client, query, now, random);
        }
    }

    /// Forget every answer, as after a time without a session, in which names may have moved.
    pub fn clear_cache(&mut self) {
        self.cache.clear();
    }

    /// Return what became of the queries so far.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// Return the number of queries in flight.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.load.all
    }

    /// Take a message of a client.
    pub fn receive(&mut self, client: Client, octets: &[u8], now: Instant, random: Random<'_>) {
        match Query::parse(octets) {
            Ok(query) => self.resolve(client, query, now, random),
            Err(rejection) => {
                self.counters.rejected += 1;
                self.reject(client, &rejection);
            }
        }
    }

    /// Take a datagram of a server; see [`Upstream::receive_datagram`].
    pub fn receive_datagram(&mut self, port: u16, from: SocketAddr, octets: &[u8], now: Instant, random: Random<'_>) {
        self.upstream.receive_datagram(port, from, octets, now, random);
        self.take_outcomes(now);
    }

    /// Take octets of a server's connection.
    pub fn receive_stream(&mut self, stream: u32, octets: &[u8], now: Instant, random: Random<'_>) {
        self.upstream.receive_stream(stream, octets, now, random);
        self.take_outcomes(now);
    }

    /// Take the error of a port; see [`Upstream::fail_port`].
    pub fn fail_port(&mut self, port: u16, now: Instant, random: Random<'_>) {
        self.upstream.fail_port(port, now, random);
        self.take_outcomes(now);
    }

    /// Take the end of a server's connection; see [`Upstream::fail_stream`].
    pub fn fail_stream(&mut self, stream: u32, now: Instant, random: Random<'_>) {
        self.upstream.fail_stream(stream, now, random);
        self.take_outcomes(now);
    }

    /// Return the next answer to a client.
    pub fn take_answer(&mut self) -> Option<Answer> {
        self.answers.pop_front()
    }

    /// Return what to do next at the sockets to servers.
    pub fn take_outgoing(&mut self) -> Option<Outgoing> {
        self.upstream.take_outgoing()
    }

    /// Return when to call `on_deadline`; None if nothing is awaited.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        let stale = self.stale_deadlines.first().map(|(deadline, _)| *deadline);
        stale.into_iter().chain(self.upstream.next_deadline()).min()
    }

    /// Go on when a time has passed.
    pub fn on_deadline(&mut self, now: Instant, random: Random<'_>) {
        while let Some((deadline, ticket)) = self.stale_deadlines.first().copied().filter(|(at, _)| *at <= now) {
            self.stale_deadlines.remove(&(deadline, ticket));
            self.answer_stale(ticket, now);
        }
        self.upstream.on_deadline(now, random);
        self.take_outcomes(now);
    }

    fn resolve(&mut self, client: Client, query: Query, now: Instant, random: Random<'_>) {
        let rule = match self.table.route(&query.question) {
            Route::Own(reply) => {
                self.counters.own += 1;
                return self.answer(client, &query, &reply);
            }
            Route::Forward(rule) => rule,
        };
        if !query.head.recursion_desired {
            // Such a query asks what the cache holds, which is nobody's business.
            return self.refuse(client, query);
        }
        if let Some(reply) = self.cached(&query, now) {
            self.counters.cached += 1;
            return self.answer(client, &query, &reply);
        }
        if rule.servers.is_empty() {
            return self.answer(client, &query, &failed());
        }
        if self.load.is_full(client.peer) {
            return self.refuse(client, query);
        }
        self.forward(client, query, rule, now, random);
    }

    fn cached(&mut self, query: &Query, now: Instant) -> Option<Reply> {
        match self.cache.get(&query.question, now)? {
            Hit::Fresh(reply) => Some(reply),
            Hit::Failed(Failure::Refused) => Some(failed()),
            Hit::Failed(Failure::Silent) => Some(self.cache.stale(&query.question, now).unwrap_or_else(failed)),
        }
    }

    fn forward(&mut self, client: Client, query: Query, rule: Rule, now: Instant, random: Random<'_>) {
        let Some(ticket) = self.upstream.ask(&query.question, &rule.servers, now, random) else {
            return self.refuse(client, query);
        };
        self.counters.forwarded += 1;
        self.load.add(client.peer);
        let waiting = self.waiting.entry(ticket).or_insert_with(|| Waiting {
            rule,
            question: query.question.clone(),
            queries: Vec::new(),
            stale_at: now + STALE_DELAY,
        });
        waiting.queries.push((client, query));
        if self.cache.stale(&waiting.question, now).is_some() {
            // The time of the first query counts, or a name asked every second would never be answered.
            self.stale_deadlines.insert((waiting.stale_at, ticket));
        }
    }

    fn answer_stale(&mut self, ticket: Ticket, now: Instant) {
        let Some(waiting) = self.waiting.get_mut(&ticket) else { return };
        let Some(reply) = self.cache.stale(&waiting.question, now) else { return };
        self.counters.cached += waiting.queries.len() as u64;
        for (client, query) in std::mem::take(&mut waiting.queries) {
            self.load.remove(client.peer);
            self.answer(client, &query, &reply);
        }
    }

    fn take_outcomes(&mut self, now: Instant) {
        while let Some((ticket, outcome)) = self.upstream.take_finished() {
            let Some(waiting) = self.waiting.remove(&ticket) else { continue };
            self.stale_deadlines.remove(&(waiting.stale_at, ticket));
            let reply = self.conclude(&waiting, outcome, now);
            for (client, query) in waiting.queries {
                self.load.remove(client.peer);
                self.answer(client, &query, &reply);
            }
        }
    }

    /// Keep what came of a question, and return the answer to its queries.
    fn conclude(&mut self, waiting: &Waiting, outcome: Outcome, now: Instant) -> Reply {
        match outcome {
            Outcome::Reply(mut reply) => {
                self.table.filter(&waiting.rule, &mut reply);
                self.cache.store(&waiting.question, &reply, now);
                reply
            }
            Outcome::Refused => {
                self.cache.store_failure(&waiting.question, Failure::Refused, now);
                failed()
            }
            Outcome::Silent => {
                self.cache.store_failure(&waiting.question, Failure::Silent, now);
                self.cache.stale(&waiting.question, now).unwrap_or_else(failed)
            }
        }
    }

    fn answer(&mut self, client: Client, query: &Query, reply: &Reply) {
        let octets = reply.encode(query, query.max_answer_bytes(client.transport));
        self.answers.push_back(Answer { client, octets });
    }

    fn refuse(&mut self, client: Client, query: Query) {
        self.counters.refused += 1;
        self.reject(client, &Rejection::Refused(Box::new(query), OptRcode::REFUSED));
    }

    fn reject(&mut self, client: Client, rejection: &Rejection) {
        if let Some(octets) = answer_rejected(rejection) {
            self.answers.push_back(Answer { client, octets });
        }
    }
}

fn failed() -> Reply {
    Reply::empty(Rcode::SERVFAIL)
}
