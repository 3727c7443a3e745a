//! The TCP connections to servers.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::frames::Frames;
use crate::route::NameServer;

/// How long a connection without questions is kept. RFC 7766, section 6.2.3 asks for seconds.
pub const IDLE: Duration = Duration::from_secs(10);
/// The most questions at once on one connection; a server answers slowly where it takes more.
pub const MAX_PIPELINED: usize = 16;

/// The number of a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ticket(pub(super) u64);

/// The connections.
#[derive(Debug, Default)]
pub(super) struct Streams {
    streams: HashMap<u32, Stream>,
    last: u32,
}

#[derive(Debug)]
struct Stream {
    server: NameServer,
    frames: Frames,
    /// The questions by the identities of their messages.
    awaited: HashMap<u16, Ticket>,
    /// Whether an answer failed to come: the connection takes no other question.
    is_broken: bool,
    idle_at: Option<Instant>,
}

impl Streams {
    /// Return a connection for another question, and whether it is to be opened.
    pub(super) fn for_server(&mut self, server: NameServer) -> (u32, bool) {
        let takes =
            |stream: &Stream| stream.server == server && !stream.is_broken && stream.awaited.len() < MAX_PIPELINED;
        if let Some((number, _)) = self.streams.iter().find(|(_, stream)| takes(stream)) {
            return (*number, false);
        }
        self.last = self.last.wrapping_add(1);
        let stream =
            Stream { server, frames: Frames::default(), awaited: HashMap::new(), is_broken: false, idle_at: None };
        self.streams.insert(self.last, stream);
        (self.last, true)
    }

    /// Await the answer to a question, and return the identity for its message: this one, unless it is in use.
    pub(super) fn add(&mut self, stream: u32, mut id: u16, ticket: Ticket) -> u16 {
        if let Some(stream) = self.streams.get_mut(&stream) {
            while stream.awaited.contains_key(&id) {
                id = id.wrapping_add(1);
            }
            stream.awaited.insert(id, ticket);
            stream.idle_at = None;
        }
        id
    }

    pub(super) fn push(&mut self, stream: u32, octets: &[u8]) {
        if let Some(stream) = self.streams.get_mut(&stream) {
            stream.frames.push(octets);
        }
    }

    /// Return the next message of a connection, with the question that awaits it.
    pub(super) fn take_message(&mut self, stream: u32) -> Option<(Vec<u8>, Option<Ticket>)> {
        let stream = self.streams.get_mut(&stream)?;
        let message = stream.frames.take()?;
        let id = message.first_chunk::<2>().map(|id| u16::from_be_bytes(*id));
        let ticket = id.and_then(|id| stream.awaited.get(&id)).copied();
        Some((message, ticket))
    }

    /// Note the answer to a message.
    pub(super) fn answered(&mut self, stream: u32, id: u16, now: Instant) {
        if let Some(stream) = self.streams.get_mut(&stream) {
            stream.awaited.remove(&id);
            if stream.awaited.is_empty() {
                stream.idle_at = Some(now + if stream.is_broken { Duration::ZERO } else { IDLE });
            }
        }
    }

    /// Await no answer to a message any more.
    pub(super) fn give_up(&mut self, stream: u32, id: u16, now: Instant) {
        if let Some(stream) = self.streams.get_mut(&stream).filter(|stream| stream.awaited.contains_key(&id)) {
            stream.is_broken = true;
        }
        self.answered(stream, id, now);
    }

    /// Forget a connection, and return the questions that await answers on it.
    pub(super) fn remove(&mut self, stream: u32) -> Vec<Ticket> {
        self.streams.remove(&stream).map_or_else(Vec::new, |stream| stream.awaited.into_values().collect())
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.streams.values().filter_map(|stream| stream.idle_at).min()
    }

    /// Forget the connections that were not used in time, and return them.
    pub(super) fn take_idle(&mut self, now: Instant) -> Vec<u32> {
        let is_idle = |stream: &Stream| stream.idle_at.is_some_and(|idle_at| idle_at <= now);
        self.streams.extract_if(|_, stream| is_idle(stream)).map(|(number, _)| number).collect()
    }

    /// Forget all connections, and return them.
    pub(super) fn clear(&mut self) -> impl Iterator<Item = u32> + use<'_> {
        self.streams.drain().map(|(number, _)| number)
    }
}
