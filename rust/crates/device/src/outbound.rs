//! From the TUN to the network: read, segment, route, seal, send.

use proto::clock::Now;
use proto::message::DATA_HEADER_BYTES;
use proto::{Interface, PeerId};

use crate::packet::split::Split;
use crate::packet::virtio::{HEADER_BYTES, Virtio};
use crate::tun::{Tun, TunStop};
use crate::udp::{Outbox, Sockets};

/// The largest packet that a TUN returns.
const PACKET_BYTES: usize = 65_535;
/// Reads in one iteration: about as many small packets as fit into the outbox.
const READS: usize = 128;

/// The transmit path.
pub(crate) struct Outbound {
    pub(crate) outbox: Outbox<PeerId>,
    buffer: Vec<u8>,
    /// Datagrams that the kernel did not send.
    pub(crate) refused: u64,
    /// Packets that could not be read from the TUN.
    pub(crate) tun_refused: u64,
}

impl Outbound {
    pub(crate) fn new() -> Self {
        Self { outbox: Outbox::new(), buffer: vec![0; HEADER_BYTES + PACKET_BYTES], refused: 0, tun_refused: 0 }
    }

    /// Send the packets that the TUN has, until it is empty or one batch is full. Return false if the link is down or
    /// deleted.
    pub(crate) fn forward_batch(
        &mut self,
        tun: &Tun,
        interface: &mut Interface,
        sockets: Option<&Sockets>,
        now: Now,
    ) -> bool {
        let mut up = true;
        for _ in 0..READS {
            match tun.read(&mut self.buffer) {
                Ok((virtio, length)) => {
                    let before = self.outbox.len();
                    let sent = self.place(&virtio, length, interface, sockets, now);
                    // Another read of this size would be split over two batches, with its rest sent separately.
                    if sent || !self.outbox.has_room(self.outbox.len() - before) {
                        break;
                    }
                }
                Err(TunStop::Wait) => break,
                Err(TunStop::Refused(_)) => self.tun_refused += 1,
                Err(TunStop::Down | TunStop::Gone) => {
                    up = false;
                    break;
                }
            }
        }
        self.send(interface, sockets, now);
        up
    }

    /// Put the packets of one read into the outbox. Return true if the outbox became full and was sent.
    fn place(
        &mut self,
        virtio: &Virtio,
        length: usize,
        interface: &mut Interface,
        sockets: Option<&Sockets>,
        now: Now,
    ) -> bool {
        let Some(split) = Split::plan(virtio, &self.buffer[HEADER_BYTES..][..length]) else {
            self.tun_refused += 1;
            return false;
        };
        let Some((peer, endpoint)) = interface.route(&self.buffer[HEADER_BYTES..][..length]) else { return false };
        let mut sent = false;
        for number in 0..split.count() {
            let bytes = split.length(number);
            let datagram_bytes = interface.datagram_bytes(bytes);
            if !self.outbox.has_room(datagram_bytes) {
                self.send(interface, sockets, now);
                sent = true;
            }
            let Some(room) = self.outbox.room(peer, endpoint, datagram_bytes) else { break };
            let (packet, rest) = room[DATA_HEADER_BYTES..].split_at_mut(bytes);
            split.write(number, &self.buffer[HEADER_BYTES..][..length], packet);
            rest.fill(0);
        }
        sent
    }

    fn send(&mut self, interface: &mut Interface, sockets: Option<&Sockets>, now: Now) {
        if self.outbox.is_empty() {
            return;
        }
        self.outbox.prepare(|peer, batch, stride| interface.seal(peer, batch, stride, now));
        match sockets {
            Some(sockets) => {
                let report = self.outbox.flush(sockets, |peer| interface.forget_source(peer));
                self.refused += report.failed as u64;
            }
            None => self.outbox.clear(),
        }
    }
}
