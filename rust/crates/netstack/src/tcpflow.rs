//! The TCP flows of a stack: each is terminated here, and its bytes go on as a stream of the host.

mod dialling;
mod flow;
mod memory;
mod opening;

use std::collections::{HashMap, VecDeque};

use device::place::Place;
use proto::PeerId;
use tcp::isn::Generator;
use tcp::segment::{self, Header};
use tcp::time_wait::{Late, TimeWait};
use tcp::{Flags, Segment};

use crate::counts::Reason;
use crate::dial::{Dialling, Failure};
use crate::listen::Listeners;
use crate::packet::{BadPacket, Packet};
use crate::policy::Port;
use crate::poller::Ready;
use crate::shared::{Alarm, Shared, boot};
use crate::slab::{Id, Slab};
use crate::tcpflow::flow::{Flow, Origin, Outcome, addresses};

pub(crate) use flow::Key;

/// Flows that are sent in one turn.
const FLOWS_PER_TURN: usize = 64;
/// Connections in TIME-WAIT.
const MAX_TIME_WAIT: usize = 16_384;

/// Flows and dials of one peer.
#[derive(Debug, Clone, Copy, Default)]
struct Held {
    flows: usize,
    dials: usize,
}

/// The TCP flows of a stack.
pub(crate) struct TcpFlows {
    flows: Slab<Flow>,
    by_key: HashMap<Key, Id>,
    /// The flow of the last segment.
    last: Option<(Key, Id)>,
    /// Flows to which something arrived in this batch.
    touched: Vec<Id>,
    /// Flows that may have something to send.
    queue: VecDeque<Id>,
    /// Flows that were not read because memory is short.
    starved: Vec<Id>,
    time_wait: HashMap<Key, TimeWait>,
    /// The order in which connections in TIME-WAIT are looked at, by the time at which each began.
    time_wait_order: VecDeque<Key>,
    held: HashMap<PeerId, Held>,
    dials_in_progress: usize,
    dials: Slab<Dialling>,
    /// Dials of which an address is to be tried.
    starting: VecDeque<Id>,
    pub(crate) listeners: Listeners,
    generator: Generator,
    pool: tcp::Pool,
    /// Whether the timer for short memory is set.
    watches_memory: bool,
}

impl TcpFlows {
    /// Return a table without flows; `key` is random.
    pub(crate) fn new(key: [u8; 16]) -> Self {
        Self {
            flows: Slab::default(),
            by_key: HashMap::new(),
            last: None,
            touched: Vec::new(),
            queue: VecDeque::new(),
            starved: Vec::new(),
            time_wait: HashMap::new(),
            time_wait_order: VecDeque::new(),
            held: HashMap::new(),
            dials_in_progress: 0,
            dials: Slab::default(),
            starting: VecDeque::new(),
            listeners: Listeners::default(),
            generator: Generator::new(key),
            pool: tcp::Pool::new(),
            watches_memory: false,
        }
    }

    /// Return the number of flows.
    pub(crate) fn len(&self) -> usize {
        self.flows.len()
    }

    /// Process a segment from a peer.
    pub(crate) fn receive(&mut self, shared: &mut Shared, peer: PeerId, packet: &Packet<'_>) {
        let ends = addresses((packet.source, 0).into(), (packet.destination, 0).into());
        let Ok(segment) = segment::parse(packet.payload(), &ends) else {
            return shared.counts.bad(BadPacket::TransportChecksum);
        };
        let key = Key {
            peer,
            remote: (packet.source, segment.header.source_port).into(),
            local: (packet.destination, segment.header.destination_port).into(),
        };
        if let Some(id) = self.find(key) {
            return self.receive_for(id, &segment, shared);
        }
        if self.is_late(key, &segment, shared) {
            return;
        }
        let is_syn = segment.header.flags.contains(Flags::SYN)
            && !segment.header.flags.intersects(Flags::ACK | Flags::RST | Flags::FIN);
        if is_syn {
            self.open(shared, key, packet, &segment);
        } else if shared.is_own(packet.destination) || shared.policy.is_some() {
            refuse(shared, key, &segment);
        }
    }

    fn find(&mut self, key: Key) -> Option<Id> {
        if let Some((_, id)) = self.last.filter(|(last, _)| *last == key) {
            return Some(id);
        }
        let id = *self.by_key.get(&key)?;
        self.last = Some((key, id));
        Some(id)
    }

    fn receive_for(&mut self, id: Id, segment: &Segment<'_>, shared: &mut Shared) {
        let Some(flow) = self.flows.get_mut(id) else { return };
        flow.connection.receive(segment, shared.time());
        if !std::mem::replace(&mut flow.is_touched, true) {
            self.touched.push(id);
        }
    }

    /// Process a segment for a connection in TIME-WAIT. Return false if there is none, or if it makes way for a new one.
    fn is_late(&mut self, key: Key, segment: &Segment<'_>, shared: &mut Shared) -> bool {
        let Some(entry) = self.time_wait.get_mut(&key) else { return false };
        match entry.receive(segment, shared.time()) {
            Late::Ignore => true,
            Late::Answer(header) => {
                answer(shared, key, &header);
                true
            }
            Late::Reuse => {
                self.time_wait.remove(&key);
                false
            }
        }
    }

    /// Acknowledge, write and read once for each flow to which something arrived.
    pub(crate) fn end_batch(&mut self, shared: &mut Shared) {
        let mut touched = std::mem::take(&mut self.touched);
        for id in touched.drain(..) {
            if let Some(flow) = self.flows.get_mut(id) {
                flow.is_touched = false;
                flow.connection.end_batch(shared.time());
                self.serve(id, shared);
            }
        }
        self.touched = touched;
    }

    /// Process an edge of the host side of a flow.
    pub(crate) fn ready(&mut self, id: Id, ready: Ready, shared: &mut Shared) {
        let Some(flow) = self.flows.get_mut(id) else { return };
        if let Some(host) = &mut flow.host {
            host.note(ready);
        }
        if flow.is_dialling() {
            self.finish_dialling_outside(id, shared);
        }
        self.serve(id, shared);
    }

    /// Process the deadline of a flow.
    pub(crate) fn on_alarm(&mut self, id: Id, shared: &mut Shared) {
        let Some(flow) = self.flows.get_mut(id) else { return };
        flow.timer = None;
        if flow.connect_deadline.is_some_and(|deadline| deadline <= shared.now.boot) {
            flow.host = None;
            flow.connection.refuse();
        }
        let time = shared.time();
        if flow.connection.next_deadline().is_some_and(|deadline| deadline <= time) {
            flow.connection.on_deadline(time);
        }
        self.serve(id, shared);
    }

    /// Pass bytes of a flow from side to side, and queue what is to be sent.
    pub(super) fn serve(&mut self, id: Id, shared: &mut Shared) {
        let Some(flow) = self.flows.get_mut(id) else { return };
        let may_read = shared.budget.may_read();
        let outcome = flow.pass(may_read, shared.time());
        let (key, is_starved) = (flow.key, !may_read && flow.has_more());
        if is_starved {
            self.starved.push(id);
        }
        self.account(id, shared);
        match outcome {
            Outcome::Open => self.enqueue(id),
            Outcome::Connected => self.connected(id, shared),
            Outcome::Failed(failure) => {
                self.enqueue(id);
                self.attempt_failed(id, failure, shared);
            }
            Outcome::Ended => self.remove(id, shared),
        }
        self.keep_time_wait(id, key, shared);
    }

    /// Move a connection in TIME-WAIT whose host side has ended into the table of those.
    fn keep_time_wait(&mut self, id: Id, key: Key, shared: &mut Shared) {
        let Some(flow) = self.flows.get(id).filter(|flow| flow.host.is_none()) else { return };
        let Some(entry) = flow.connection.time_wait() else { return };
        self.remove(id, shared);
        if self.time_wait.len() < MAX_TIME_WAIT {
            if self.time_wait_order.is_empty() {
                shared.wheel.set(Alarm::TimeWait, boot(entry.expires()));
            }
            self.time_wait.insert(key, entry);
            self.time_wait_order.push_back(key);
        }
    }

    /// Forget connections whose TIME-WAIT has passed.
    pub(crate) fn expire_time_wait(&mut self, shared: &mut Shared) {
        while let Some(key) = self.time_wait_order.front() {
            match self.time_wait.get(key).map(TimeWait::expires) {
                Some(expires) if expires > shared.time() => {
                    shared.wheel.set(Alarm::TimeWait, boot(expires));
                    return;
                }
                Some(_) => {
                    self.time_wait.remove(key);
                }
                None => {}
            }
            self.time_wait_order.pop_front();
        }
    }

    fn enqueue(&mut self, id: Id) {
        if let Some(flow) = self.flows.get_mut(id)
            && !std::mem::replace(&mut flow.is_queued, true)
        {
            self.queue.push_back(id);
        }
    }

    /// Return whether flows wait to be sent, or dials to be routed.
    pub(crate) fn has_work(&self) -> bool {
        !self.queue.is_empty() || !self.starting.is_empty()
    }

    /// Put segments of flows into `place`, at most of 64 flows, round robin.
    pub(crate) fn take(&mut self, place: &mut impl Place, shared: &mut Shared) {
        self.start_attempts(place, shared);
        for _ in 0..FLOWS_PER_TURN.min(self.queue.len()) {
            let Some(id) = self.queue.pop_front() else { return };
            let Some(flow) = self.flows.get_mut(id) else { continue };
            flow.is_queued = false;
            let is_complete = match place.route_to(flow.key.remote.ip()) {
                Ok(route) if route.peer == flow.key.peer => flow.transmit(route, place, shared),
                // The address was given to another peer, or has no peer: nobody is there to be told.
                _ => {
                    flow.reset();
                    flow.connection.take_segments(usize::MAX, shared.time(), &mut |_, _| {});
                    true
                }
            };
            let has_more = flow.has_more();
            if !is_complete {
                flow.is_queued = true;
                self.queue.push_front(id);
                return;
            }
            if (has_more && shared.budget.may_read()) || flow.connection.is_finished() {
                self.serve(id, shared);
            }
            self.set_timer(id, shared);
            if !place.has_room(0) {
                return;
            }
        }
    }

    /// Set the timer of a flow. One that is set for an earlier time stays: the flow is looked at then, and it is set
    /// anew.
    fn set_timer(&mut self, id: Id, shared: &mut Shared) {
        let Some(flow) = self.flows.get_mut(id) else { return };
        let deadline = flow.connection.next_deadline().map(boot).into_iter().chain(flow.connect_deadline).min();
        let Some(deadline) = deadline else { return };
        if let Some((set, timer)) = flow.timer {
            if set <= deadline {
                return;
            }
            shared.wheel.cancel(timer);
        }
        flow.timer = Some((deadline, shared.wheel.set(Alarm::Flow(id), deadline)));
    }

    fn remove(&mut self, id: Id, shared: &mut Shared) {
        let Some(flow) = self.flows.remove(id) else { return };
        if let Some((_, timer)) = flow.timer {
            shared.wheel.cancel(timer);
        }
        shared.budget.release(flow.key.peer, flow.memory);
        if flow.connect_deadline.is_some() {
            self.count_dial(flow.key.peer, false);
        }
        self.by_key.remove(&flow.key);
        self.last = None;
        if let Some(held) = self.held.get_mut(&flow.key.peer) {
            held.flows -= 1;
            if held.flows == 0 && held.dials == 0 {
                self.held.remove(&flow.key.peer);
            }
        }
        if let Origin::Listener(port) = flow.origin {
            self.listeners.left_queue(port);
        }
    }

    /// Reset the flows of a peer that was removed.
    pub(crate) fn remove_peer(&mut self, peer: PeerId, shared: &mut Shared) {
        let ids: Vec<_> = self.flows.iter().filter(|(_, flow)| flow.key.peer == peer).map(|(id, _)| id).collect();
        for id in ids {
            if let Some(flow) = self.flows.get_mut(id) {
                flow.reset();
            }
            self.attempt_failed(id, Failure::NoPeer, shared);
            self.remove(id, shared);
        }
        self.time_wait.retain(|key, _| key.peer != peer);
        self.held.remove(&peer);
    }

    /// Limit the segments to a peer to packets of this size.
    pub(crate) fn set_mtu(&mut self, peer: PeerId, mtu: u16) {
        for flow in self.flows.iter_mut().filter(|flow| flow.key.peer == peer) {
            let mss = flow.key.mss(mtu);
            flow.connection.set_mss(mss);
        }
    }

    /// Reset the flows to destinations that a new policy forbids, on both sides.
    pub(crate) fn apply_policy(&mut self, shared: &mut Shared) {
        let forbidden: Vec<_> = self
            .flows
            .iter()
            .filter(|(_, flow)| {
                matches!(flow.origin, Origin::Exit { .. })
                    && !shared.may_exit(flow.key.local.ip(), Port::Tcp(flow.key.local.port()))
            })
            .map(|(id, _)| id)
            .collect();
        for id in forbidden {
            if let Some(flow) = self.flows.get_mut(id) {
                flow.reset();
            }
            shared.counts.refuse(Reason::Policy);
            self.serve(id, shared);
        }
    }
}

/// Answer a segment without a connection by an RST.
fn refuse(shared: &mut Shared, key: Key, segment: &Segment<'_>) {
    if let Some(header) = segment.reset() {
        answer(shared, key, &header);
    }
}

/// Send a segment without data that belongs to no connection.
fn answer(shared: &mut Shared, key: Key, header: &Header) {
    shared.packets.push(key.peer, |out| {
        let octets = segment::size(header, (&[], &[]));
        key.header().write(octets, out);
        let start = out.len();
        out.resize(start + octets, 0);
        segment::write(header, (&[], &[]), &key.outgoing(), &mut out[start..]).is_some()
    });
}
