//! UDP that peers exchange with the outside. Datagrams of equal size that follow one another to one destination leave in
//! one call, which the kernel segments.

use std::net::SocketAddr;

use device::place::Place;
use device::udp::{Fields, Kind};
use proto::PeerId;

use crate::icmp::{self, next_ttl};
use crate::mapping::Inner;
use crate::outside::Outside;
use crate::packet::Packet;
use crate::shared::Shared;
use crate::slab::Id;

/// The most datagrams that the kernel segments a batch into (UDP_MAX_SEGMENTS).
const MAX_DATAGRAMS: usize = 64;
/// The most octets of a batch, so that it is within what either family can carry.
const MAX_OCTETS: usize = 65_000;

/// Datagrams that leave together.
#[derive(Debug, Clone, Copy)]
struct Batch {
    id: Id,
    inner: Inner<PeerId>,
    destination: SocketAddr,
    fields: Fields,
    /// Octets of each datagram; only the last may be shorter.
    stride: usize,
    count: usize,
}

/// The mappings of UDP, and the datagrams of a batch that were not sent yet.
pub(crate) struct UdpFlows {
    pub(crate) outside: Outside,
    batch: Option<Batch>,
    payload: Vec<u8>,
}

impl UdpFlows {
    pub(crate) fn new() -> Self {
        Self { outside: Outside::new(Kind::Udp), batch: None, payload: Vec::with_capacity(MAX_OCTETS) }
    }

    /// Process a datagram of a peer to an address outside; `was_split` says that it came in fragments.
    pub(crate) fn receive(
        &mut self,
        shared: &mut Shared,
        peer: PeerId,
        packet: &Packet<'_>,
        ports: (u16, u16),
        payload: &[u8],
        was_split: bool,
    ) {
        let Some(ttl) = next_ttl(packet) else {
            return shared.report(peer, packet, icmp::Error::TimeExceeded);
        };
        let fields = Fields { ttl, tos: packet.tos, dont_fragment: packet.dont_fragment && !was_split };
        let inner = Inner { peer, endpoint: (packet.source, ports.0).into() };
        let destination = (packet.destination, ports.1).into();
        if self.append(inner, destination, fields, payload) {
            return;
        }
        self.flush(shared);
        let Some(id) = self.outside.admit(shared, packet, inner, destination) else { return };
        self.payload.extend_from_slice(payload);
        self.batch = Some(Batch { id, inner, destination, fields, stride: payload.len(), count: 1 });
    }

    /// Add a datagram to the batch, if it may follow the others.
    fn append(&mut self, inner: Inner<PeerId>, destination: SocketAddr, fields: Fields, payload: &[u8]) -> bool {
        let Some(batch) = &mut self.batch else { return false };
        let is_open = self.payload.len() == batch.count * batch.stride && batch.count < MAX_DATAGRAMS;
        let fits = (1..=batch.stride).contains(&payload.len()) && self.payload.len() + payload.len() <= MAX_OCTETS;
        let is_same = (batch.inner, batch.destination, batch.fields) == (inner, destination, fields);
        if !(is_open && fits && is_same) {
            return false;
        }
        self.payload.extend_from_slice(payload);
        batch.count += 1;
        true
    }

    /// Send the batch.
    pub(crate) fn flush(&mut self, shared: &mut Shared) {
        if let Some(batch) = self.batch.take() {
            self.outside.send(shared, batch.id, batch.destination, &self.payload, batch.stride, batch.fields);
            self.payload.clear();
        }
    }

    /// Put datagrams from outside into `place`.
    pub(crate) fn take(&mut self, place: &mut impl Place, shared: &mut Shared) {
        self.outside.take(place, shared);
    }
}
