//! From the network to the TUN: receive, open, join, write.

use std::io;

use proto::Interface;
use proto::clock::Now;

use crate::packet::coalesce::{Coalescer, Kinds, Refused, Sink};
use crate::packet::virtio::Gso;
use crate::tun::{Offloads, Tun, TunStop};
use crate::udp::{Inbox, Socket};

/// The way in.
pub(crate) struct Inbound {
    inbox: Inbox,
    coalescer: Coalescer,
    /// What is joined; an error says why a kind is not.
    pub(crate) offloads: Offloads,
    /// Packets that the TUN would not take.
    pub(crate) tun_refused: u64,
}

impl Inbound {
    pub(crate) fn new(offloads: Offloads) -> Self {
        Self { inbox: Inbox::new(), coalescer: Coalescer::new(), offloads, tun_refused: 0 }
    }

    /// Takes one batch from a socket and writes what is in it to the TUN.
    pub(crate) fn process_batch(
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
            let train = &mut storage[arrival.start..][..arrival.len];
            let packets = interface.receive_batch(arrival.from, train, arrival.stride, now);
            for packet in packets {
                let range = arrival.start + packet.start..arrival.start + packet.end;
                self.coalescer.add(storage, range, kinds, &mut writer);
            }
        }
        self.coalescer.flush(storage, &mut writer);
        self.tun_refused += writer.lost;
        Ok(())
    }
}

/// Writes to the TUN. A joined packet that it refuses ends the joining of that kind: some kernels cut less than they say.
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
                self.offloads.udp = Err(format!("the TUN refused joined UDP: {error}"));
                Err(Refused)
            }
            (Err(TunStop::Refused(error)), Gso::Tcp4 | Gso::Tcp6) => {
                self.offloads.tcp = Err(format!("the TUN refused joined TCP: {error}"));
                Err(Refused)
            }
            (Err(_), _) => {
                // Virtio header and packet; of joined ones also the headers that all share.
                self.lost += (parts.len() as u64).saturating_sub(2).max(1);
                Ok(())
            }
        }
    }
}
