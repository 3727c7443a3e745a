//! The round-trip time and the retransmission timeout (RFC 6298).

use core::time::Duration;

use crate::time::Time;

/// The timeout before the first measurement (RFC 6298, section 2.1).
pub(crate) const INITIAL_RTO: Duration = Duration::from_secs(1);
/// The least timeout. RFC 6298 asks for 1 s; Linux and others have used 200 ms since RACK-TLP repairs what is left.
pub(crate) const MIN_RTO: Duration = Duration::from_millis(200);
/// The greatest timeout (RFC 6298, section 2.5).
pub(crate) const MAX_RTO: Duration = Duration::from_secs(60);
/// The timeout for data after the SYN was retransmitted (RFC 6298, section 5.7).
const RTO_AFTER_LOST_SYN: Duration = Duration::from_secs(3);
/// How long a least round-trip time counts at least, and at most twice as long (RFC 8985, section 6.2: "of minutes").
const MIN_RTT_WINDOW: Duration = Duration::from_secs(150);

/// An estimate from measurements.
#[derive(Debug)]
pub(crate) struct Rtt {
    smoothed: Option<Duration>,
    variation: Duration,
    /// The timeout before the first measurement.
    initial: Duration,
    /// Timeouts since the last acknowledgement; each doubles the timeout.
    backoff: u32,
    least: [Duration; 2],
    least_since: Time,
}

impl Rtt {
    pub(crate) fn new(now: Time) -> Self {
        Self {
            smoothed: None,
            variation: Duration::ZERO,
            initial: INITIAL_RTO,
            backoff: 0,
            least: [Duration::MAX; 2],
            least_since: now,
        }
    }

    /// Record a measurement, which was not ambiguous (Karn's algorithm, section 3).
    pub(crate) fn sample(&mut self, rtt: Duration, now: Time) {
        match self.smoothed {
            None => (self.smoothed, self.variation) = (Some(rtt), rtt / 2),
            Some(smoothed) => {
                self.variation = (self.variation * 3 + smoothed.abs_diff(rtt)) / 4;
                self.smoothed = Some((smoothed * 7 + rtt) / 8);
            }
        }
        if now - self.least_since > MIN_RTT_WINDOW {
            self.least = [Duration::MAX, self.least[0]];
            self.least_since = now;
        }
        self.least[0] = self.least[0].min(rtt);
    }

    /// Record that the SYN had to be sent again, so that its round trip could not be measured.
    pub(crate) fn syn_was_lost(&mut self) {
        self.initial = RTO_AFTER_LOST_SYN;
    }

    /// Double the timeout after it expired (section 5.5).
    pub(crate) fn back_off(&mut self) {
        self.backoff += 1;
    }

    /// End the backoff, because something new was acknowledged (section 5.7).
    pub(crate) fn end_backoff(&mut self) {
        self.backoff = 0;
    }

    /// Return the smoothed time.
    pub(crate) const fn smoothed(&self) -> Option<Duration> {
        self.smoothed
    }

    /// Return the least time of the last minutes.
    pub(crate) fn min(&self) -> Option<Duration> {
        let least = self.least[0].min(self.least[1]);
        (least != Duration::MAX).then_some(least)
    }

    /// Return the timeout without backoff.
    pub(crate) fn base_timeout(&self) -> Duration {
        self.smoothed.map_or(self.initial, |smoothed| (smoothed + self.variation * 4).clamp(MIN_RTO, MAX_RTO))
    }

    /// Return the timeout.
    pub(crate) fn timeout(&self) -> Duration {
        backed_off(self.base_timeout(), self.backoff)
    }
}

/// Return a timeout after it expired `times` times.
pub(crate) fn backed_off(timeout: Duration, times: u32) -> Duration {
    timeout.saturating_mul(1 << times.min(16)).min(MAX_RTO)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn milliseconds(value: u64) -> Duration {
        Duration::from_millis(value)
    }

    /// RFC 6298, section 2, with K = 4, alpha = 1/8, beta = 1/4.
    #[test]
    fn the_timeout_follows_the_measurements_of_the_rfc() {
        let mut rtt = Rtt::new(Time::ZERO);
        assert_eq!(rtt.timeout(), INITIAL_RTO);
        for (sample, smoothed, timeout) in [(200, 200.0, 600.0), (200, 200.0, 500.0), (400, 225.0, 650.0)] {
            rtt.sample(milliseconds(sample), Time::ZERO);
            assert_eq!(rtt.smoothed().unwrap().as_secs_f64() * 1000.0, smoothed);
            assert_eq!(rtt.timeout().as_secs_f64() * 1000.0, timeout);
        }
    }

    #[test]
    fn the_timeout_has_a_floor_a_cap_and_a_backoff_that_an_acknowledgement_ends() {
        let mut rtt = Rtt::new(Time::ZERO);
        rtt.sample(milliseconds(1), Time::ZERO);
        assert_eq!(rtt.timeout(), MIN_RTO);
        for expected in [400, 800, 1600] {
            rtt.back_off();
            assert_eq!(rtt.timeout(), milliseconds(expected));
        }
        for _ in 0..100 {
            rtt.back_off();
        }
        assert_eq!(rtt.timeout(), MAX_RTO);
        rtt.end_backoff();
        assert_eq!(rtt.timeout(), MIN_RTO);
    }

    #[test]
    fn a_lost_syn_leaves_three_seconds_until_there_is_a_measurement() {
        let mut rtt = Rtt::new(Time::ZERO);
        rtt.syn_was_lost();
        assert_eq!(rtt.timeout(), Duration::from_secs(3));
        rtt.sample(milliseconds(100), Time::ZERO);
        assert_eq!(rtt.timeout(), milliseconds(300));
    }

    #[test]
    fn the_least_time_is_forgotten_after_minutes() {
        let mut rtt = Rtt::new(Time::ZERO);
        rtt.sample(milliseconds(10), Time::ZERO);
        let mut now = Time::ZERO;
        for _ in 0..2 {
            now += MIN_RTT_WINDOW + milliseconds(1);
            assert_eq!(rtt.min(), Some(milliseconds(10)));
            rtt.sample(milliseconds(30), now);
        }
        assert_eq!(rtt.min(), Some(milliseconds(30)));
    }
}
