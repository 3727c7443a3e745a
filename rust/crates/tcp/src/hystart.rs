//! HyStart++ (RFC 9406): leave slow start when the round-trip time grows, before the queue overflows.
//!
//! A growing round-trip time leads to conservative slow start, which grows a quarter as fast. If the time falls again the
//! growth was jitter and slow start goes on; after five rounds congestion avoidance begins.
//!
//! Sending is paced. So the limit `L` of section 4.3 on the growth by one acknowledgement is infinite. And a round-trip time that
//! grows within a round is a queue, not a burst: each eight samples are compared with the last round, where the RFC takes the
//! least of a whole round and so sees a queue up to a round later, in which the window doubles once more.

use core::time::Duration;

/// `MIN_RTT_THRESH` (section 4.3).
const MIN_RTT_THRESH: Duration = Duration::from_millis(4);
/// `MAX_RTT_THRESH` (section 4.3).
const MAX_RTT_THRESH: Duration = Duration::from_millis(16);
/// `MIN_RTT_DIVISOR` (section 4.3).
const MIN_RTT_DIVISOR: u32 = 8;
/// `N_RTT_SAMPLE` (section 4.3).
const N_RTT_SAMPLE: u32 = 8;
/// `CSS_GROWTH_DIVISOR` (section 4.3).
const CSS_GROWTH_DIVISOR: u64 = 4;
/// `CSS_ROUNDS` (section 4.3).
const CSS_ROUNDS: u32 = 5;

/// Conservative slow start (CSS).
#[derive(Debug, Clone, Copy)]
struct Conservative {
    /// The least round-trip time of the samples with which it began (`cssBaselineMinRtt`).
    baseline: Duration,
    /// Rounds that ended in it; the partial one at the beginning counts.
    rounds: u32,
}

/// The state of the first slow start of a connection.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct HyStart {
    /// `lastRoundMinRTT`.
    last_round_min: Option<Duration>,
    /// `currentRoundMinRTT`.
    current_round_min: Option<Duration>,
    /// The least of the last samples, and how many they are (`rttSampleCount`).
    recent_min: Option<Duration>,
    samples: u32,
    conservative: Option<Conservative>,
}

impl HyStart {
    /// Record an acknowledgement. Return whether slow start is to end.
    pub(crate) fn on_ack(&mut self, rtt: Option<Duration>, is_round_start: bool) -> bool {
        if is_round_start {
            self.last_round_min = self.current_round_min.take();
            (self.recent_min, self.samples) = (None, 0);
        }
        if let Some(conservative) = &mut self.conservative {
            conservative.rounds += u32::from(is_round_start);
            if conservative.rounds >= CSS_ROUNDS {
                return true;
            }
        }
        if let Some(recent) = rtt.and_then(|rtt| self.sample(rtt)) {
            self.compare(recent);
        }
        false
    }

    /// Take a sample. Return the least of the last eight when they are complete.
    fn sample(&mut self, rtt: Duration) -> Option<Duration> {
        let least = |of: Option<Duration>| Some(of.map_or(rtt, |of| of.min(rtt)));
        self.current_round_min = least(self.current_round_min);
        self.recent_min = least(self.recent_min);
        self.samples += 1;
        if self.samples < N_RTT_SAMPLE {
            return None;
        }
        self.samples = 0;
        self.recent_min.take()
    }

    fn compare(&mut self, recent: Duration) {
        if let Some(Conservative { baseline, .. }) = self.conservative {
            if recent < baseline {
                self.conservative = None;
            }
        } else if let Some(last) = self.last_round_min {
            let threshold = (last / MIN_RTT_DIVISOR).clamp(MIN_RTT_THRESH, MAX_RTT_THRESH);
            if recent >= last + threshold {
                self.conservative = Some(Conservative { baseline: recent, rounds: 0 });
            }
        }
    }

    /// Return by how much the window grows for acknowledged bytes.
    pub(crate) const fn growth(&self, acked_bytes: u64) -> u64 {
        if self.conservative.is_some() { acked_bytes / CSS_GROWTH_DIVISOR } else { acked_bytes }
    }

    /// Return whether the growth is slowed down.
    pub(crate) const fn is_conservative(&self) -> bool {
        self.conservative.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Give a round of ten samples, and return whether slow start ended in it.
    fn round(hystart: &mut HyStart, milliseconds: u64) -> bool {
        (0..10).any(|number| hystart.on_ack(Some(Duration::from_millis(milliseconds)), number == 0))
    }

    #[test]
    fn slow_start_goes_on_while_the_round_trip_time_is_steady() {
        let mut hystart = HyStart::default();
        // An eighth of 80 ms is 10 ms: 89 ms is not yet a growth.
        for milliseconds in [80, 81, 80, 89] {
            assert!(!round(&mut hystart, milliseconds));
        }
        assert!(!hystart.is_conservative());
        assert_eq!(hystart.growth(1_000), 1_000);
    }

    #[test]
    fn growing_round_trip_time_slows_down_and_ends_after_five_rounds() {
        let mut hystart = HyStart::default();
        assert!(!round(&mut hystart, 80));
        assert!(!round(&mut hystart, 90));
        assert!(hystart.is_conservative());
        assert_eq!(hystart.growth(1_000), 250);
        for _ in 0..4 {
            assert!(!round(&mut hystart, 95));
        }
        assert!(round(&mut hystart, 95));
    }

    #[test]
    fn falling_round_trip_time_resumes_slow_start() {
        let mut hystart = HyStart::default();
        assert!(!round(&mut hystart, 80));
        assert!(!round(&mut hystart, 95));
        assert!(hystart.is_conservative());
        assert!(!round(&mut hystart, 80));
        assert!(!hystart.is_conservative());
    }

    #[test]
    fn threshold_is_at_least_4_and_at_most_16_milliseconds() {
        for (base, steady, growth) in [(2, 5, 6), (400, 415, 416)] {
            let mut hystart = HyStart::default();
            round(&mut hystart, base);
            round(&mut hystart, steady);
            assert!(!hystart.is_conservative(), "{base} to {steady} ms");
            let mut hystart = HyStart::default();
            round(&mut hystart, base);
            round(&mut hystart, growth);
            assert!(hystart.is_conservative(), "{base} to {growth} ms");
        }
    }
}
