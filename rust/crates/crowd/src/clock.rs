//! Time for machines that are given it: as it passes, and as much later as they are told.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use proto::clock::{Now, Random};

/// Starts now.
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

    /// This moment, as the members know it.
    pub(crate) fn now(&self) -> Now {
        let since = self.started.elapsed() + self.ahead;
        Now { boot: since, unix: self.unix + since }
    }

    /// All members grow older at once.
    pub(crate) fn advance(&mut self, time: Duration) {
        self.ahead += time;
    }
}

/// The kernel's randomness.
pub(crate) struct SystemRandom;

impl Random for SystemRandom {
    /// Asks for at most 256 octets, which getrandom(2) gives whole.
    fn fill(&mut self, octets: &mut [u8]) {
        for part in octets.chunks_mut(256) {
            while rustix::rand::getrandom(&mut *part, rustix::rand::GetRandomFlags::empty()).is_err() {}
        }
    }
}
