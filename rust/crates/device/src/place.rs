//! Where an inner side puts its packets for peers.

use std::net::IpAddr;

use proto::endpoint::Endpoint;
use proto::{NoRoute, PeerId};

/// The way of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Route {
    /// The peer that has the destination among its allowed IPs.
    pub peer: PeerId,
    /// The peer's endpoint.
    pub endpoint: Endpoint,
}

/// A batch of packets, which is sealed and sent as a whole: when it is full, and at the end of the turn.
pub trait Place {
    /// Return the route of a packet, by its destination. A packet without one is counted as dropped.
    fn route(&mut self, packet: &[u8]) -> Option<Route>;

    /// Return the route of an address; nothing is counted.
    ///
    /// # Errors
    /// There is none.
    fn route_to(&self, destination: IpAddr) -> Result<Route, NoRoute>;

    /// Return space for a packet of this size, which the caller fills entirely. A full batch is sent before; `None` if
    /// the packet is larger than a batch. Packets of equal size on one route, one after the other, leave as one
    /// message.
    fn room(&mut self, route: Route, packet_bytes: usize) -> Option<&mut [u8]>;

    /// Return the octets of the batch so far, with all overhead.
    fn queued(&self) -> usize;

    /// Return whether as many octets more, with all overhead, fit into this turn's batch. False once a batch was sent:
    /// the turn is over.
    fn has_room(&self, bytes: usize) -> bool;
}
