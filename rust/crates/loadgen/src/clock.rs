//! A clock for sans-I/O state machines, which can be set ahead.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use proto::clock::{Now, Random};

/// The time since it was created, plus what it was advanced by.
pub(crate) struct Clock {
    started: Instant,
    unix: Duration,
    ahead: Duration,
}

impl Clock {
    pub(crate) fn new() -> Self {
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { started: Instant::now(), unix, ahead: Duration::ZERO }
    }

    /// Return the current time of all peers.
    pub(crate) fn now(&self) -> Now {
        let since = self.started.elapsed() + self.ahead;
        Now { boot: since, unix: self.unix + since }
    }

    /// Set the clock ahead for all peers at once.
    pub(crate) fn advance(&mut self, time: Duration) {
        self.ahead += time;
    }
}

/// The kernel's randomness.
pub(crate) struct SystemRandom;

impl Random for SystemRandom {
    /// Read at most 256 octets per call, which getrandom(2) returns whole.
    fn fill(&mut self, octets: &mut [u8]) {
        for part in octets.chunks_mut(256) {
            while rustix::rand::getrandom(&mut *part, rustix::rand::GetRandomFlags::empty()).is_err() {}
        }
    }
}
