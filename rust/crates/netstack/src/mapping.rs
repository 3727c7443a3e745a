//! The NAT of UDP and of ICMP echo (RFC 4787, 5508, 7857): mappings of inner endpoints to host sockets.
//!
//! - The mapping is endpoint-independent: one for each peer and inner address and port, for whatever destination.
//! - The filter decides which outer endpoints may answer.
//! - Only outbound datagrams refresh a mapping.
//! - At the limit of a peer its mapping that was idle longest is removed, if it was idle for more than 30 s; otherwise
//!   there is no new one.
//!
//! An echo session is a mapping whose port is the identifier.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

const NONE: u32 = u32::MAX;
/// Mappings of one peer.
const MAX_UDP: usize = 2048;
const MAX_ECHO: usize = 256;
/// How long a mapping lasts without outbound datagrams: RFC 4787, section 4.3, asks for two minutes.
const UDP_IDLE: Duration = Duration::from_secs(120);
/// The same for a mapping that only spoke to port 53 (RFC 4787, REQ-5 a), and for an echo session.
const SHORT_IDLE: Duration = Duration::from_secs(30);
/// A mapping that was used within this time is not removed for another one.
const BUSY: Duration = Duration::from_secs(30);
const DNS_PORT: u16 = 53;
/// Destinations remembered in one generation of a mapping: the last 128 at least are known, and take 8 KiB at most.
const DESTINATIONS: usize = 128;
/// Ports tried for a mapping before the kernel chooses.
const PORT_ATTEMPTS: usize = 8;
/// The dynamic ports (RFC 6335, section 6).
const FIRST_DYNAMIC: u16 = 49_152;

/// Which outer endpoints may send to a mapping (RFC 4787, section 5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Filtering {
    /// Those with an address that the mapping has sent to.
    #[default]
    Address,
    /// All.
    EndpointIndependent,
    /// Those with an address and port that the mapping has sent to.
    AddressAndPort,
}

/// A mapping. After it was removed it refers to nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct MappingId {
    index: u32,
    generation: u32,
}

/// The side of a mapping that a peer sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Inner<P> {
    /// The peer.
    pub peer: P,
    /// Its address, and its port or echo identifier.
    pub endpoint: SocketAddr,
}

/// What an outbound datagram meets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outbound {
    /// A mapping that has sent to this destination before.
    Known(MappingId),
    /// A mapping that has not, or not lately: policy has to judge the destination before [`Mappings::sent`].
    NewDestination(MappingId),
    /// No mapping: policy has to judge the destination before [`Mappings::open`].
    NewMapping,
}

/// What came of a request for a new mapping.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opened {
    /// The new mapping.
    New(MappingId),
    /// The new mapping, and another one that was removed for it, whose socket is to be closed.
    Replacing(MappingId, MappingId),
    /// The peer has as many mappings as it may, and uses them all.
    Refused,
}

struct Mapping<P> {
    inner: Inner<P>,
    generation: u32,
    /// When the last datagram was sent.
    used: Duration,
    only_dns: bool,
    destinations: Destinations,
    /// The mappings of the same peer that were used before and after this one; `next` is the next unused entry of one
    /// that is unused.
    previous: u32,
    next: u32,
}

/// The mappings of one peer, in the order of their last use.
#[derive(Clone, Copy)]
struct Order {
    oldest: u32,
    newest: u32,
    count: usize,
}

/// The destinations of a mapping, in two generations of which the older is forgotten as a whole.
#[derive(Default)]
struct Destinations {
    recent: Vec<SocketAddr>,
    older: Vec<SocketAddr>,
    /// When `recent` began.
    since: Duration,
}

/// The mappings of all peers, for one kind of traffic.
pub struct Mappings<P> {
    by_inner: HashMap<Inner<P>, u32>,
    peers: HashMap<P, Order>,
    entries: Vec<Mapping<P>>,
    free: u32,
    filtering: Filtering,
    max: usize,
    idle: Duration,
}

impl<P: Copy + Eq + Hash> Mappings<P> {
    /// Return the table of UDP.
    #[must_use]
    pub fn udp(filtering: Filtering) -> Self {
        Self::new(filtering, MAX_UDP, UDP_IDLE)
    }

    /// Return the table of ICMP echo; ports are identifiers, and the port of a destination is 0.
    #[must_use]
    pub fn echo() -> Self {
        Self::new(Filtering::Address, MAX_ECHO, SHORT_IDLE)
    }

    fn new(filtering: Filtering, max: usize, idle: Duration) -> Self {
        let (by_inner, peers, entries) = (HashMap::new(), HashMap::new(), Vec::new());
        Self { by_inner, peers, entries, free: NONE, filtering, max, idle }
    }

    /// Change which outer endpoints may send; that of echo stays.
    pub fn set_filtering(&mut self, filtering: Filtering) {
        if self.max != MAX_ECHO {
            self.filtering = filtering;
        }
    }

    /// Find the mapping of an outbound datagram.
    #[must_use]
    pub fn outbound(&self, inner: Inner<P>, destination: SocketAddr) -> Outbound {
        let Some(index) = self.by_inner.get(&inner) else { return Outbound::NewMapping };
        let id = self.id(*index);
        let is_known = self.entries[*index as usize].destinations.contain(destination);
        if is_known { Outbound::Known(id) } else { Outbound::NewDestination(id) }
    }

    /// Record that a mapping sends to a destination that policy allows.
    pub fn sent(&mut self, id: MappingId, destination: SocketAddr, now: Duration) {
        let Some(mapping) = self.entries.get_mut(id.index as usize).filter(|entry| entry.generation == id.generation)
        else {
            return;
        };
        mapping.used = now;
        mapping.only_dns &= destination.port() == DNS_PORT;
        mapping.destinations.add(destination, now);
        let inner = mapping.inner;
        if self.peers.get(&inner.peer).is_some_and(|order| order.newest != id.index) {
            self.unlink(id.index);
            self.link(id.index);
        }
    }

    /// Make a mapping for a first datagram to a destination that policy allows. An existing one is returned as it is.
    pub fn open(&mut self, inner: Inner<P>, destination: SocketAddr, now: Duration) -> Opened {
        if let Some(index) = self.by_inner.get(&inner) {
            return Opened::New(self.id(*index));
        }
        let removed = match self.peers.get(&inner.peer) {
            Some(order) if order.count >= self.max => {
                let oldest = self.id(order.oldest);
                if now.saturating_sub(self.entries[oldest.index as usize].used) <= BUSY {
                    return Opened::Refused;
                }
                self.remove(oldest);
                Some(oldest)
            }
            _ => None,
        };
        let index = self.make(inner, now);
        self.by_inner.insert(inner, index);
        self.link(index);
        let id = self.id(index);
        self.sent(id, destination, now);
        removed.map_or(Opened::New(id), |removed| Opened::Replacing(id, removed))
    }

    /// Return where a datagram from outside goes; `None` if the filter refuses it or the mapping is gone.
    #[must_use]
    pub fn inbound(&self, id: MappingId, source: SocketAddr) -> Option<Inner<P>> {
        let mapping = self.get(id)?;
        let passes = match self.filtering {
            Filtering::EndpointIndependent => true,
            Filtering::Address => mapping.destinations.contain_address(source.ip()),
            Filtering::AddressAndPort => mapping.destinations.contain(source),
        };
        passes.then_some(mapping.inner)
    }

    /// Return the inner side of a mapping, for an error about what it sent.
    #[must_use]
    pub fn inner(&self, id: MappingId) -> Option<Inner<P>> {
        self.get(id).map(|mapping| mapping.inner)
    }

    /// Return when a mapping ends if nothing more is sent. A timer that fires before is set again to this time.
    #[must_use]
    pub fn deadline(&self, id: MappingId) -> Option<Duration> {
        self.get(id).map(|mapping| mapping.used + if mapping.only_dns { SHORT_IDLE.min(self.idle) } else { self.idle })
    }

    /// Remove a mapping; false if it is gone.
    pub fn remove(&mut self, id: MappingId) -> bool {
        let Some(inner) = self.inner(id) else { return false };
        self.unlink(id.index);
        self.by_inner.remove(&inner);
        let free = std::mem::replace(&mut self.free, id.index);
        let entry = &mut self.entries[id.index as usize];
        entry.generation = entry.generation.wrapping_add(1);
        (entry.destinations, entry.next) = (Destinations::default(), free);
        true
    }

    /// Remove the mappings of a peer, and return them: their sockets are to be closed.
    pub fn remove_peer(&mut self, peer: P) -> Vec<MappingId> {
        let mut removed = Vec::new();
        while let Some(order) = self.peers.get(&peer) {
            let id = self.id(order.oldest);
            self.remove(id);
            removed.push(id);
        }
        removed
    }

    /// Forget the destinations that a new policy refuses. The next datagram to one of them is judged as a first one is.
    pub fn retain_destinations(&mut self, mut is_allowed: impl FnMut(&Inner<P>, SocketAddr) -> bool) {
        for (inner, index) in &self.by_inner {
            let Destinations { recent, older, .. } = &mut self.entries[*index as usize].destinations;
            recent.retain(|destination| is_allowed(inner, *destination));
            older.retain(|destination| is_allowed(inner, *destination));
        }
    }

    /// Return how many mappings a peer has.
    #[must_use]
    pub fn count(&self, peer: P) -> usize {
        self.peers.get(&peer).map_or(0, |order| order.count)
    }

    fn id(&self, index: u32) -> MappingId {
        MappingId { index, generation: self.entries[index as usize].generation }
    }

    fn get(&self, id: MappingId) -> Option<&Mapping<P>> {
        let entry = self.entries.get(id.index as usize).filter(|entry| entry.generation == id.generation)?;
        (self.by_inner.get(&entry.inner) == Some(&id.index)).then_some(entry)
    }

    fn make(&mut self, inner: Inner<P>, now: Duration) -> u32 {
        let fresh = |generation| Mapping {
            inner,
            generation,
            used: now,
            only_dns: true,
            destinations: Destinations { since: now, ..Destinations::default() },
            previous: NONE,
            next: NONE,
        };
        if let Some(entry) = self.entries.get_mut(self.free as usize) {
            let (index, generation) = (self.free, entry.generation);
            self.free = entry.next;
            *entry = fresh(generation);
            return index;
        }
        self.entries.push(fresh(0));
        (self.entries.len() - 1) as u32
    }

    /// Append an entry to the mappings of its peer, as the newest.
    fn link(&mut self, index: u32) {
        let peer = self.entries[index as usize].inner.peer;
        let order = self.peers.entry(peer).or_insert(Order { oldest: NONE, newest: NONE, count: 0 });
        let newest = std::mem::replace(&mut order.newest, index);
        order.count += 1;
        match self.entries.get_mut(newest as usize) {
            Some(before) => before.next = index,
            None => order.oldest = index,
        }
        let entry = &mut self.entries[index as usize];
        (entry.previous, entry.next) = (newest, NONE);
    }

    fn unlink(&mut self, index: u32) {
        let Mapping { inner, previous, next, .. } = self.entries[index as usize];
        let Some(order) = self.peers.get_mut(&inner.peer) else { return };
        order.count -= 1;
        match self.entries.get_mut(previous as usize) {
            Some(before) => before.next = next,
            None => order.oldest = next,
        }
        match self.entries.get_mut(next as usize) {
            Some(after) => after.previous = previous,
            None => order.newest = previous,
        }
        if order.count == 0 {
            self.peers.remove(&inner.peer);
        }
    }
}

impl Destinations {
    fn add(&mut self, destination: SocketAddr, now: Duration) {
        let is_old = now.saturating_sub(self.since) >= UDP_IDLE;
        let Err(mut at) = self.recent.binary_search(&destination) else {
            if is_old {
                self.begin(now);
                self.recent.push(destination);
            }
            return;
        };
        if is_old || self.recent.len() >= DESTINATIONS {
            self.begin(now);
            at = 0;
        }
        self.recent.insert(at, destination);
    }

    /// Begin a new generation; the older one is forgotten.
    fn begin(&mut self, now: Duration) {
        self.older = std::mem::take(&mut self.recent);
        self.since = now;
    }

    fn contain(&self, destination: SocketAddr) -> bool {
        [&self.recent, &self.older].iter().any(|known| known.binary_search(&destination).is_ok())
    }

    fn contain_address(&self, address: IpAddr) -> bool {
        [&self.recent, &self.older].iter().any(|known| {
            let at = known.partition_point(|known| *known < SocketAddr::new(address, 0));
            known.get(at).is_some_and(|known| known.ip() == address)
        })
    }
}

/// Yield the outer ports to try for an inner port: the same, then others of the same parity (RFC 4787, REQ-4), then 0
/// for the kernel's choice. Ports below 1024 are tried only for an inner port below 1024.
pub fn outer_ports(inner: u16, random: u64) -> impl Iterator<Item = u16> {
    let draws = (0..PORT_ATTEMPTS as u64).map(move |number| {
        // The draws differ by a large odd step, so that one that is taken says nothing about the next.
        let draw = (random ^ (random >> 32)).wrapping_add(number.wrapping_mul(0x9e37)) as u16;
        FIRST_DYNAMIC | (draw & !1) | (inner & 1)
    });
    (inner != 0).then_some(inner).into_iter().chain(draws).chain([0])
}

#[cfg(test)]
mod tests;
