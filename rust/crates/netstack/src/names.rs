//! Names: who asks for them, and the servers that know them, by the rules of the network.
//!
//! The rules, the cache and the questions are those of the crate `dns`; here are its sockets. Names are asked for by
//! clients of the proxies and threads of this process, by peers at port 53 of the own addresses, and at listeners on the
//! host. Servers are reached through the tunnel or from this host, as the rule of the name says.

mod listening;
mod lookups;
mod servers;
mod streams;

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use dns::lookup::Transport;
use dns::resolver::{Answer, Client, Resolver};
use dns::route::Path;
use dns::upstream::Outgoing;
use rustix::net::{RecvFlags, SendFlags, SocketAddrAny, recvfrom, sendto};

use crate::datagrams::{Arrival, From, Owner};
use crate::dial::{Caller, Dial, Failure};
use crate::listen;
use crate::names::listening::Listening;
use crate::names::lookups::{Asked, Lookups};
use crate::names::servers::Servers;
use crate::names::streams::{Received, Role, Streams};
use crate::poller::{Ready, Token};
use crate::random;
use crate::shared::{Alarm, Shared};
use crate::slab::Id;
use crate::stream::{self, Stream};
use crate::tables::Dns;
use crate::tcpflow::TcpFlows;
use crate::wheel::Timer;

pub(crate) use lookups::Purpose;

/// The port of DNS.
const PORT: u16 = 53;
/// Messages that are taken of one socket in one turn.
const MESSAGES: usize = 64;
/// The longest datagram.
const BUFFER_BYTES: usize = 64 << 10;
/// How long the connection to a server may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Who asked a question.
#[derive(Debug, Clone)]
enum Asker {
    /// A lookup of this process.
    Lookup(Asked),
    /// A peer, which asked at an own address.
    Peer { local: SocketAddr, remote: SocketAddr },
    /// A client of a listener on the host.
    Host(Id, SocketAddr),
    /// A client on a stream.
    Stream(Id),
}

/// The resolver, its servers and its clients.
pub(crate) struct Names {
    /// The time that is zero since boot, for the resolver.
    epoch: Instant,
    resolver: Option<Resolver>,
    servers: Servers,
    streams: Streams,
    lookups: Lookups,
    listening: Listening,
    /// Where the streams of peers come from, while they are served.
    accepted: Option<OwnedFd>,
    askers: HashMap<u64, Asker>,
    last_asker: u64,
    timer: Option<(Duration, Timer)>,
    buffer: Vec<u8>,
}

impl Names {
    /// Return a service without rules: it knows no name.
    pub(crate) fn new() -> Self {
        Self {
            epoch: Instant::now(),
            resolver: None,
            servers: Servers::default(),
            streams: Streams::default(),
            lookups: Lookups::default(),
            listening: Listening::default(),
            accepted: None,
            askers: HashMap::new(),
            last_asker: 0,
            timer: None,
            buffer: vec![0; BUFFER_BYTES],
        }
    }

    /// Replace the rules and the listeners. The cache is emptied.
    pub(crate) fn set(&mut self, dns: Option<&Dns>, tcp: &mut TcpFlows, shared: &mut Shared) {
        let now = self.now(shared);
        match (dns, &mut self.resolver) {
            (Some(dns), Some(resolver)) => resolver.set_table(dns.rules.clone(), now, &mut random::short),
            (Some(dns), none) => *none = Some(Resolver::new(dns.rules.clone())),
            (None, _) => {
                self.resolver = None;
                self.servers.clear(shared);
                self.streams.close_servers(shared);
                self.fail_askers(shared);
            }
        }
        self.listening.set(dns.map_or(&[], |dns| &dns.listen), shared);
        self.serve_peers(dns.is_some_and(|dns| dns.serves_peers), tcp, shared);
    }

    /// End the questions that nobody answers any more.
    fn fail_askers(&mut self, shared: &mut Shared) {
        for (_, asker) in std::mem::take(&mut self.askers) {
            if let Asker::Lookup(asked) = asker {
                self.lookups.receive(asked, &[], random::short, shared);
            }
        }
    }

    /// Answer at port 53 of the own addresses, or no more.
    fn serve_peers(&mut self, serves: bool, tcp: &mut TcpFlows, shared: &mut Shared) {
        if serves == self.accepted.is_some() {
            return;
        }
        if !serves {
            shared.datagrams.unbind(PORT);
            self.accepted = None;
            return;
        }
        let Ok((theirs, ours)) = stream::message_pair() else { return };
        let is_open = tcp.listeners.add(PORT, theirs)
            && shared.datagrams.bind(PORT, Owner::NameClients).is_some()
            && shared.poller.add_readable(&ours, Token::NamePeers).is_ok();
        self.accepted = is_open.then_some(ours);
    }

    fn now(&self, shared: &Shared) -> Instant {
        self.epoch + shared.now.boot
    }

    /// Begin a lookup for this process.
    pub(crate) fn look_up(&mut self, name: &str, purpose: Purpose, shared: &mut Shared) {
        for asked in self.lookups.start(name, purpose, random::short) {
            self.ask(asked, shared);
        }
    }

    fn ask(&mut self, asked: Asked, shared: &mut Shared) {
        let message = asked.encode();
        if self.resolver.is_some() {
            // Clients of this host have no limit of their own.
            let number = self.last_asker;
            self.query(Asker::Lookup(asked), number, Transport::Tcp, &message, shared);
        } else {
            self.lookups.receive(asked, &[], random::short, shared);
        }
    }

    /// Give a message of a client to the resolver.
    fn query(&mut self, asker: Asker, peer: u64, transport: Transport, message: &[u8], shared: &Shared) {
        let now = self.now(shared);
        let Some(resolver) = &mut self.resolver else { return };
        // Such a message gets no answer, so nothing is remembered of it.
        let is_query = message.len() >= 12 && message[2] & 0x80 == 0;
        if is_query {
            self.last_asker += 1;
            self.askers.insert(self.last_asker, asker);
            let client = Client { token: self.last_asker, peer, transport };
            resolver.receive(client, message, now, &mut random::short);
        }
    }

    /// Process what arrived at port 53 of an own address.
    pub(crate) fn receive_query(&mut self, arrival: &Arrival, shared: &Shared) {
        if let Ok(message) = &arrival.content {
            let asker = Asker::Peer { local: arrival.local, remote: arrival.remote };
            self.query(asker, peer(arrival.remote.ip()), Transport::Udp, message, shared);
        }
    }

    /// Process what arrived at the port of a question.
    pub(crate) fn receive_answer(&mut self, arrival: &Arrival, shared: &Shared) {
        let (now, port) = (self.now(shared), arrival.local.port());
        let Some(resolver) = &mut self.resolver else { return };
        match &arrival.content {
            Ok(message) => resolver.receive_datagram(port, arrival.remote, message, now, &mut random::short),
            Err(_) => resolver.fail_port(port, now, &mut random::short),
        }
    }

    /// Receive at the socket of a question to a server outside.
    pub(crate) fn receive_outside(&mut self, id: Id, shared: &Shared) {
        let now = self.now(shared);
        let Some((port, server, received)) = self.servers.receive(id, &mut self.buffer) else { return };
        let Some(resolver) = &mut self.resolver else { return };
        match received {
            Ok(count) => {
                resolver.receive_datagram(port, server, &self.buffer[..count], now, &mut random::short);
            }
            Err(_) => resolver.fail_port(port, now, &mut random::short),
        }
    }

    /// Receive datagrams at a listener on the host.
    pub(crate) fn receive_datagrams(&mut self, id: Id, shared: &Shared) {
        let mut buffer = std::mem::take(&mut self.buffer);
        for _ in 0..MESSAGES {
            let Some(sockets) = self.listening.get(id) else { break };
            let Ok((_, count, from)) = recvfrom(&sockets.udp, &mut buffer[..], RecvFlags::DONTWAIT) else { break };
            let from: Option<SocketAddr> = from.and_then(|from: SocketAddrAny| from.try_into().ok());
            if let Some(from) = from {
                self.query(Asker::Host(id, from), peer(from.ip()), Transport::Udp, &buffer[..count], shared);
            }
        }
        self.buffer = buffer;
    }

    /// Accept clients of a listener on the host.
    pub(crate) fn accept(&mut self, id: Id, shared: &mut Shared) {
        for _ in 0..MESSAGES {
            let Some(Ok(client)) = self.listening.get(id).map(|sockets| sockets.tcp.accept()) else { return };
            let from = rustix::net::getpeername(&client).ok().flatten();
            if let Some(from) = from.and_then(|from: SocketAddrAny| SocketAddr::try_from(from).ok()) {
                self.streams.add(Stream::connected(client), Role::Client(from), shared);
            }
        }
    }

    /// Accept clients of port 53 of the own addresses.
    pub(crate) fn accept_peers(&mut self, shared: &mut Shared) {
        for _ in 0..MESSAGES {
            let Some((client, from)) = self.accepted.as_ref().and_then(listen::take_accepted) else { return };
            self.streams.add(Stream::connected(client), Role::Client(from), shared);
        }
    }

    /// Process an edge of a stream.
    pub(crate) fn stream_ready(&mut self, id: Id, ready: Ready, shared: &mut Shared) {
        let Some(role) = self.streams.note(id, ready) else { return };
        let now = self.now(shared);
        let mut buffer = std::mem::take(&mut self.buffer);
        loop {
            let received = self.streams.progress(id, &mut buffer, shared);
            match (received, role) {
                (Received::Nothing, _) => break,
                (Received::Octets(count), Role::Client(from)) => {
                    for message in self.streams.messages(id, &buffer[..count]) {
                        self.query(Asker::Stream(id), peer(from.ip()), Transport::Tcp, &message, shared);
                    }
                }
                (Received::Octets(count), Role::Server(number)) => {
                    if let Some(resolver) = &mut self.resolver {
                        resolver.receive_stream(number, &buffer[..count], now, &mut random::short);
                    }
                }
                (Received::Ended, Role::Client(_)) => break,
                (Received::Ended, Role::Server(number)) => {
                    if let Some(resolver) = &mut self.resolver {
                        resolver.fail_stream(number, now, &mut random::short);
                    }
                    break;
                }
            }
        }
        self.buffer = buffer;
    }

    /// End a client's stream that is idle.
    pub(crate) fn on_stream_alarm(&mut self, id: Id, shared: &mut Shared) {
        self.streams.remove(id, shared);
    }

    /// Go on with the addresses of a lookup that have come.
    pub(crate) fn on_lookup_alarm(&mut self, id: Id, shared: &Shared) {
        self.lookups.finish(id, shared);
    }

    /// Open a listener on the host again.
    pub(crate) fn on_listener_alarm(&mut self, id: Id, shared: &mut Shared) {
        self.listening.open(id, shared);
    }

    /// Process the deadline of the resolver.
    pub(crate) fn on_alarm(&mut self, shared: &Shared) {
        self.timer = None;
        let now = self.now(shared);
        if let Some(resolver) = &mut self.resolver {
            resolver.on_deadline(now, &mut random::short);
        }
    }

    /// Carry out what the resolver wants to be sent, and set its timer.
    pub(crate) fn progress(&mut self, tcp: &mut TcpFlows, shared: &mut Shared) {
        while let Some(resolver) = &mut self.resolver {
            if let Some(outgoing) = resolver.take_outgoing() {
                self.carry_out(outgoing, tcp, shared);
            } else if let Some(answer) = resolver.take_answer() {
                self.answer(answer, shared);
            } else {
                break;
            }
        }
        self.set_timer(shared);
    }

    fn set_timer(&mut self, shared: &mut Shared) {
        let Some(deadline) = self.resolver.as_ref().and_then(Resolver::next_deadline) else { return };
        let deadline = deadline.saturating_duration_since(self.epoch);
        if let Some((set, timer)) = self.timer {
            if set <= deadline {
                return;
            }
            shared.wheel.cancel(timer);
        }
        self.timer = Some((deadline, shared.wheel.set(Alarm::Names, deadline)));
    }

    fn carry_out(&mut self, outgoing: Outgoing, tcp: &mut TcpFlows, shared: &mut Shared) {
        let now = self.now(shared);
        let Some(resolver) = &mut self.resolver else { return };
        match outgoing {
            Outgoing::Datagram { port, server, octets } => {
                if !self.servers.send(port, server, &octets, shared) {
                    resolver.fail_port(port, now, &mut random::short);
                }
            }
            Outgoing::ClosePort(port) => self.servers.close(port, shared),
            Outgoing::Open { stream, server } => {
                let connected = match server.path {
                    Path::Tunnel => dial(server.address, tcp, shared),
                    Path::Host => Stream::connect(server.address).ok(),
                };
                let is_open =
                    connected.is_some_and(|connected| self.streams.add(connected, Role::Server(stream), shared));
                if !is_open {
                    resolver.fail_stream(stream, now, &mut random::short);
                }
            }
            Outgoing::Write { stream, octets } => self.streams.write_server(stream, &octets, shared),
            Outgoing::Close(stream) => self.streams.close_server(stream, shared),
        }
    }

    fn answer(&mut self, answer: Answer, shared: &mut Shared) {
        match self.askers.remove(&answer.client.token) {
            Some(Asker::Lookup(asked)) => {
                if let Some(next) = self.lookups.receive(asked, &answer.octets, random::short, shared) {
                    self.ask(next, shared);
                }
            }
            Some(Asker::Peer { local, remote }) => {
                let from = From { address: Some(local.ip()), port: local.port() };
                shared.send_datagram(from, remote, &answer.octets);
            }
            Some(Asker::Host(id, to)) => {
                if let Some(sockets) = self.listening.get(id) {
                    // What a full buffer drops, the client asks for again.
                    let _ = sendto(&sockets.udp, &answer.octets, SendFlags::DONTWAIT, &to);
                }
            }
            Some(Asker::Stream(id)) => self.streams.answer(id, &answer.octets, shared),
            None => {}
        }
    }

    /// Take a lookup that has ended, with the addresses in the order in which to try them.
    pub(crate) fn take_finished(&mut self) -> Option<(Purpose, Vec<IpAddr>)> {
        self.lookups.take_finished()
    }

    /// Return the listeners on the host, and why one does not listen.
    pub(crate) fn status(&self) -> impl Iterator<Item = (String, Result<(), String>)> {
        self.listening.status()
    }
}

/// Dial a server in the tunnel, and return the own end of its stream.
fn dial(server: SocketAddr, tcp: &mut TcpFlows, shared: &mut Shared) -> Option<Stream> {
    let (ours, theirs) = stream::pair().ok()?;
    let caller = Box::new(Silent);
    tcp.dial(Dial { addresses: vec![server], timeout: CONNECT_TIMEOUT, client: theirs, caller }, shared);
    Some(Stream::connected(ours))
}

/// A dial whose failure is the end of its stream.
struct Silent;

impl Caller for Silent {
    fn connected(&mut self, _remote: SocketAddr) -> Vec<u8> {
        Vec::new()
    }

    fn failed(&mut self, _failure: Failure) -> Vec<u8> {
        Vec::new()
    }
}

/// Return the number by which the queries of a client are counted: its address, or its network of 64 bits.
fn peer(address: IpAddr) -> u64 {
    match address {
        IpAddr::V4(v4) => v4.to_bits().into(),
        IpAddr::V6(v6) => (v6.to_bits() >> 64) as u64,
    }
}
