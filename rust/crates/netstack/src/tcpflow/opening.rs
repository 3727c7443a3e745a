//! Flows that a peer opens: to the outside, to a forward, to a listener.
//!
//! SYN-ACK is sent once the outside connection stands; what the outside refuses is refused inside.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use proto::PeerId;
use rustix::io::Errno;
use tcp::{Config, Connection, Segment};

use super::flow::{Flow, Key, Origin};
use super::{TcpFlows, refuse};
use crate::counts::Reason;
use crate::icmp;
use crate::listen::Service;
use crate::packet::{self, Packet};
use crate::policy::Port;
use crate::poller::Token;
use crate::shared::Shared;
use crate::slab::Id;
use crate::stream::{self, Stream};

/// How long the outside may take to answer.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Dials in progress, of all peers and of one.
const MAX_DIALS: usize = 1024;
const MAX_PEER_DIALS: usize = 256;
/// The buffers of a new flow, and the greatest.
pub(super) const INITIAL_BUFFER: usize = 128 << 10;
pub(super) const MAX_BUFFER: usize = 4 << 20;
/// The least value that is believed of a peer's MSS option.
const MIN_MSS_V4: u16 = 536;
const MIN_MSS_V6: u16 = 1220;

impl TcpFlows {
    /// Open the flow of a SYN, or refuse it.
    pub(super) fn open(&mut self, shared: &mut Shared, key: Key, packet: &Packet<'_>, syn: &Segment<'_>) {
        if shared.is_own(key.local.ip()) {
            return self.open_own(shared, key, packet, syn);
        }
        if !shared.may_exit(key.local.ip(), Port::Tcp(key.local.port())) {
            shared.counts.refuse(Reason::Policy);
            return shared.report(key.peer, packet, icmp::Error::Prohibited);
        }
        let origin = Origin::Exit { syn: packet.octets.into() };
        self.dial_outside(shared, key, packet, syn, key.local, origin);
    }

    /// Open a flow to an own address: only a port that somebody serves answers.
    fn open_own(&mut self, shared: &mut Shared, key: Key, packet: &Packet<'_>, syn: &Segment<'_>) {
        match self.listeners.service(key.local.port(), key.remote.ip()) {
            Some(Service::Forward(to)) => self.dial_outside(shared, key, packet, syn, to, Origin::Stream),
            Some(Service::Listener) => self.accept(shared, key, syn),
            None => refuse(shared, key, syn),
        }
    }

    /// Start to connect to the outside. The SYN is answered when that has succeeded or failed.
    fn dial_outside(
        &mut self,
        shared: &mut Shared,
        key: Key,
        packet: &Packet<'_>,
        syn: &Segment<'_>,
        to: SocketAddr,
        origin: Origin,
    ) {
        if let Err(reason) = self.may_open(shared, key.peer, true) {
            shared.counts.refuse(reason);
            return refuse(shared, key, syn);
        }
        let stream = match Stream::connect(to) {
            Ok(stream) => stream,
            Err(errno) => return refuse_by(shared, key, packet, syn, errno),
        };
        let is_connecting = stream.is_connecting();
        let Some(id) = self.insert(shared, key, syn, Some(stream), origin) else { return };
        if let Some(flow) = self.flows.get_mut(id) {
            if is_connecting {
                flow.connect_deadline = Some(shared.now.boot + CONNECT_TIMEOUT);
            } else {
                flow.connection.confirm(shared.time());
            }
        }
        if is_connecting {
            self.count_dial(key.peer, true);
        }
        self.serve(id, shared);
        self.set_timer(id, shared);
    }

    /// Accept a connection for a listener; its stream is handed over once it is established.
    fn accept(&mut self, shared: &mut Shared, key: Key, syn: &Segment<'_>) {
        let allowed = self.may_open(shared, key.peer, false);
        if allowed.is_err() || !self.listeners.enter_queue(key.local.port()) {
            shared.counts.refuse(allowed.err().unwrap_or(Reason::Flows));
            return refuse(shared, key, syn);
        }
        let Some(id) = self.insert(shared, key, syn, None, Origin::Listener(key.local.port())) else { return };
        if let Some(flow) = self.flows.get_mut(id) {
            flow.connection.confirm(shared.time());
        }
        self.serve(id, shared);
    }

    /// Return why a peer may not open another flow.
    pub(super) fn may_open(&self, shared: &Shared, peer: PeerId, dials: bool) -> Result<(), Reason> {
        let held = self.held.get(&peer).copied().unwrap_or_default();
        let max_flows = shared.tables.max_flows;
        if self.flows.len() >= max_flows || held.flows >= (max_flows / 2).max(1) {
            return Err(Reason::Flows);
        }
        if dials && (self.dials_in_progress >= MAX_DIALS || held.dials >= MAX_PEER_DIALS) {
            return Err(Reason::Dials);
        }
        if shared.budget.may_open(peer) { Ok(()) } else { Err(Reason::Memory) }
    }

    pub(super) fn count_dial(&mut self, peer: PeerId, begins: bool) {
        let held = self.held.entry(peer).or_default();
        if begins {
            (self.dials_in_progress, held.dials) = (self.dials_in_progress + 1, held.dials + 1);
        } else {
            (self.dials_in_progress, held.dials) = (self.dials_in_progress - 1, held.dials.saturating_sub(1));
        }
    }

    fn insert(
        &mut self,
        shared: &mut Shared,
        key: Key,
        syn: &Segment<'_>,
        host: Option<Stream>,
        origin: Origin,
    ) -> Option<Id> {
        let isn = self.generator.initial_sequence(key.local, key.remote, shared.time());
        let connection = Connection::accept(&self.config(shared, &key), syn, isn, shared.time())?;
        Some(self.insert_flow(shared, Flow::new(key, connection, host, origin)))
    }

    /// Add a flow, and watch its host side.
    pub(super) fn insert_flow(&mut self, shared: &Shared, flow: Flow) -> Id {
        let key = flow.key;
        let id = self.flows.insert(flow);
        self.by_key.insert(key, id);
        self.held.entry(key.peer).or_default().flows += 1;
        self.watch(id, shared);
        id
    }

    /// Watch the host side of a flow.
    pub(super) fn watch(&mut self, id: Id, shared: &Shared) {
        let Some(flow) = self.flows.get_mut(id) else { return };
        if let Some(host) = &flow.host
            && shared.poller.add_edges(host, Token::Flow(id)).is_err()
        {
            // The kernel's memory or the number of watches is exhausted.
            flow.reset();
        }
    }

    /// Return the settings of a connection.
    pub(super) fn config(&self, shared: &Shared, key: &Key) -> Config {
        Config {
            mss: key.mss(shared.mtu(key.peer)),
            min_mss: if key.remote.is_ipv4() { MIN_MSS_V4 } else { MIN_MSS_V6 },
            algorithm: shared.tables.congestion,
            max_buffer: MAX_BUFFER,
            initial_buffer: shared.budget.first_window(INITIAL_BUFFER),
            timestamp_offset: self.generator.timestamp_offset(key.local, key.remote),
            pool: self.pool.clone(),
            ..Config::default()
        }
    }

    /// Answer the SYN of a flow whose outside connection stands or has failed.
    pub(super) fn finish_dialling_outside(&mut self, id: Id, shared: &mut Shared) {
        let Some(flow) = self.flows.get_mut(id) else { return };
        let Some(outcome) = flow.host.as_mut().and_then(Stream::finish_connecting) else { return };
        let key = flow.key;
        if flow.connect_deadline.take().is_some() {
            self.count_dial(key.peer, false);
        }
        let Some(flow) = self.flows.get_mut(id) else { return };
        match outcome {
            Ok(()) => {
                flow.connection.confirm(shared.time());
                if let Origin::Exit { syn } = &mut flow.origin {
                    *syn = Box::default();
                }
            }
            Err(errno) => {
                flow.host = None;
                let syn = match &flow.origin {
                    Origin::Exit { syn } => Some(syn.clone()),
                    _ => None,
                };
                let packet = syn.as_deref().and_then(|syn| packet::parse(syn).ok());
                match packet.zip(error_of(errno)) {
                    Some((packet, error)) => {
                        flow.connection.refuse();
                        flow.connection.take_segments(usize::MAX, shared.time(), &mut |_, _| {});
                        shared.report(key.peer, &packet, error);
                    }
                    None => flow.connection.refuse(),
                }
            }
        }
    }

    /// Hand the stream of an accepted connection over to its listener.
    pub(super) fn hand_over(&mut self, id: Id, port: u16, shared: &mut Shared) {
        let Some(flow) = self.flows.get_mut(id) else { return };
        let Ok((ours, theirs)) = stream::pair() else { return flow.reset() };
        flow.host = Some(Stream::connected(ours));
        let remote = flow.key.remote;
        flow.origin = Origin::Stream;
        self.watch(id, shared);
        if !self.listeners.deliver(port, theirs, remote)
            && let Some(flow) = self.flows.get_mut(id)
        {
            flow.reset();
        }
    }
}

/// Return the error of ICMP that tells a peer why the outside could not be reached; `None` if an RST does.
fn error_of(errno: Errno) -> Option<icmp::Error> {
    match errno {
        Errno::NETUNREACH => Some(icmp::Error::NetworkUnreachable),
        Errno::HOSTUNREACH | Errno::HOSTDOWN => Some(icmp::Error::HostUnreachable),
        Errno::ACCESS | Errno::PERM => Some(icmp::Error::Prohibited),
        _ => None,
    }
}

fn refuse_by(shared: &mut Shared, key: Key, packet: &Packet<'_>, syn: &Segment<'_>, errno: Errno) {
    match error_of(errno) {
        Some(error) => shared.report(key.peer, packet, error),
        None => refuse(shared, key, syn),
    }
}

/// Return whether two addresses are of one family.
pub(super) fn same_family(one: IpAddr, other: IpAddr) -> bool {
    one.is_ipv4() == other.is_ipv4()
}
