//! Congestion control: how much may be in flight, and how fast it may be sent.

#[cfg(test)]
mod bottleneck;
#[cfg(test)]
mod tests;

use core::time::Duration;

use crate::bbr::Bbr;
use crate::cubic::Cubic;
use crate::pace;
pub use crate::rate::Ack;
use crate::rate::{Sampler, SentState};
use crate::time::Time;

/// How the congestion window is found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Algorithm {
    /// BBR, version 3 (draft-ietf-ccwg-bbr).
    #[default]
    Bbr,
    /// CUBIC (RFC 9438).
    Cubic,
}

/// The congestion control of one connection. Counts are in bytes of payload, rates in bytes per second.
///
/// For each acknowledgement the sender calls [`on_delivered`](Self::on_delivered) for each segment that it newly
/// acknowledges, [`on_lost`](Self::on_lost) for each that it newly marks lost, then `enter_recovery` or `exit_recovery` if
/// that changed, and at the end [`on_ack`](Self::on_ack).
#[derive(Debug)]
pub struct Congestion {
    sampler: Sampler,
    control: Control,
    mss: u64,
    /// Bytes delivered and lost by the acknowledgement that is being processed.
    processed: u64,
}

#[derive(Debug)]
enum Control {
    Bbr(Bbr),
    Cubic(Cubic),
}

impl Congestion {
    /// Start with a window of 10 segments (RFC 6928). The start of the clock is the seed of BBR's random waits.
    #[must_use]
    pub fn new(algorithm: Algorithm, mss: u32, now: Time) -> Self {
        let mss = u64::from(mss.max(1));
        let control = match algorithm {
            Algorithm::Bbr => Control::Bbr(Bbr::new(mss, now)),
            Algorithm::Cubic => Control::Cubic(Cubic::new(mss, now)),
        };
        Self { sampler: Sampler::new(now), control, mss, processed: 0 }
    }

    /// Change the greatest payload of a segment.
    pub fn set_mss(&mut self, mss: u32) {
        self.mss = u64::from(mss.max(1));
        match &mut self.control {
            Control::Bbr(bbr) => bbr.set_mss(self.mss),
            Control::Cubic(cubic) => cubic.set_mss(self.mss),
        }
    }

    /// Say whether the other side reports what it received out of order (RFC 2018). Without a call it does.
    pub const fn set_selective_acks(&mut self, selective_acks: bool) {
        if let Control::Bbr(bbr) = &mut self.control {
            bbr.set_selective_acks(selective_acks);
        }
    }

    /// Record the round-trip time of the handshake, before anything is sent.
    pub fn on_handshake(&mut self, rtt: Duration, now: Time) {
        match &mut self.control {
            Control::Bbr(bbr) => bbr.on_handshake(rtt, now),
            Control::Cubic(cubic) => cubic.on_handshake(rtt),
        }
    }

    /// Record a segment that is sent now; `in_flight` is without it. The result is kept with the segment.
    pub fn on_send(&mut self, bytes: u64, in_flight: u64, now: Time) -> SentState {
        match &mut self.control {
            Control::Bbr(bbr) => bbr.on_send(bytes, in_flight, &self.sampler, now),
            Control::Cubic(cubic) => cubic.on_send(bytes, in_flight + bytes),
        }
        self.sampler.on_send(bytes, in_flight, now)
    }

    /// Record a segment that is newly acknowledged: what was kept with it, and when it was last sent.
    pub fn on_delivered(&mut self, state: &SentState, sent_at: Time, bytes: u64, now: Time) {
        self.processed += bytes;
        self.sampler.on_delivered(state, sent_at, bytes, now);
    }

    /// Record a segment that is newly marked lost.
    pub fn on_lost(&mut self, state: &SentState, bytes: u64, now: Time) {
        self.processed += bytes;
        self.sampler.on_lost(bytes);
        if let Control::Bbr(bbr) = &mut self.control {
            bbr.on_lost(state, bytes, &self.sampler, now);
        }
    }

    /// Process an acknowledgement, after its segments were recorded.
    pub fn on_ack(&mut self, ack: &Ack, now: Time) {
        self.processed = 0;
        let sample = self.sampler.take_sample(ack.min_rtt);
        match &mut self.control {
            Control::Bbr(bbr) => bbr.on_ack(ack, sample.as_ref(), &mut self.sampler, now),
            Control::Cubic(cubic) => cubic.on_ack(ack, sample.as_ref(), self.sampler.delivered(), now),
        }
    }

    /// Begin fast recovery; `in_flight` is without what is lost.
    pub fn enter_recovery(&mut self, in_flight: u64, _now: Time) {
        match &mut self.control {
            Control::Bbr(bbr) => bbr.enter_recovery(&self.sampler),
            Control::Cubic(cubic) => cubic.enter_recovery(in_flight + self.processed),
        }
    }

    /// End fast recovery or the recovery after a timeout: everything sent before it is acknowledged.
    pub fn exit_recovery(&mut self, _now: Time) {
        match &mut self.control {
            Control::Bbr(bbr) => bbr.exit_recovery(),
            Control::Cubic(cubic) => cubic.exit_recovery(),
        }
    }

    /// Answer to a retransmission timeout; `in_flight` is without what is lost.
    pub fn on_timeout(&mut self, in_flight: u64, _now: Time) {
        match &mut self.control {
            Control::Bbr(bbr) => bbr.on_timeout(in_flight, &self.sampler),
            Control::Cubic(cubic) => cubic.on_timeout(in_flight + self.processed),
        }
        self.processed = 0;
    }

    /// Take back the answer to losses that were none.
    pub fn on_spurious(&mut self, _now: Time) {
        match &mut self.control {
            Control::Bbr(bbr) => bbr.on_spurious(&self.sampler),
            Control::Cubic(cubic) => cubic.on_spurious(),
        }
    }

    /// Restart after a pause in which nothing was in flight, before the next segment is sent. BBR needs no call: it goes on
    /// at the rate that it knows (draft-ietf-ccwg-bbr, section 5.4).
    pub fn on_idle_restart(&mut self, now: Time) {
        if let Control::Cubic(cubic) = &mut self.control {
            cubic.on_idle_restart(now);
        }
    }

    /// Record that the application left window and pacing unused; `in_flight` is what is on its way.
    pub fn set_app_limited(&mut self, in_flight: u64) {
        self.sampler.set_app_limited(in_flight);
    }

    /// Return how many bytes may be in flight.
    #[must_use]
    pub fn window(&self) -> u64 {
        match &self.control {
            Control::Bbr(bbr) => bbr.window(),
            Control::Cubic(cubic) => cubic.window(),
        }
    }

    /// Return the pacing rate in bytes per second; `u64::MAX` if sending is not paced.
    #[must_use]
    pub fn pacing_rate(&self) -> u64 {
        match &self.control {
            Control::Bbr(bbr) => bbr.pacing_rate(),
            Control::Cubic(cubic) => cubic.pacing_rate(),
        }
    }

    /// Return how many bytes are sent at once when sending is paced.
    #[must_use]
    pub fn quantum(&self) -> u64 {
        pace::quantum(self.pacing_rate(), self.mss)
    }

    /// Return the phase of the algorithm, for traces.
    #[must_use]
    pub fn phase(&self) -> &'static str {
        match &self.control {
            Control::Bbr(bbr) => bbr.phase(),
            Control::Cubic(cubic) => cubic.phase(),
        }
    }
}
