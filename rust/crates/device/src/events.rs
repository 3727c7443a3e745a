//! Events of a device: a bounded queue, and a descriptor that is readable while the queue is not empty.
//!
//! The packet thread never waits for a reader: a full queue drops the newest event and counts it.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Mutex, MutexGuard, PoisonError};

use proto::key::PublicKey;
use rustix::event::{EventfdFlags, eventfd};

/// Capacity of the queue, about 100 kB.
const CAPACITY: usize = 1024;
/// The part of it reserved for events of the device itself, which events of peers cannot fill.
const RESERVED: usize = 64;

/// A change of state of a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The link was set up; packets pass once a port is bound.
    LinkUp,
    /// The link was set down; sessions are dropped and the port is closed.
    LinkDown,
    /// The UDP port is bound.
    PortBound {
        /// The port.
        port: u16,
    },
    /// The UDP port could not be bound; it is retried every second.
    PortBindFailed {
        /// The port.
        port: u16,
        /// The error of the kernel.
        reason: String,
    },
    /// An offload of the kernel is not used: slower, with the same result.
    OffloadDisabled {
        /// `tun_tcp`, `tun_udp`, `udp_segment` or `udp_gro`.
        name: String,
        /// Why.
        reason: String,
    },
    /// A session is established, and the peer has proven that it holds the keys.
    HandshakeCompleted {
        /// The peer.
        peer: PublicKey,
    },
    /// A handshake had no answer in 90 seconds of retries.
    HandshakeTimedOut {
        /// The peer.
        peer: PublicKey,
    },
    /// A peer has sent from a new address.
    EndpointChanged {
        /// The peer.
        peer: PublicKey,
        /// The former address, if it was known.
        from: Option<SocketAddr>,
        /// The new address.
        to: SocketAddr,
    },
    /// The path MTU to a peer was found, or is another one.
    PathMtuChanged {
        /// The peer.
        peer: PublicKey,
        /// The size of the largest packet inside the tunnel that reaches it in one datagram; `None` if it is unknown.
        mtu: Option<u16>,
    },
    /// The device has ended; this is its last event.
    Ended {
        /// Why.
        reason: EndReason,
    },
}

/// Why a device ended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EndReason {
    /// It was closed.
    #[error("closed")]
    Closed,
    /// The link was deleted.
    #[error("the link was deleted")]
    LinkDeleted,
    /// An unexpected failure.
    #[error("{0}")]
    Failed(String),
}

impl Event {
    /// Return the length of the queue at which this event is dropped.
    fn room(&self) -> usize {
        match self {
            Self::Ended { .. } => usize::MAX,
            Self::HandshakeCompleted { .. }
            | Self::HandshakeTimedOut { .. }
            | Self::EndpointChanged { .. }
            | Self::PathMtuChanged { .. } => CAPACITY - RESERVED,
            Self::LinkUp
            | Self::LinkDown
            | Self::PortBound { .. }
            | Self::PortBindFailed { .. }
            | Self::OffloadDisabled { .. } => CAPACITY,
        }
    }
}

impl From<proto::Event> for Event {
    fn from(event: proto::Event) -> Self {
        match event {
            proto::Event::HandshakeCompleted { peer } => Self::HandshakeCompleted { peer },
            proto::Event::HandshakeTimedOut { peer } => Self::HandshakeTimedOut { peer },
            proto::Event::EndpointChanged { peer, from, to } => Self::EndpointChanged { peer, from, to },
        }
    }
}

/// A queue of events; its descriptor is readable while there are any.
#[derive(Debug)]
pub struct EventQueue {
    waiting: Mutex<Waiting>,
    wakeup: OwnedFd,
}

#[derive(Debug, Default)]
struct Waiting {
    events: VecDeque<Event>,
    dropped: u64,
}

impl EventQueue {
    pub(crate) fn new() -> std::io::Result<Self> {
        let wakeup = eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC)?;
        Ok(Self { waiting: Mutex::default(), wakeup })
    }

    pub(crate) fn push(&self, event: Event) {
        let mut waiting = self.lock();
        if waiting.events.len() >= event.room() {
            waiting.dropped += 1;
            return;
        }
        waiting.events.push_back(event);
        // The counter cannot overflow before 2^64 events; a failed write leaves the descriptor readable.
        let _ = rustix::io::write(&self.wakeup, &1u64.to_ne_bytes());
    }

    /// Take all events, oldest first, and clear the descriptor.
    #[must_use]
    pub fn drain(&self) -> Vec<Event> {
        let mut waiting = self.lock();
        let _ = rustix::io::read(&self.wakeup, &mut [0u8; 8]);
        waiting.events.drain(..).collect()
    }

    /// Return the number of events dropped because they were not read.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.lock().dropped
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AsFd for EventQueue {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.wakeup.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_queue_counts_dropped_events_and_reserves_space_for_those_of_the_device() {
        let queue = EventQueue::new().unwrap();
        let gave_up = Event::HandshakeTimedOut { peer: PublicKey::from_bytes([1; 32]) };
        for _ in 0..CAPACITY {
            queue.push(gave_up.clone());
        }
        assert_eq!(queue.dropped(), RESERVED as u64);
        for _ in 0..RESERVED + 5 {
            queue.push(Event::LinkUp);
        }
        queue.push(Event::Ended { reason: EndReason::Closed });
        assert_eq!(queue.dropped(), RESERVED as u64 + 5);
        let events = queue.drain();
        assert_eq!((events.len(), events.last()), (CAPACITY + 1, Some(&Event::Ended { reason: EndReason::Closed })));
        assert!(queue.drain().is_empty());
    }
}
