//! The host's network stack as the inner side: packets of peers are coalesced and written to a TUN, and what the TUN
//! returns is segmented.
//!
//! The TUN may be moved to another network namespace. Its descriptor still reports up, down and deleted; its MTU cannot
//! be read then, and the last known one is kept.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use proto::Delivered;
use proto::clock::Now;
use proto::status::OffloadOff;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};

use crate::inner::{Inner, LinkState};
use crate::packet::coalesce::{Coalescer, Kinds, Refused, Sink};
use crate::packet::split::Split;
use crate::packet::virtio::{Gso, HEADER_BYTES, Virtio};
use crate::place::Place;
use crate::tun::{self, Offloads, Tun, TunStop};

/// The largest packet that a TUN returns.
const PACKET_BYTES: usize = 65_535;
/// Reads in one iteration: about as many small packets as fit into a batch.
const READS: usize = 128;

/// A TUN, and the packets on the way to and from it.
pub(crate) struct TunInner {
    tun: Tun,
    /// A socket of the namespace in which the TUN was created. It reads the MTU without the netlink lock, which other
    /// processes may hold for long.
    ioctl_socket: OwnedFd,
    /// Whether the TUN was reported readable and has not been read since.
    readable: bool,
    buffer: Vec<u8>,
    coalescer: Coalescer,
    /// What is coalesced; an error is the reason why a kind is not.
    offloads: Offloads,
    /// Packets that the TUN rejected, or that could not be read from it.
    refused: u64,
}

impl TunInner {
    pub(crate) fn new(tun: Tun) -> io::Result<Self> {
        Ok(Self {
            ioctl_socket: socket_with(AddressFamily::UNIX, SocketType::DGRAM, SocketFlags::CLOEXEC, None)?,
            readable: false,
            buffer: vec![0; HEADER_BYTES + PACKET_BYTES],
            coalescer: Coalescer::new(),
            offloads: tun.offloads().clone(),
            refused: 0,
            tun,
        })
    }

    /// Place the packets of one read.
    fn place(&mut self, virtio: &Virtio, length: usize, place: &mut impl Place) {
        let packet = &self.buffer[HEADER_BYTES..][..length];
        let Some(split) = Split::plan(virtio, packet) else {
            self.refused += 1;
            return;
        };
        let Some(route) = place.route(packet) else { return };
        for number in 0..split.count() {
            let Some(room) = place.room(route, split.length(number)) else { break };
            split.write(number, packet, room);
        }
    }

    fn coalescer_and_writer(&mut self) -> (&mut Coalescer, Writer<'_>) {
        let Self { tun, coalescer, offloads, refused, .. } = self;
        (coalescer, Writer { tun, offloads, refused })
    }
}

impl Inner for TunInner {
    fn fd(&self) -> BorrowedFd<'_> {
        self.tun.as_fd()
    }

    fn ready(&mut self, _now: Now) {
        self.readable = true;
    }

    fn deliver(&mut self, storage: &[u8], packets: impl Iterator<Item = Delivered>, _now: Now) {
        let kinds = Kinds { tcp: self.offloads.tcp.is_ok(), udp: self.offloads.udp.is_ok() };
        let (coalescer, mut writer) = self.coalescer_and_writer();
        for delivered in packets {
            coalescer.add(storage, delivered.packet, kinds, &mut writer);
        }
    }

    fn end_batch(&mut self, storage: &[u8], _now: Now) {
        let (coalescer, mut writer) = self.coalescer_and_writer();
        coalescer.flush(storage, &mut writer);
    }

    fn take(&mut self, place: &mut impl Place, _now: Now) -> bool {
        if !std::mem::take(&mut self.readable) {
            return true;
        }
        for _ in 0..READS {
            match self.tun.read(&mut self.buffer) {
                Ok((virtio, length)) => {
                    let before = place.queued();
                    self.place(&virtio, length, place);
                    // Another read of this size would be split over two batches, with its rest sent separately.
                    if !place.has_room(place.queued().saturating_sub(before)) {
                        return true;
                    }
                }
                Err(TunStop::Wait) => return true,
                Err(TunStop::Refused(_)) => self.refused += 1,
                Err(TunStop::Down | TunStop::Gone) => return false,
            }
        }
        true
    }

    fn state(&self) -> LinkState {
        self.tun.state()
    }

    fn link_index(&self) -> Option<u32> {
        tun::is_in_namespace_of(&self.tun, &self.ioctl_socket).then_some(())?;
        tun::index_of(&self.ioctl_socket, &self.tun.name().ok()?).ok()
    }

    /// Return the link's MTU, or `None` while the link is in another namespace.
    fn mtu(&self) -> Option<usize> {
        // Another link may have taken our name after ours was moved away.
        tun::is_in_namespace_of(&self.tun, &self.ioctl_socket).then_some(())?;
        tun::mtu_of(&self.ioctl_socket, &self.tun.name().ok()?).ok()
    }

    fn refused(&self) -> u64 {
        self.refused
    }

    fn offloads_off(&self) -> Vec<OffloadOff> {
        let Offloads { tcp, udp } = &self.offloads;
        [("tun_tcp", tcp), ("tun_udp", udp)]
            .into_iter()
            .filter_map(|(name, state)| Some(OffloadOff { name: name.into(), reason: state.as_ref().err()?.clone() }))
            .collect()
    }
}

/// Writes to the TUN. A coalesced packet that is rejected disables coalescing of that kind: some kernels segment less
/// than they report.
struct Writer<'a> {
    tun: &'a Tun,
    offloads: &'a mut Offloads,
    refused: &'a mut u64,
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
                *self.refused += (parts.len() as u64).saturating_sub(2).max(1);
                Ok(())
            }
        }
    }
}
