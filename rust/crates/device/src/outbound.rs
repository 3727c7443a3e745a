//! From the inner side to the network: route, seal, send.

use proto::clock::Now;
use proto::message::DATA_HEADER_BYTES;
use proto::{Interface, PeerId};

use crate::place::{Place, Route};
use crate::udp::{Outbox, Sockets};

/// The transmit path.
pub(crate) struct Outbound {
    pub(crate) outbox: Outbox<PeerId>,
    /// Datagrams that the kernel did not send.
    pub(crate) refused: u64,
}

impl Outbound {
    pub(crate) fn new() -> Self {
        Self { outbox: Outbox::new(), refused: 0 }
    }

    /// Begin a turn: what is put into the place is sent by [`Turn::end`] at the latest. Without sockets it is dropped.
    pub(crate) fn turn<'a>(
        &'a mut self,
        interface: &'a mut Interface,
        sockets: Option<&'a Sockets>,
        now: Now,
    ) -> Turn<'a> {
        Turn { outbound: self, interface, sockets, now, sent: false }
    }
}

/// One turn of the inner side, whose packets are sealed in the outbox.
pub(crate) struct Turn<'a> {
    outbound: &'a mut Outbound,
    interface: &'a mut Interface,
    sockets: Option<&'a Sockets>,
    now: Now,
    /// Whether the outbox became full and was sent.
    sent: bool,
}

impl Turn<'_> {
    /// Send what is left.
    pub(crate) fn end(mut self) {
        self.send();
    }

    fn send(&mut self) {
        let Self { outbound: Outbound { outbox, refused }, interface, sockets, now, .. } = self;
        if outbox.is_empty() {
            return;
        }
        outbox.prepare(|peer, batch, stride| interface.seal(peer, batch, stride, *now));
        match sockets {
            Some(sockets) => {
                let report = outbox.flush(sockets, |peer| interface.forget_source(peer));
                *refused += report.failed as u64;
            }
            None => outbox.clear(),
        }
    }
}

impl Place for Turn<'_> {
    fn route(&mut self, packet: &[u8]) -> Option<Route> {
        self.interface.route(packet).map(|(peer, endpoint)| Route { peer, endpoint })
    }

    fn room(&mut self, route: Route, packet_bytes: usize) -> Option<&mut [u8]> {
        let datagram_bytes = self.interface.datagram_bytes(packet_bytes);
        if !self.outbound.outbox.has_room(datagram_bytes) {
            self.send();
            self.sent = true;
        }
        let room = self.outbound.outbox.room(route.peer, route.endpoint, datagram_bytes)?;
        let (packet, rest) = room[DATA_HEADER_BYTES..].split_at_mut(packet_bytes);
        rest.fill(0);
        Some(packet)
    }

    fn queued(&self) -> usize {
        self.outbound.outbox.len()
    }

    fn has_room(&self, bytes: usize) -> bool {
        !self.sent && self.outbound.outbox.has_room(bytes)
    }
}
