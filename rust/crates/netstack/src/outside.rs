//! Datagrams that peers exchange with the outside: the NAT by host sockets, one for each mapping, that UDP and ICMP echo
//! have in common.
//!
//! The exit policy judges each destination of a mapping before a socket is opened or used for it. What the kernel knows
//! about errors (IP_RECVERR) is told to the peer as a router would, with the packet that it sent.

use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, SocketAddr};

use device::place::Place;
use device::udp::{Family, Fields, HostInbox, HostSocket, Kind, QueuedError, Received, take_error};
use proto::PeerId;
use rustix::io::Errno;

use crate::counts::Reason;
use crate::icmp::{self, Original};
use crate::mapping::{Filtering, Inner, MappingId, Mappings, Opened, Outbound, outer_ports};
use crate::packet::{self, IPV6_BYTES, Packet, UDP_BYTES, short};
use crate::packets::OVERHEAD;
use crate::pcapng::Direction;
use crate::policy::Port;
use crate::poller::{Ready, Token};
use crate::random;
use crate::shared::{Alarm, Shared};
use crate::slab::{Id, Slab};
use crate::udp::Datagram;

/// Errors of one socket that are told in one turn.
const ERRORS: usize = 16;
/// What an error may quote of a datagram: more than it is then cut to.
const QUOTED_BYTES: usize = 1500;
/// Size of the header of an echo.
const ECHO_BYTES: usize = 8;

struct HostPort {
    mapping: MappingId,
    socket: HostSocket,
    /// Whether it waits to be read, or is being read.
    is_queued: bool,
}

/// What was received from a socket and has not all been passed on.
struct Reading {
    id: Id,
    /// How many of the messages have been passed on.
    passed: usize,
    /// Whether the socket may have more.
    has_more: bool,
}

/// The mappings of one kind with their sockets.
pub(crate) struct Outside {
    kind: Kind,
    mappings: Mappings<PeerId>,
    ports: Slab<HostPort>,
    by_mapping: HashMap<MappingId, Id>,
    readable: VecDeque<Id>,
    inbox: HostInbox,
    reading: Option<Reading>,
}

impl Outside {
    pub(crate) fn new(kind: Kind) -> Self {
        Self {
            kind,
            mappings: match kind {
                Kind::Udp => Mappings::udp(Filtering::default()),
                Kind::Echo => Mappings::echo(),
            },
            ports: Slab::default(),
            by_mapping: HashMap::new(),
            readable: VecDeque::new(),
            inbox: HostInbox::default(),
            reading: None,
        }
    }

    /// Return the number of sockets.
    pub(crate) fn len(&self) -> usize {
        self.ports.len()
    }

    /// Return the socket for a packet of a peer, once the policy lets it pass; `None` if the packet is refused.
    pub(crate) fn admit(
        &mut self,
        shared: &mut Shared,
        packet: &Packet<'_>,
        inner: Inner<PeerId>,
        destination: SocketAddr,
    ) -> Option<Id> {
        let found = self.mappings.outbound(inner, destination);
        if let Outbound::Known(mapping) = found {
            return self.by_mapping.get(&mapping).copied();
        }
        if !shared.may_exit(destination.ip(), policy_port(self.kind, destination)) {
            shared.counts.refuse(Reason::Policy);
            shared.report(inner.peer, packet, icmp::Error::Prohibited);
            return None;
        }
        match found {
            Outbound::NewDestination(mapping) => self.by_mapping.get(&mapping).copied(),
            _ => self.open(shared, packet, inner, destination),
        }
    }

    fn open(
        &mut self,
        shared: &mut Shared,
        packet: &Packet<'_>,
        inner: Inner<PeerId>,
        destination: SocketAddr,
    ) -> Option<Id> {
        if self.ports.len() >= shared.tables.max_flows {
            shared.counts.refuse(Reason::Flows);
            return None;
        }
        let mapping = match self.mappings.open(inner, destination, shared.now.boot) {
            Opened::New(mapping) => mapping,
            Opened::Replacing(mapping, removed) => {
                self.close(removed);
                mapping
            }
            Opened::Refused => {
                shared.counts.refuse(Reason::Flows);
                return None;
            }
        };
        let opened = host_socket(self.kind, inner.endpoint).and_then(|socket| {
            let id = self.ports.insert(HostPort { mapping, socket, is_queued: false });
            let socket = self.ports.get(id).map(|port| &port.socket);
            let watched = socket.map_or(Err(Errno::BADF), |socket| {
                shared.poller.add_input(socket, self.token(id)).map_err(|_| Errno::NOMEM)
            });
            watched.map(|()| id).inspect_err(|_| drop(self.ports.remove(id)))
        });
        match opened {
            Ok(id) => {
                self.by_mapping.insert(mapping, id);
                self.set_timer(id, shared);
                Some(id)
            }
            Err(errno) => {
                self.mappings.remove(mapping);
                shared.counts.refuse(Reason::Flows);
                if let Some(error) = unreachable(errno) {
                    shared.report(inner.peer, packet, error);
                }
                None
            }
        }
    }

    fn token(&self, id: Id) -> Token {
        match self.kind {
            Kind::Udp => Token::Udp(id),
            Kind::Echo => Token::Echo(id),
        }
    }

    fn set_timer(&self, id: Id, shared: &mut Shared) {
        let Some(deadline) = self.ports.get(id).and_then(|port| self.mappings.deadline(port.mapping)) else { return };
        let alarm = match self.kind {
            Kind::Udp => Alarm::Udp(id),
            Kind::Echo => Alarm::Echo(id),
        };
        shared.wheel.set(alarm, deadline);
    }

    /// End a mapping that was idle for as long as it may be.
    pub(crate) fn on_alarm(&mut self, id: Id, shared: &mut Shared) {
        let Some(mapping) = self.ports.get(id).map(|port| port.mapping) else { return };
        if self.mappings.deadline(mapping).is_some_and(|deadline| deadline > shared.now.boot) {
            return self.set_timer(id, shared);
        }
        self.mappings.remove(mapping);
        self.close(mapping);
    }

    /// Close the socket of a mapping that was removed.
    fn close(&mut self, mapping: MappingId) {
        if let Some(id) = self.by_mapping.remove(&mapping) {
            self.ports.remove(id);
        }
    }

    /// Close the sockets of a peer that was removed.
    pub(crate) fn remove_peer(&mut self, peer: PeerId) {
        for mapping in self.mappings.remove_peer(peer) {
            self.close(mapping);
        }
    }

    /// Apply a new policy and the filter: a destination that is forbidden now answers no more, and the next packet to it
    /// is judged.
    pub(crate) fn apply_policy(&mut self, shared: &Shared) {
        let kind = self.kind;
        self.mappings.set_filtering(shared.tables.udp_filtering);
        self.mappings
            .retain_destinations(|_, destination| shared.may_exit(destination.ip(), policy_port(kind, destination)));
    }

    /// Send a payload, as datagrams of `stride` octets if it is longer.
    pub(crate) fn send(
        &mut self,
        shared: &mut Shared,
        id: Id,
        to: SocketAddr,
        payload: &[u8],
        stride: usize,
        fields: Fields,
    ) {
        let Some(port) = self.ports.get_mut(id) else { return };
        self.mappings.sent(port.mapping, to, shared.now.boot);
        if payload.len() <= stride {
            return self.send_one(shared, id, to, payload, fields);
        }
        // A link without checksums, and datagrams that need fragments, take no batch.
        if port.socket.send(to, payload, stride, fields).is_err() {
            payload.chunks(stride).for_each(|datagram| self.send_one(shared, id, to, datagram, fields));
        }
    }

    fn send_one(&mut self, shared: &mut Shared, id: Id, to: SocketAddr, payload: &[u8], fields: Fields) {
        let Some(port) = self.ports.get_mut(id) else { return };
        let Err(errno) = port.socket.send(to, payload, payload.len(), fields) else { return };
        if errno == Errno::AGAIN {
            return;
        }
        // It may be the error of an earlier datagram, which is told only once.
        self.tell_errors(id, shared);
        let Some(port) = self.ports.get_mut(id) else { return };
        if let Err(errno) = port.socket.send(to, payload, payload.len(), fields)
            && let Some(error) = unreachable(errno)
        {
            self.report(shared, id, to, payload, error, None);
        }
    }

    /// Process an edge of a socket.
    pub(crate) fn ready(&mut self, id: Id, ready: Ready, shared: &mut Shared) {
        if ready.ended {
            self.tell_errors(id, shared);
        }
        if let Some(port) = self.ports.get_mut(id)
            && !std::mem::replace(&mut port.is_queued, true)
        {
            self.readable.push_back(id);
        }
    }

    /// Tell the peer the errors that a socket has.
    fn tell_errors(&mut self, id: Id, shared: &mut Shared) {
        let mut quoted = [0; QUOTED_BYTES];
        for _ in 0..ERRORS {
            let Some(port) = self.ports.get(id) else { return };
            let Some(error) = take_error(&port.socket, &mut quoted) else { return };
            if let Some((destination, told)) = error.destination.zip(icmp_error(&error)) {
                self.report(shared, id, destination, &quoted[..error.len], told, error.from);
            }
        }
    }

    /// Report an error about a payload that was sent to `destination`.
    fn report(
        &self,
        shared: &mut Shared,
        id: Id,
        destination: SocketAddr,
        payload: &[u8],
        error: icmp::Error,
        from: Option<IpAddr>,
    ) {
        let inner = self.ports.get(id).and_then(|port| self.mappings.inner(port.mapping));
        let Some(Inner { peer, endpoint }) = inner else { return };
        let mut about = Vec::new();
        match self.kind {
            Kind::Udp => Original::Udp { source: endpoint, destination }.write(payload, &mut about),
            Kind::Echo => {
                let Some((header, payload)) = payload.split_first_chunk::<ECHO_BYTES>() else { return };
                let (source, destination) = (endpoint.ip(), destination.ip());
                let (identifier, sequence) = (endpoint.port(), short(header, 6));
                Original::Echo { source, destination, identifier, sequence }.write(payload, &mut about);
            }
        }
        if let Ok(about) = packet::parse(&about) {
            shared.report_from(peer, &about, error, from);
        }
    }

    /// Return whether something waits to be read or passed on.
    pub(crate) fn has_work(&self) -> bool {
        self.reading.is_some() || !self.readable.is_empty()
    }

    /// Read the sockets, each once, and pass on what they have while `place` has room.
    pub(crate) fn take(&mut self, place: &mut impl Place, shared: &mut Shared) {
        for _ in 0..=self.readable.len() {
            let Some(reading) = self.reading.take().or_else(|| self.read(shared)) else { continue };
            if let Some(left) = self.pass(reading, place, shared) {
                self.reading = Some(left);
                return;
            }
        }
    }

    /// Read the next socket.
    fn read(&mut self, shared: &mut Shared) -> Option<Reading> {
        let id = self.readable.pop_front()?;
        let port = self.ports.get_mut(id)?;
        match self.inbox.receive(&port.socket) {
            Ok(has_more) => return Some(Reading { id, passed: 0, has_more }),
            Err(Errno::AGAIN) => port.is_queued = false,
            // The error of a datagram that was sent: what was received is read next.
            Err(_) => {
                self.readable.push_back(id);
                self.tell_errors(id, shared);
            }
        }
        None
    }

    /// Pass on what was received; return what is left because there is no room.
    fn pass(&mut self, mut reading: Reading, place: &mut impl Place, shared: &mut Shared) -> Option<Reading> {
        let mapping = self.ports.get(reading.id).map(|port| port.mapping);
        while let Some((mapping, received)) = mapping.zip(self.inbox.received().get(reading.passed)) {
            if !has_room(place, shared, received) {
                return Some(reading);
            }
            reading.passed += 1;
            let Some(inner) = self.mappings.inbound(mapping, received.from) else { continue };
            let octets = self.inbox.octets(received);
            match self.kind {
                Kind::Udp => put_datagrams(place, shared, inner, received, octets),
                Kind::Echo => put_reply(shared, inner, received, octets),
            }
        }
        if let Some(port) = self.ports.get_mut(reading.id) {
            port.is_queued = reading.has_more;
            if reading.has_more {
                self.readable.push_back(reading.id);
            }
        }
        None
    }
}

/// Return what the policy is asked about.
fn policy_port(kind: Kind, destination: SocketAddr) -> Port {
    match kind {
        Kind::Udp => Port::Udp(destination.port()),
        Kind::Echo => Port::Echo,
    }
}

/// Open a socket for an inner endpoint, at the same port if it is free.
fn host_socket(kind: Kind, inner: SocketAddr) -> Result<HostSocket, Errno> {
    let socket = HostSocket::open(kind, Family::of(inner.ip()))?;
    if kind == Kind::Udp {
        let draw = u64::from(random::word()) << 32 | u64::from(random::word());
        let mut bound = outer_ports(inner.port(), draw).map(|port| socket.bind(port));
        bound.find(Result::is_ok).unwrap_or(Err(Errno::ADDRINUSE))?;
    }
    Ok(socket)
}

/// Return the error of ICMP for what the kernel answered; `None` if it says nothing about the destination.
fn unreachable(errno: Errno) -> Option<icmp::Error> {
    match errno {
        Errno::NETUNREACH => Some(icmp::Error::NetworkUnreachable),
        Errno::HOSTUNREACH | Errno::HOSTDOWN => Some(icmp::Error::HostUnreachable),
        Errno::ACCESS | Errno::PERM => Some(icmp::Error::Prohibited),
        _ => None,
    }
}

/// Return the error of ICMP that the kernel queued, or that stands for one that it found itself.
pub(crate) fn icmp_error(error: &QueuedError) -> Option<icmp::Error> {
    match error.icmp {
        Some((kind, code)) => icmp::Error::received(error.destination?.is_ipv6(), kind, code, error.info),
        None if error.errno == Errno::MSGSIZE => Some(icmp::Error::TooBig { mtu: error.info }),
        None => None,
    }
}

fn has_room(place: &impl Place, shared: &Shared, received: &Received) -> bool {
    let count = received.len.div_ceil(received.stride).max(1);
    let octets = received.len + count * (IPV6_BYTES + UDP_BYTES + OVERHEAD);
    place.has_room(octets) && shared.packets.has_room(octets)
}

/// Put datagrams from outside into `place`, as a router sends them on.
fn put_datagrams(
    place: &mut impl Place,
    shared: &mut Shared,
    inner: Inner<PeerId>,
    received: &Received,
    octets: &[u8],
) {
    let Some(ttl) = received.ttl.checked_sub(1).filter(|ttl| *ttl > 0) else { return };
    let Ok(route) = place.route_to(inner.endpoint.ip()) else { return };
    if route.peer != inner.peer {
        return;
    }
    let headers = Datagram::new(received.from, inner.endpoint).with(ttl, received.tos);
    let mut put = |payload: &[u8]| {
        let bytes = headers.bytes(payload.len());
        if bytes > shared.mtu(inner.peer).into() {
            let mut whole = vec![0; bytes];
            headers.put(payload, &mut whole);
            shared.push_fragments(Some(inner.peer), &whole);
        } else if let Some(room) = place.room(route, bytes) {
            headers.put(payload, room);
            shared.record(Direction::Outbound, room);
        }
    };
    if octets.is_empty() {
        return put(octets);
    }
    octets.chunks(received.stride).for_each(put);
}

/// Send an echo reply from outside to the peer that asked.
fn put_reply(shared: &mut Shared, inner: Inner<PeerId>, received: &Received, octets: &[u8]) {
    let Some(ttl) = received.ttl.checked_sub(1).filter(|ttl| *ttl > 0) else { return };
    let Some((header, payload)) = octets.split_first_chunk::<ECHO_BYTES>() else { return };
    let (identifier, sequence) = (inner.endpoint.port(), short(header, 6));
    let reply = icmp::Reply { source: received.from.ip(), destination: inner.endpoint.ip(), identifier, sequence, ttl };
    let mut whole = Vec::new();
    reply.write(payload, &mut whole);
    shared.push_fragments(Some(inner.peer), &whole);
}
