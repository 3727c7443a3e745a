//! Congestion control: how much may be in flight, and how fast it may be sent.

use core::time::Duration;

use crate::rate::SentState;
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

/// The congestion control of one connection. Counts are in bytes of payload, rates in bytes per second.
///
/// For each acknowledgement the sender calls [`on_delivered`](Self::on_delivered) for each segment that it newly
/// acknowledges, [`on_lost`](Self::on_lost) for each that it newly marks lost, then `enter_recovery` or `exit_recovery` if
/// that changed, and at the end [`on_ack`](Self::on_ack).
#[derive(Debug)]
pub struct Congestion {
    algorithm: Algorithm,
    window: u64,
    mss: u64,
}

impl Congestion {
    /// Start with a window of 10 segments (RFC 6928).
    #[must_use]
    pub fn new(algorithm: Algorithm, mss: u32, _now: Time) -> Self {
        Self { algorithm, window: 10 * u64::from(mss), mss: mss.into() }
    }

    /// Change the greatest payload of a segment.
    pub fn set_mss(&mut self, mss: u32) {
        self.mss = mss.into();
    }

    /// Say whether the other side reports what it received out of order (RFC 2018). Without a call it does.
    pub fn set_selective_acks(&mut self, _selective_acks: bool) {}

    /// Record the round-trip time of the handshake, before anything is sent.
    pub fn on_handshake(&mut self, _rtt: Duration, _now: Time) {}

    /// Record a segment that is sent now; `in_flight` is without it. The result is kept with the segment.
    pub fn on_send(&mut self, bytes: u64, in_flight: u64, _now: Time) -> SentState {
        SentState { in_flight: in_flight + bytes, ..SentState::default() }
    }

    /// Record a segment that is newly acknowledged.
    pub fn on_delivered(&mut self, _: &SentState, _sent_at: Time, _bytes: u64, _was_retransmitted: bool, _now: Time) {}

    /// Record a segment that is newly marked lost.
    pub fn on_lost(&mut self, _state: &SentState, _bytes: u64, _now: Time) {}

    /// Process an acknowledgement, after its segments were recorded.
    pub fn on_ack(&mut self, _ack: &Ack, _now: Time) {}

    /// Begin fast recovery.
    pub fn enter_recovery(&mut self, _in_flight: u64, _now: Time) {}

    /// End fast recovery or the recovery after a timeout: everything sent before it is acknowledged.
    pub fn exit_recovery(&mut self, _now: Time) {}

    /// Answer to a retransmission timeout; `in_flight` is what is not marked lost.
    pub fn on_timeout(&mut self, _in_flight: u64, _now: Time) {}

    /// Take back the answer to losses that were none.
    pub fn on_spurious(&mut self, _now: Time) {}

    /// Restart after a pause in which nothing was in flight, before the next segment is sent.
    pub fn on_idle_restart(&mut self, _now: Time) {}

    /// Record that the application left window and pacing unused; `in_flight` is what is on its way.
    pub fn set_app_limited(&mut self, _in_flight: u64) {}

    /// Return how many bytes may be in flight.
    #[must_use]
    pub const fn window(&self) -> u64 {
        self.window
    }

    /// Return the pacing rate in bytes per second; `u64::MAX` if sending is not paced.
    #[must_use]
    pub const fn pacing_rate(&self) -> u64 {
        u64::MAX
    }

    /// Return how many bytes are sent at once when sending is paced.
    #[must_use]
    pub const fn quantum(&self) -> u64 {
        2 * self.mss
    }

    /// Return the phase of the algorithm, for traces.
    #[must_use]
    pub const fn phase(&self) -> &'static str {
        match self.algorithm {
            Algorithm::Bbr => "bbr",
            Algorithm::Cubic => "cubic",
        }
    }
}
