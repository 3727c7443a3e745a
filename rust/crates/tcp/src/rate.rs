//! Delivery-rate samples (draft-ietf-ccwg-bbr, section 4.1; before that draft-cheng-iccrg-delivery-rate-estimation).
//!
//! A sample is the volume delivered between the sending of a segment and its acknowledgement, over the longer of the time
//! in which it was sent and the time in which it was acknowledged. So neither a burst of segments nor a burst of
//! acknowledgements makes a path look faster than it is.

use core::time::Duration;

use crate::time::Time;

/// What the sampler knew when a segment was sent. It is kept with the segment until that is acknowledged or lost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SentState {
    /// Bytes delivered so far (`P.delivered`).
    pub delivered: u64,
    /// When the last of them were acknowledged (`P.delivered_time`).
    pub delivered_at: Time,
    /// When the flight that this segment belongs to began to be sent (`P.first_send_time`).
    pub first_sent_at: Time,
    /// Bytes marked lost so far (`P.lost`).
    pub lost: u64,
    /// Bytes in flight, this segment included (`P.tx_in_flight`).
    pub in_flight: u64,
    /// Whether the application had left the path idle (`P.is_app_limited`).
    pub is_app_limited: bool,
}

/// What one acknowledgement has brought.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ack {
    /// Bytes that it newly acknowledges, cumulatively or selectively.
    pub acked_bytes: u64,
    /// Bytes newly marked lost with it.
    pub lost_bytes: u64,
    /// Bytes in flight after it.
    pub in_flight: u64,
    /// The round-trip time of the newest segment that it acknowledges, unless that is ambiguous.
    pub rtt: Option<Duration>,
    /// The least round-trip time of the connection.
    pub min_rtt: Option<Duration>,
    /// The smoothed round-trip time.
    pub srtt: Option<Duration>,
    /// Whether the cumulative acknowledgement moved forward.
    pub has_advanced: bool,
}

/// What one acknowledgement says about the rate of delivery (`RS`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Sample {
    /// Bytes per second, or 0 if the interval is too short to be believed (`RS.delivery_rate`).
    pub(crate) rate: u64,
    /// Bytes delivered in the interval (`RS.delivered`).
    pub(crate) delivered: u64,
    /// Bytes delivered before the newest acknowledged segment was sent (`RS.prior_delivered`).
    pub(crate) prior_delivered: u64,
    /// Bytes marked lost since that segment was sent (`RS.lost`).
    pub(crate) lost: u64,
    /// Bytes in flight when it was sent (`RS.tx_in_flight`).
    pub(crate) in_flight: u64,
    /// Whether the application, not the path, limited the rate (`RS.is_app_limited`).
    pub(crate) is_app_limited: bool,
}

/// The newest segment that an acknowledgement covers.
#[derive(Debug, Clone, Copy)]
struct Newest {
    state: SentState,
    send_elapsed: Duration,
    ack_elapsed: Duration,
}

/// The counts of a connection from which samples are made (`C`).
#[derive(Debug)]
pub(crate) struct Sampler {
    delivered: u64,
    delivered_at: Time,
    first_sent_at: Time,
    lost: u64,
    /// The count of delivered bytes at which an idle gap has left the path (`C.app_limited`).
    app_limited_until: Option<u64>,
    newest: Option<Newest>,
}

impl Sampler {
    pub(crate) const fn new(now: Time) -> Self {
        Self { delivered: 0, delivered_at: now, first_sent_at: now, lost: 0, app_limited_until: None, newest: None }
    }

    /// Return the bytes delivered so far (`C.delivered`).
    pub(crate) const fn delivered(&self) -> u64 {
        self.delivered
    }

    /// Return the bytes marked lost so far (`C.lost`).
    pub(crate) const fn lost(&self) -> u64 {
        self.lost
    }

    /// Return whether the application has left a gap that is still on the path.
    pub(crate) const fn is_app_limited(&self) -> bool {
        self.app_limited_until.is_some()
    }

    /// Record a segment that is sent; `in_flight` is without it (`OnPacketSent`).
    pub(crate) const fn on_send(&mut self, bytes: u64, in_flight: u64, now: Time) -> SentState {
        if in_flight == 0 {
            (self.first_sent_at, self.delivered_at) = (now, now);
        }
        SentState {
            delivered: self.delivered,
            delivered_at: self.delivered_at,
            first_sent_at: self.first_sent_at,
            lost: self.lost,
            in_flight: in_flight + bytes,
            is_app_limited: self.is_app_limited(),
        }
    }

    /// Record a segment that is newly acknowledged (`UpdateRateSample`).
    pub(crate) fn on_delivered(&mut self, state: &SentState, sent_at: Time, bytes: u64, now: Time) {
        self.delivered += bytes;
        self.delivered_at = now;
        if self.newest.is_none() || sent_at >= self.first_sent_at {
            self.newest = Some(Newest {
                state: *state,
                send_elapsed: sent_at - state.first_sent_at,
                ack_elapsed: now - state.delivered_at,
            });
            self.first_sent_at = sent_at;
        }
    }

    /// Record a segment that is newly marked lost.
    pub(crate) const fn on_lost(&mut self, bytes: u64) {
        self.lost += bytes;
    }

    /// Mark the samples of the next round trip as limited by the application (`MarkConnectionAppLimited`).
    pub(crate) fn set_app_limited(&mut self, in_flight: u64) {
        self.app_limited_until = Some((self.delivered + in_flight).max(1));
    }

    /// Finish an acknowledgement (`GenerateRateSample`). `None` if it delivered nothing.
    pub(crate) fn take_sample(&mut self, min_rtt: Option<Duration>) -> Option<Sample> {
        if self.app_limited_until.is_some_and(|until| self.delivered > until) {
            self.app_limited_until = None;
        }
        let Newest { state, send_elapsed, ack_elapsed } = self.newest.take()?;
        let delivered = self.delivered - state.delivered;
        let interval = send_elapsed.max(ack_elapsed);
        // A segment that was sent again for nothing is acknowledged too early: its original was.
        let is_believable = !interval.is_zero() && min_rtt.is_none_or(|min_rtt| interval >= min_rtt);
        Some(Sample {
            rate: if is_believable { rate(delivered, interval) } else { 0 },
            delivered,
            prior_delivered: state.delivered,
            lost: self.lost - state.lost,
            in_flight: state.in_flight,
            is_app_limited: state.is_app_limited,
        })
    }
}

/// Return bytes over a time as bytes per second.
fn rate(bytes: u64, time: Duration) -> u64 {
    let rate = u128::from(bytes) * 1_000_000_000 / time.as_nanos().max(1);
    u64::try_from(rate).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MSS: u64 = 1_000;

    fn at(milliseconds: u64) -> Time {
        Time::from_nanos(milliseconds * 1_000_000)
    }

    /// Deliver a segment at once, and return the sample.
    fn deliver(sampler: &mut Sampler, state: &SentState, sent_at: Time, now: Time) -> Option<Sample> {
        sampler.on_delivered(state, sent_at, MSS, now);
        sampler.take_sample(None)
    }

    #[test]
    fn rate_is_that_of_acknowledgements_when_they_are_slower() {
        let mut sampler = Sampler::new(at(0));
        let states: Vec<_> = (0..10).map(|number| sampler.on_send(MSS, number * MSS, at(0))).collect();
        // Sent at once, acknowledged from 100 ms on with 10 ms between two: 10 segments in 190 ms.
        let samples: Vec<_> = (0..10)
            .map(|number| deliver(&mut sampler, &states[number as usize], at(0), at(100 + 10 * number)))
            .collect();
        let last = samples[9].unwrap();
        assert_eq!((last.delivered, last.rate), (10 * MSS, 10 * MSS * 1_000 / 190));
    }

    #[test]
    fn rate_is_that_of_sending_when_acknowledgements_are_compressed() {
        let mut sampler = Sampler::new(at(0));
        let states: Vec<_> = (0..11).map(|number| sampler.on_send(MSS, number * MSS, at(20 * number))).collect();
        for (number, state) in states.iter().enumerate() {
            sampler.on_delivered(state, at(20 * number as u64), MSS, at(201));
        }
        // The acknowledgements came at once; sending took 200 ms, and the first of the 11 segments opens the interval.
        assert_eq!(sampler.take_sample(None).unwrap().rate, 11 * MSS * 1_000 / 201);
        let state = sampler.on_send(MSS, MSS, at(210));
        assert_eq!(state.first_sent_at, at(200));
    }

    #[test]
    fn sample_shorter_than_the_least_round_trip_time_has_no_rate() {
        let mut sampler = Sampler::new(at(0));
        let state = sampler.on_send(MSS, 0, at(0));
        sampler.on_delivered(&state, at(0), MSS, at(3));
        let sample = sampler.take_sample(Some(Duration::from_millis(50))).unwrap();
        assert_eq!((sample.rate, sample.delivered), (0, MSS));
    }

    #[test]
    fn app_limited_mark_lasts_until_the_gap_has_passed() {
        let mut sampler = Sampler::new(at(0));
        let before = sampler.on_send(MSS, 0, at(0));
        sampler.set_app_limited(MSS);
        let after = sampler.on_send(MSS, MSS, at(1));
        assert!(!before.is_app_limited && after.is_app_limited);
        assert!(!deliver(&mut sampler, &before, at(0), at(50)).unwrap().is_app_limited);
        assert!(sampler.is_app_limited());
        assert!(deliver(&mut sampler, &after, at(1), at(51)).unwrap().is_app_limited);
        assert!(!sampler.is_app_limited());
    }

    #[test]
    fn lost_bytes_count_from_the_sending_of_the_newest_segment() {
        let mut sampler = Sampler::new(at(0));
        sampler.on_lost(7 * MSS);
        let state = sampler.on_send(MSS, 0, at(0));
        sampler.on_lost(2 * MSS);
        let sample = deliver(&mut sampler, &state, at(0), at(50)).unwrap();
        assert_eq!((sample.lost, sample.in_flight), (2 * MSS, MSS));
        assert_eq!(sampler.take_sample(None), None);
    }
}
