//! How a buffer grows: by the bytes that pass it in a round trip.

use core::time::Duration;

use crate::time::Time;

/// The clock of round trips is no finer than this, so that a round trip over a local network still counts enough bytes.
const MIN_ROUND: Duration = Duration::from_millis(1);

/// The size that a buffer may have now. A sender that doubles its window each round trip is not held up, because the size
/// doubles as soon as half of it passed within one round trip.
#[derive(Debug)]
pub(crate) struct Growth {
    limit: usize,
    max: usize,
    round_bytes: usize,
    round_start: Time,
}

impl Growth {
    pub(crate) fn new(initial: usize, max: usize, now: Time) -> Self {
        Self { limit: initial.min(max), max, round_bytes: 0, round_start: now }
    }

    /// Return the size, in bytes.
    pub(crate) const fn limit(&self) -> usize {
        self.limit
    }

    /// Change the greatest size. What is larger now becomes smaller.
    pub(crate) fn set_max(&mut self, max: usize) {
        self.max = max;
        self.limit = self.limit.min(max);
    }

    /// Record that bytes left the buffer.
    pub(crate) fn on_bytes(&mut self, bytes: usize, rtt: Duration, now: Time) {
        if now - self.round_start >= rtt.max(MIN_ROUND) {
            self.start_round(now);
        }
        self.round_bytes += bytes;
        if 2 * self.round_bytes >= self.limit {
            self.limit = (2 * self.limit).max(4 * self.round_bytes).min(self.max);
            self.start_round(now);
        }
    }

    fn start_round(&mut self, now: Time) {
        (self.round_bytes, self.round_start) = (0, now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RTT: Duration = Duration::from_millis(50);

    #[test]
    fn a_buffer_keeps_ahead_of_a_window_that_doubles_each_round_trip() {
        let (mut growth, mut window, mut now) = (Growth::new(65_536, 4 << 20, Time::ZERO), 14_000, Time::ZERO);
        while window < 2 << 20 {
            assert!(growth.limit() >= window, "{} holds up {window}", growth.limit());
            for _ in 0..10 {
                growth.on_bytes(window / 10, RTT, now);
                now += RTT / 10;
            }
            window *= 2;
        }
        growth.on_bytes(4 << 20, RTT, now);
        assert_eq!(growth.limit(), 4 << 20);
    }

    #[test]
    fn a_slow_flow_does_not_make_its_buffer_grow() {
        let mut growth = Growth::new(65_536, 4 << 20, Time::ZERO);
        for round in 0..100 {
            growth.on_bytes(30_000, RTT, Time::ZERO + RTT * round);
        }
        assert_eq!(growth.limit(), 65_536);
        growth.set_max(16_384);
        assert_eq!(growth.limit(), 16_384);
    }
}
