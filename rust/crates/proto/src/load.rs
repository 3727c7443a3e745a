//! Handshakes that wait their turn, and when there are too many of them (section 5.3).
//!
//! A handshake costs some hundred microseconds of elliptic curves, a packet less than one. So handshakes wait here and
//! are worked off a few between two batches of packets; when many wait, senders must show that they own their address.

use std::collections::VecDeque;
use std::time::Duration;

use crate::endpoint::Endpoint;
use crate::message::INITIATION_BYTES;
use crate::ratelimit::RateLimit;

/// Handshake messages that wait at most.
pub(crate) const WAITING: usize = 4096;
/// This many waiting mean that we are under load.
const BUSY: usize = WAITING / 8;
/// Cookies sent between two times that handshakes are worked off: each costs a datagram of its own.
const COOKIES: usize = 64;
/// How long we stay under load after the last time that so many waited.
const CALM_AFTER: Duration = Duration::from_secs(1);

/// A handshake message with a good mac1.
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

/// The queue of handshakes, and the memory of its load.
#[derive(Default)]
pub(crate) struct Load {
    waiting: VecDeque<Waiting>,
    until: Duration,
    cookies: usize,
    pub(crate) limit: RateLimit,
}

impl Load {
    /// Whether senders must show a cookie.
    pub(crate) fn is_high(&mut self, boot: Duration) -> bool {
        if self.waiting.len() >= BUSY {
            self.until = boot + CALM_AFTER;
        }
        boot < self.until
    }

    /// Takes in a message; false if there is no room.
    pub(crate) fn push(&mut self, from: Endpoint, datagram: &[u8]) -> bool {
        if self.waiting.len() >= WAITING {
            return false;
        }
        let mut message = [0; INITIATION_BYTES];
        message[..datagram.len()].copy_from_slice(datagram);
        self.waiting.push_back(Waiting { from, message, length: datagram.len() });
        true
    }

    /// Takes one cookie from the budget; false if it is used up.
    pub(crate) fn may_send_cookie(&mut self) -> bool {
        self.cookies += 1;
        self.cookies <= COOKIES
    }

    /// Fills the budget of cookies.
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
