//! The inner side of a device: where the packets of peers go, and where the packets for peers come from.
//!
//! A device has one of them, on its packet thread. [`Device::open`](crate::Device::open) has a TUN there, behind which is
//! the host's network stack; [`Device::with_inner`](crate::Device::with_inner) has any other, which may process packets
//! itself. Requests to it from other threads are its own affair: it makes a channel, and its descriptor is readable
//! while there are any.
//!
//! In one iteration the packet thread calls, as far as there is something to do:
//!
//! | when | it calls |
//! |---|---|
//! | the descriptor is readable | [`Inner::ready`], [`Inner::take`] |
//! | datagrams have arrived | [`Inner::deliver`] for those of each sender, then [`Inner::end_batch`] |
//! | peers were added or removed | [`Inner::on_membership`] |
//! | the path MTU to a peer was found, or is another one | [`Inner::on_path_mtu`] |
//! | the deadline has expired | [`Inner::on_deadline`] |
//! | at the end | [`Inner::take`], then [`Inner::next_deadline`] |

use std::os::fd::BorrowedFd;
use std::time::Duration;

use proto::clock::Now;
use proto::status::OffloadOff;
use proto::{Delivered, Membership, PeerId};

use crate::place::Place;

/// The inner side of a device. No call may wait.
pub trait Inner: Send + 'static {
    /// Return the descriptor that is readable while [`Inner::ready`] has something to do. It stays the same.
    fn fd(&self) -> BorrowedFd<'_>;

    /// Process what made the descriptor readable. What is left over leaves it readable.
    fn ready(&mut self, now: Now);

    /// Take the packets of one sender, at their positions in `storage`. They stay there until [`Inner::end_batch`].
    fn deliver(&mut self, storage: &[u8], packets: impl Iterator<Item = Delivered>, now: Now);

    /// End a batch: `storage` is reused afterwards.
    fn end_batch(&mut self, storage: &[u8], now: Now);

    /// Put packets for peers into `place` while it has room; what is left over moves the deadline to now, or leaves the
    /// descriptor readable. Return false if the inner side turned out to be down or gone, so that
    /// [`Inner::state`] is to be asked.
    fn take(&mut self, place: &mut impl Place, now: Now) -> bool;

    /// Note that a peer was added or removed. No packet of a removed peer is delivered afterwards; its id may be given
    /// to another one.
    fn on_membership(&mut self, _membership: Membership) {}

    /// Note the size of the largest packet that reaches a peer in one datagram, in octets; `None` if it is unknown, and
    /// [`Inner::mtu`] counts. Larger packets may be lost on the way.
    fn on_path_mtu(&mut self, _peer: PeerId, _mtu: Option<usize>) {}

    /// Return when [`Inner::on_deadline`] is to be called, as a time of [`Now::boot`].
    fn next_deadline(&self) -> Option<Duration> {
        None
    }

    /// Process an expired deadline.
    fn on_deadline(&mut self, _now: Now) {}

    /// Return whether packets pass. Asked every second; the UDP port is bound while it is up.
    fn state(&self) -> LinkState {
        LinkState::Up
    }

    /// Return the index of the link in the network namespace of the calling thread, if there is one there: its
    /// notifications show that it went down between two calls of [`Inner::state`]. Asked once, while it is down.
    fn link_index(&self) -> Option<u32> {
        None
    }

    /// Return the size of the largest packet, in octets, which limits the padding; `None` leaves the last one.
    fn mtu(&self) -> Option<usize>;

    /// Return the number of packets that could not be taken or passed on.
    fn refused(&self) -> u64;

    /// Return the offloads that are not used, and why.
    fn offloads_off(&self) -> Vec<OffloadOff> {
        Vec::new()
    }
}

/// The state of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkState {
    /// Up: packets pass.
    Up,
    /// Down.
    Down,
    /// Deleted, for good: the device ends.
    Gone,
}
