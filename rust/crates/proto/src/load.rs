//! The queue of handshake messages, and when there are too many of them (section 5.3).
//!
//! A handshake costs some hundred microseconds of elliptic curve operations, a packet less than one. So handshakes are
//! queued here and processed a few at a time between two batches of packets; when many are queued, senders must prove
//! that they own their address.

use std::collections::VecDeque;
use std::time::Duration;

use crate::endpoint::Endpoint;
use crate::message::INITIATION_BYTES;
use crate::ratelimit::RateLimit;

/// The most handshake messages in the queue.
pub(crate) const MAX_QUEUED: usize = 4096;
/// The length of the queue that counts as load.
const LOAD_THRESHOLD: usize = MAX_QUEUED / 8;
/// Cookies sent between two rounds of processing: each costs a datagram.
const COOKIE_BUDGET: usize = 64;
/// How long the state of load lasts after the queue was last that long.
const LOAD_DURATION: Duration = Duration::from_secs(1);

/// A handshake message with a valid mac1.
pub(crate) struct Waiting {
    pub(crate) from: Endpoint,
    message: [u8; INITIATION_BYTES],
    length: usize,
}

impl Waiting {
    pub(crate) fn message(&self) -> &[u8] {
        &self.message[..self.length]
    }
}

/// The queue of handshakes, and the state of load.
#[derive(Default)]
pub(crate) struct Load {
    waiting: VecDeque<Waiting>,
    until: Duration,
    cookies: usize,
    pub(crate) limit: RateLimit,
}

impl Load {
    /// Return whether senders must prove a cookie.
    pub(crate) fn is_high(&mut self, boot: Duration) -> bool {
        if self.waiting.len() >= LOAD_THRESHOLD {
            self.until = boot + LOAD_DURATION;
        }
        boot < self.until
    }

    /// Queue a message; false if the queue is full.
    pub(crate) fn push(&mut self, from: Endpoint, datagram: &[u8]) -> bool {
        if self.waiting.len() >= MAX_QUEUED {
            return false;
        }
        let mut message = [0; INITIATION_BYTES];
        message[..datagram.len()].copy_from_slice(datagram);
        self.waiting.push_back(Waiting { from, message, length: datagram.len() });
        true
    }

    /// Take one cookie from the budget; false if it is used up.
    pub(crate) fn may_send_cookie(&mut self) -> bool {
        self.cookies += 1;
        self.cookies <= COOKIE_BUDGET
    }

    /// Reset the budget of cookies.
    pub(crate) fn renew_budget(&mut self) {
        self.cookies = 0;
    }

    pub(crate) fn pop(&mut self) -> Option<Waiting> {
        self.waiting.pop_front()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    pub(crate) fn clear(&mut self) {
        self.waiting.clear();
    }
}
