//! From the network to the inner side: receive, open, deliver.

use std::io;

use proto::clock::Now;
use proto::{Delivered, Interface};

use crate::inner::Inner;
use crate::pmtu::prober::Prober;
use crate::udp::{Inbox, Socket};

/// The receive path.
pub(crate) struct Inbound {
    inbox: Inbox,
}

impl Inbound {
    pub(crate) fn new() -> Self {
        Self { inbox: Inbox::new() }
    }

    /// Receive one batch from a socket and deliver its packets.
    pub(crate) fn forward_batch(
        &mut self,
        socket: &Socket,
        interface: &mut Interface,
        inner: &mut impl Inner,
        prober: &mut Prober,
        now: Now,
    ) -> io::Result<()> {
        self.inbox.receive(socket)?;
        let probing = prober.listens(now);
        let (arrivals, storage) = self.inbox.take();
        for arrival in arrivals {
            let batch = &mut storage[arrival.start..][..arrival.len];
            let packets = interface.receive_batch(arrival.from, batch, arrival.stride, now);
            let packets = packets.iter().map(|delivered| moved(delivered, arrival.start));
            let to_inner = |delivered: &Delivered| {
                !probing || !prober.take_reply(delivered.peer, &storage[delivered.packet.clone()], now)
            };
            inner.deliver(storage, packets.filter(to_inner), now);
        }
        inner.end_batch(storage, now);
        Ok(())
    }
}

/// Return a packet by its position in the storage that its batch is at `start` of.
fn moved(Delivered { peer, packet }: &Delivered, start: usize) -> Delivered {
    Delivered { peer: *peer, packet: start + packet.start..start + packet.end }
}
