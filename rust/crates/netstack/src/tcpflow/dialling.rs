//! Flows that this side opens: attempts of dials.

use std::net::{IpAddr, SocketAddr};

use device::place::Place;
use proto::{NoRoute, PeerId};
use tcp::Connection;

use super::TcpFlows;
use super::flow::{Flow, Key, Origin};
use super::opening::same_family;
use crate::dial::{ATTEMPT_DELAY, Dial, Dialling, Failure};
use crate::random;
use crate::shared::{Alarm, Shared};
use crate::slab::Id;
use crate::stream::Stream;

/// The dynamic ports (RFC 6335, section 6).
const FIRST_PORT: u16 = 49_152;
const PORTS: u16 = u16::MAX - FIRST_PORT;
/// Ports that are tried before a dial is refused.
const PORT_ATTEMPTS: usize = 64;

impl TcpFlows {
    /// Begin a dial.
    pub(crate) fn dial(&mut self, dial: Dial, shared: &mut Shared) {
        let id = self.dials.insert(Dialling::new(dial, shared.now.boot));
        self.starting.push_back(id);
    }

    /// Try the addresses that are due: only here is it known which peer has an address.
    pub(super) fn start_attempts(&mut self, place: &mut impl Place, shared: &mut Shared) {
        for _ in 0..self.starting.len() {
            let Some(id) = self.starting.pop_front() else { return };
            let Some(dialling) = self.dials.get_mut(id) else { continue };
            dialling.is_starting = false;
            self.start_attempt(id, place, shared);
        }
    }

    /// Try the next address of a dial that can be tried at all.
    fn start_attempt(&mut self, id: Id, place: &mut impl Place, shared: &mut Shared) {
        while let Some(dialling) = self.dials.get_mut(id) {
            let Some(remote) = dialling.untried.pop_front() else { break };
            dialling.next_attempt = shared.now.boot + ATTEMPT_DELAY;
            let attempt = match place.route_to(remote.ip()) {
                Ok(route) => self.attempt(id, route.peer, remote, shared),
                Err(NoRoute::NoEndpoint) => Err(Failure::Unreachable),
                Err(NoRoute::NoPeer) => Err(Failure::NoPeer),
            };
            let Some(dialling) = self.dials.get_mut(id) else { return };
            match attempt {
                Ok(flow) => {
                    dialling.attempts.push(flow);
                    break;
                }
                Err(failure) => dialling.failure = failure,
            }
        }
        self.wait_for_dial(id, shared);
    }

    /// Send a SYN to one address.
    fn attempt(&mut self, id: Id, peer: PeerId, remote: SocketAddr, shared: &mut Shared) -> Result<Id, Failure> {
        let own = shared.tables.addresses.iter().map(ipnet::IpNet::addr);
        let local = own.into_iter().find(|own| same_family(*own, remote.ip())).ok_or(Failure::NetworkUnreachable)?;
        if self.flows.len() >= shared.tables.max_flows || !shared.budget.may_open(peer) {
            return Err(Failure::Limit);
        }
        let key = self.free_key(peer, local, remote).ok_or(Failure::Limit)?;
        let isn = self.generator.initial_sequence(key.local, remote, shared.time());
        let ports = tcp::Ports { local: key.local.port(), remote: remote.port() };
        let connection = Connection::connect(&self.config(shared, &key), ports, isn, shared.time());
        let flow = self.insert_flow(shared, Flow::new(key, connection, None, Origin::Dial(id)));
        self.enqueue(flow);
        Ok(flow)
    }

    /// Return the identity of a new flow, with an unused port that others cannot foresee.
    fn free_key(&self, peer: PeerId, local: IpAddr, remote: SocketAddr) -> Option<Key> {
        (0..PORT_ATTEMPTS).find_map(|_| {
            let port = FIRST_PORT + random::short() % PORTS;
            let key = Key { peer, remote, local: (local, port).into() };
            (!self.by_key.contains_key(&key) && !self.time_wait.contains_key(&key)).then_some(key)
        })
    }

    /// Set the timer of a dial, or end it if nothing is left to be tried.
    fn wait_for_dial(&mut self, id: Id, shared: &mut Shared) {
        let Some(dialling) = self.dials.get_mut(id) else { return };
        if dialling.attempts.is_empty() && dialling.untried.is_empty() {
            return self.fail_dial(id, shared);
        }
        let next = if dialling.untried.is_empty() { dialling.deadline } else { dialling.next_attempt };
        let deadline = next.min(dialling.deadline);
        if let Some(timer) = dialling.timer.replace(shared.wheel.set(Alarm::Dial(id), deadline)) {
            shared.wheel.cancel(timer);
        }
    }

    /// Process the timer of a dial: try the next address, or give up.
    pub(crate) fn on_dial_alarm(&mut self, id: Id, shared: &mut Shared) {
        let Some(dialling) = self.dials.get_mut(id) else { return };
        dialling.timer = None;
        if dialling.deadline <= shared.now.boot {
            dialling.failure = Failure::TimedOut;
            return self.fail_dial(id, shared);
        }
        self.start_soon(id);
    }

    /// Have the next address tried once there is a place to ask for its route.
    fn start_soon(&mut self, id: Id) {
        if let Some(dialling) = self.dials.get_mut(id)
            && !std::mem::replace(&mut dialling.is_starting, true)
        {
            self.starting.push_back(id);
        }
    }

    /// Process the establishment of a flow.
    pub(super) fn connected(&mut self, flow_id: Id, shared: &mut Shared) {
        match self.flows.get(flow_id).map(|flow| &flow.origin) {
            Some(&Origin::Listener(port)) => {
                self.hand_over(flow_id, port, shared);
                self.serve(flow_id, shared);
            }
            Some(&Origin::Dial(id)) => self.dial_succeeded(id, flow_id, shared),
            Some(Origin::Exit { .. } | Origin::Stream) | None => self.enqueue(flow_id),
        }
    }

    /// Give the stream of the client to the attempt that won, and end the others.
    fn dial_succeeded(&mut self, id: Id, winner: Id, shared: &mut Shared) {
        let Some(mut dialling) = self.end_dial(id, Some(winner), shared) else { return };
        let Some(flow) = self.flows.get_mut(winner) else { return };
        let caller = &mut *dialling.dial.caller;
        let (answer, preface) = (caller.connected(flow.key.remote), caller.preface());
        let mut client = Stream::of_client(dialling.dial.client, caller);
        // The stream is new and empty, so it takes a short answer whole; so does the buffer, unless memory is short.
        let is_written = client.write(&[std::io::IoSlice::new(&answer)]) == Ok(answer.len());
        if !is_written || flow.connection.write(&preface) != preface.len() {
            flow.connection.abort();
        }
        flow.host = Some(client);
        flow.origin = Origin::Stream;
        self.watch(winner, shared);
        self.serve(winner, shared);
    }

    /// Note that an attempt has failed; another address is tried at once. Does nothing for a flow that is no attempt.
    pub(super) fn attempt_failed(&mut self, flow_id: Id, failure: Failure, shared: &mut Shared) {
        let Some(&Origin::Dial(id)) = self.flows.get(flow_id).map(|flow| &flow.origin) else { return };
        let Some(dialling) = self.dials.get_mut(id) else { return };
        dialling.attempts.retain(|attempt| *attempt != flow_id);
        dialling.failure = failure;
        if dialling.untried.is_empty() {
            self.wait_for_dial(id, shared);
        } else {
            self.start_soon(id);
        }
    }

    fn fail_dial(&mut self, id: Id, shared: &mut Shared) {
        if let Some(Dialling { dial, failure, .. }) = self.end_dial(id, None, shared) {
            dial.fail(failure);
        }
    }

    /// Remove a dial and its attempts but for the winner.
    fn end_dial(&mut self, id: Id, winner: Option<Id>, shared: &mut Shared) -> Option<Dialling> {
        let dialling = self.dials.remove(id)?;
        if let Some(timer) = dialling.timer {
            shared.wheel.cancel(timer);
        }
        for attempt in dialling.attempts.iter().filter(|attempt| Some(**attempt) != winner) {
            if let Some(flow) = self.flows.get_mut(*attempt) {
                flow.connection.abort();
                self.enqueue(*attempt);
            }
        }
        Some(dialling)
    }

    /// Process an error about a SYN that this side sent: its attempt has failed (RFC 5927, section 4: the sequence
    /// number must be that of the SYN).
    pub(crate) fn on_error(&mut self, key: Key, failure: Failure, shared: &mut Shared) {
        let Some(id) = self.by_key.get(&key).copied() else { return };
        let Some(flow) = self.flows.get_mut(id) else { return };
        if flow.connection.state() == tcp::State::SynSent {
            flow.connection.abort();
            self.attempt_failed(id, failure, shared);
            self.serve(id, shared);
        }
    }
}
