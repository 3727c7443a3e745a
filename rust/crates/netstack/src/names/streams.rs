//! Streams of DNS messages: to servers, and from clients.

use std::collections::HashMap;
use std::io::IoSlice;
use std::net::SocketAddr;
use std::time::Duration;

use dns::frames::{Frames, framed};

use crate::poller::{Ready, Token};
use crate::shared::{Alarm, Shared};
use crate::slab::{Id, Slab};
use crate::stream::{Read, Stream};
use crate::wheel::Timer;

/// Streams of clients.
const MAX_CLIENTS: usize = 128;
/// How long a stream of a client is kept without a message (RFC 7766, section 6.2.3: a few seconds).
const IDLE_TIMEOUT: Duration = Duration::from_secs(10);
/// A client that does not read its answers is disconnected.
const MAX_UNSENT: usize = 256 << 10;

/// The other side of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// A server, by the number of the resolver.
    Server(u32),
    /// A client, by its address.
    Client(SocketAddr),
}

struct Connection {
    stream: Stream,
    role: Role,
    frames: Frames,
    unsent: Vec<u8>,
    timer: Option<Timer>,
}

/// What a read gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Received {
    /// Nothing now.
    Nothing,
    /// So many octets.
    Octets(usize),
    /// The stream has ended, and is forgotten.
    Ended,
}

/// The streams.
#[derive(Default)]
pub(crate) struct Streams {
    connections: Slab<Connection>,
    servers: HashMap<u32, Id>,
    clients: usize,
}

impl Streams {
    /// Add a stream. False if there is no place for it.
    pub(crate) fn add(&mut self, stream: Stream, role: Role, shared: &mut Shared) -> bool {
        if matches!(role, Role::Client(_)) && self.clients >= MAX_CLIENTS {
            return false;
        }
        let id = self.connections.insert(Connection {
            stream,
            role,
            frames: Frames::default(),
            unsent: Vec::new(),
            timer: None,
        });
        match role {
            Role::Server(number) => drop(self.servers.insert(number, id)),
            Role::Client(_) => self.clients += 1,
        }
        self.keep(id, shared);
        let connection = self.connections.get(id);
        let is_watched = connection
            .is_some_and(|connection| shared.poller.add_edges(&connection.stream, Token::NameStream(id)).is_ok());
        if !is_watched {
            self.remove(id, shared);
        }
        is_watched
    }

    /// Begin the idle time of a client anew.
    fn keep(&mut self, id: Id, shared: &mut Shared) {
        let Some(connection) = self.connections.get_mut(id) else { return };
        if matches!(connection.role, Role::Client(_)) {
            let timer = shared.wheel.set(Alarm::NameStream(id), shared.now.boot + IDLE_TIMEOUT);
            if let Some(timer) = connection.timer.replace(timer) {
                shared.wheel.cancel(timer);
            }
        }
    }

    /// Forget a stream, and close it.
    pub(crate) fn remove(&mut self, id: Id, shared: &mut Shared) {
        let Some(connection) = self.connections.remove(id) else { return };
        if let Some(timer) = connection.timer {
            shared.wheel.cancel(timer);
        }
        match connection.role {
            Role::Server(number) => drop(self.servers.remove(&number)),
            Role::Client(_) => self.clients -= 1,
        }
    }

    /// Forget the stream to a server.
    pub(crate) fn close_server(&mut self, number: u32, shared: &mut Shared) {
        if let Some(id) = self.servers.get(&number).copied() {
            self.remove(id, shared);
        }
    }

    /// Forget the streams to all servers.
    pub(crate) fn close_servers(&mut self, shared: &mut Shared) {
        let numbers: Vec<_> = self.servers.keys().copied().collect();
        for number in numbers {
            self.close_server(number, shared);
        }
    }

    /// Record an edge, and return the other side.
    pub(crate) fn note(&mut self, id: Id, ready: Ready) -> Option<Role> {
        let connection = self.connections.get_mut(id)?;
        connection.stream.note(ready);
        Some(connection.role)
    }

    /// Write what waits, and read.
    pub(crate) fn progress(&mut self, id: Id, buffer: &mut [u8], shared: &mut Shared) -> Received {
        let Some(connection) = self.connections.get_mut(id) else { return Received::Nothing };
        let is_connected = connection.stream.finish_connecting().is_none_or(|outcome| outcome.is_ok());
        if !is_connected || connection.flush().is_err() {
            self.remove(id, shared);
            return Received::Ended;
        }
        if !connection.stream.is_readable() {
            return Received::Nothing;
        }
        match connection.stream.read((buffer, &mut [])) {
            Read::Bytes(count) => {
                self.keep(id, shared);
                Received::Octets(count)
            }
            Read::Wait => Received::Nothing,
            Read::End | Read::Broken => {
                self.remove(id, shared);
                Received::Ended
            }
        }
    }

    /// Return the whole messages of a client, after octets of it.
    pub(crate) fn messages(&mut self, id: Id, octets: &[u8]) -> Vec<Vec<u8>> {
        let Some(connection) = self.connections.get_mut(id) else { return Vec::new() };
        connection.frames.push(octets);
        std::iter::from_fn(|| connection.frames.take()).collect()
    }

    /// Write octets to a server.
    pub(crate) fn write_server(&mut self, number: u32, octets: &[u8], shared: &mut Shared) {
        if let Some(id) = self.servers.get(&number).copied() {
            self.write(id, octets, shared);
        }
    }

    /// Answer a client.
    pub(crate) fn answer(&mut self, id: Id, message: &[u8], shared: &mut Shared) {
        self.write(id, &framed(message), shared);
    }

    /// Write octets. What breaks the stream is seen when it is read.
    fn write(&mut self, id: Id, octets: &[u8], shared: &mut Shared) {
        let Some(connection) = self.connections.get_mut(id) else { return };
        connection.unsent.extend_from_slice(octets);
        let is_stuck = connection.flush().is_ok() && connection.unsent.len() > MAX_UNSENT;
        if is_stuck && matches!(connection.role, Role::Client(_)) {
            self.remove(id, shared);
        }
    }
}

impl Connection {
    fn flush(&mut self) -> Result<(), rustix::io::Errno> {
        if !self.unsent.is_empty() {
            let sent = self.stream.write(&[IoSlice::new(&self.unsent)])?;
            self.unsent.drain(..sent);
        }
        Ok(())
    }
}
