//! One end that is a `tcp::Connection`.

use tcp::segment;
use tcp::{Addresses, Config, Connection, Event, Ports, State, Status, Time};

use crate::application::{Application, Socket};
use crate::host::Host;

/// The greatest size of a segment.
const MAX_SEGMENT: usize = 1 << 16;
/// Segments that are taken at once.
const MAX_TAKEN: usize = 64;

/// A connection with an application.
#[derive(Debug)]
pub struct Endpoint {
    config: Config,
    incoming: Addresses,
    outgoing: Addresses,
    isn: u32,
    connection: Option<Connection>,
    application: Application,
    events: Vec<Event>,
    resets: Vec<Vec<u8>>,
    buffer: Vec<u8>,
}

impl Endpoint {
    /// Open a connection. `outgoing` are the addresses of the packets that it sends.
    #[must_use]
    pub fn connect(config: Config, outgoing: Addresses, ports: Ports, isn: u32, application: Application) -> Self {
        let connection = Connection::connect(&config, ports, isn, Time::ZERO);
        Self { connection: Some(connection), ..Self::listen(config, outgoing, isn, application) }
    }

    /// Wait for a connection, and accept the first.
    #[must_use]
    pub fn listen(config: Config, outgoing: Addresses, isn: u32, application: Application) -> Self {
        Self {
            config,
            incoming: reversed(outgoing),
            outgoing,
            isn,
            connection: None,
            application,
            events: Vec::new(),
            resets: Vec::new(),
            buffer: vec![0; MAX_SEGMENT],
        }
    }

    /// Return what happened on the connection.
    #[must_use]
    pub fn events(&self) -> &[Event] {
        &self.events
    }

    /// Return the status of the connection, if there is one.
    #[must_use]
    pub fn status(&self) -> Option<Status> {
        self.connection.as_ref().map(Connection::status)
    }

    /// Return the connection, if there is one.
    pub const fn connection(&mut self) -> Option<&mut Connection> {
        self.connection.as_mut()
    }

    fn is_closed(&self) -> bool {
        self.status().is_none_or(|status| status.state == State::Closed)
    }

    fn run_application(&mut self, now: Time) {
        let Some(connection) = &mut self.connection else { return };
        while let Some(event) = connection.take_event() {
            self.events.push(event);
        }
        let is_open = matches!(connection.status().state, State::Established | State::CloseWait);
        let peer_closed = self.events.contains(&Event::PeerClosed);
        self.application.turn(&mut Side { connection, is_open, peer_closed }, now);
    }
}

impl Host for Endpoint {
    fn receive(&mut self, packet: &[u8], now: Time) {
        let Ok(segment) = segment::parse(packet, &self.incoming) else { return };
        if self.connection.is_none() {
            self.connection = Connection::accept(&self.config, &segment, self.isn, now);
            if let Some(connection) = &mut self.connection {
                connection.confirm(now);
                return;
            }
        }
        if self.is_closed() {
            if let Some(header) = segment.reset() {
                let mut reset = vec![0; segment::HEADER_LEN];
                if segment::write(&header, (&[], &[]), &self.outgoing, &mut reset).is_some() {
                    self.resets.push(reset);
                }
            }
        } else if let Some(connection) = &mut self.connection {
            connection.receive(&segment, now);
        }
    }

    fn end_batch(&mut self, now: Time) {
        self.run_application(now);
        if let Some(connection) = &mut self.connection {
            connection.end_batch(now);
        }
    }

    fn transmit(&mut self, now: Time, send: &mut dyn FnMut(&[u8])) {
        for reset in self.resets.drain(..) {
            send(&reset);
        }
        let Some(connection) = &mut self.connection else { return };
        let (outgoing, buffer) = (&self.outgoing, &mut self.buffer);
        loop {
            let mut taken = 0;
            connection.take_segments(MAX_TAKEN, now, &mut |header, payload| {
                taken += 1;
                if let Some(len) = segment::write(header, payload, outgoing, buffer) {
                    send(&buffer[..len]);
                }
            });
            assert!(taken <= MAX_TAKEN, "{taken} segments");
            if taken < MAX_TAKEN {
                break;
            }
        }
    }

    fn next_deadline(&self) -> Option<Time> {
        let connection = self.connection.as_ref().and_then(Connection::next_deadline);
        let application = self.application.next_turn().filter(|_| self.connection.is_some() && !self.has_ended());
        [connection, application].into_iter().flatten().min()
    }

    fn on_deadline(&mut self, now: Time) {
        if let Some(connection) = &mut self.connection {
            connection.on_deadline(now);
        }
        self.run_application(now);
    }

    fn has_ended(&self) -> bool {
        // Bytes and the end of the stream that wait for a slow application stay after the connection is closed.
        let is_read = self.application.is_at_end() || !self.events.contains(&Event::PeerClosed);
        self.status().is_some_and(|status| status.state == State::Closed && status.readable == 0 && is_read)
    }

    fn application(&self) -> &Application {
        &self.application
    }
}

/// A connection as the application sees it.
struct Side<'a> {
    connection: &'a mut Connection,
    is_open: bool,
    peer_closed: bool,
}

impl Socket for Side<'_> {
    fn write(&mut self, bytes: &[u8]) -> usize {
        self.connection.write(bytes)
    }

    fn read(&mut self, max: usize, now: Time, take: &mut dyn FnMut(&[u8])) {
        let mut left = max;
        loop {
            let (first, second) = self.connection.readable();
            let first = &first[..first.len().min(left)];
            let second = &second[..second.len().min(left - first.len())];
            let len = first.len() + second.len();
            if len == 0 {
                return;
            }
            take(first);
            take(second);
            left -= len;
            self.connection.consume(len, now);
        }
    }

    fn shutdown(&mut self) {
        self.connection.shutdown();
    }

    fn is_at_end(&self) -> bool {
        self.peer_closed && self.connection.status().readable == 0
    }

    fn is_open(&self) -> bool {
        self.is_open
    }
}

/// Return the addresses of packets in the other direction.
#[must_use]
pub const fn reversed(addresses: Addresses) -> Addresses {
    match addresses {
        Addresses::V4 { source, destination } => Addresses::V4 { source: destination, destination: source },
        Addresses::V6 { source, destination } => Addresses::V6 { source: destination, destination: source },
    }
}
