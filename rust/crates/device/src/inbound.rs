//! From the network to the TUN: receive, open, coalesce, write.

use std::io;

use proto::Interface;
use proto::clock::Now;

use crate::packet::coalesce::{Coalescer, Kinds, Refused, Sink};
use crate::packet::virtio::Gso;
use crate::tun::{Offloads, Tun, TunStop};
use crate::udp::{Inbox, Socket};

/// The receive path.
pub(crate) struct Inbound {
    inbox: Inbox,
    coalescer: Coalescer,
    /// What is coalesced; an error is the reason why a kind is not.
    pub(crate) offloads: Offloads,
    /// Packets that the TUN rejected.
    pub(crate) tun_refused: u64,
}

impl Inbound {
    pub(crate) fn new(offloads: Offloads) -> Self {
        Self { inbox: Inbox::new(), coalescer: Coalescer::new(), offloads, tun_refused: 0 }
    }

    /// Receive one batch from a socket and write its packets to the TUN.
    pub(crate) fn forward_batch(
        &mut self,
        socket: &Socket,
        interface: &mut Interface,
        tun: &Tun,
        now: Now,
    ) -> io::Result<()> {
        self.inbox.receive(socket)?;
        let (arrivals, storage) = self.inbox.take();
        let kinds = Kinds { tcp: self.offloads.tcp.is_ok(), udp: self.offloads.udp.is_ok() };
        let mut writer = Writer { tun, offloads: &mut self.offloads, lost: 0 };
        for arrival in arrivals {
            let batch = &mut storage[arrival.start..][..arrival.len];
            for delivered in interface.receive_batch(arrival.from, batch, arrival.stride, now) {
                let packet = &delivered.packet;
                let range = arrival.start + packet.start..arrival.start + packet.end;
                self.coalescer.add(storage, range, kinds, &mut writer);
            }
        }
        self.coalescer.flush(storage, &mut writer);
        self.tun_refused += writer.lost;
        Ok(())
    }
}

/// Writes to the TUN. A coalesced packet that is rejected disables coalescing of that kind: some kernels segment less
/// than they report.
struct Writer<'a> {
    tun: &'a Tun,
    offloads: &'a mut Offloads,
    lost: u64,
}

impl Sink for Writer<'_> {
    fn write(&mut self, gso: Gso, parts: &[&[u8]]) -> Result<(), Refused> {
        match (self.tun.write(parts), gso) {
            (Ok(()), _) => Ok(()),
            (Err(TunStop::Refused(error)), Gso::Udp) => {
                self.offloads.udp = Err(format!("the TUN rejected a coalesced UDP packet: {error}"));
                Err(Refused)
            }
            (Err(TunStop::Refused(error)), Gso::Tcp4 | Gso::Tcp6) => {
                self.offloads.tcp = Err(format!("the TUN rejected a coalesced TCP segment: {error}"));
                Err(Refused)
            }
            (Err(_), _) => {
                // The parts are virtio header and packet; coalesced ones also share a header part.
                self.lost += (parts.len() as u64).saturating_sub(2).max(1);
                Ok(())
            }
        }
    }
}
