//! What a flow keeps of its probes: of bandwidth (5.3.3) and of the round-trip time (5.3.4).

use core::time::Duration;

use super::state::UNBOUNDED;
use crate::time::Time;

/// The least time between two probes; up to a second more is drawn (T_bbr, 5.3.3.8).
const MIN_PROBE_WAIT: Duration = Duration::from_secs(2);
/// The longest time, also beside large windows: more bandwidth is to be found in time.
const MAX_PROBE_WAIT: Duration = Duration::from_secs(10);
/// β_cubic and C of RFC 9438, sections 4.6 and 5.1.
const CUBIC_BETA: f64 = 0.7;
const CUBIC_C: f64 = 0.4;

/// What the acknowledgements of a probe mean (`BBR.ack_phase`, 2.13).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AckPhase {
    /// They are of no probe.
    Init,
    /// They are of the time in which the path is filled.
    Refilling,
    /// They are of the round before the probe.
    ProbeStarting,
    /// They are of the probe.
    ProbeFeedback,
    /// They are of the probe, which has ended.
    ProbeStopping,
}

/// The state of the cycle (2.13).
#[derive(Debug, Clone, Copy)]
pub(super) struct Probe {
    pub(super) ack_phase: AckPhase,
    /// Whether losses are of segments sent while probing (`BBR.is_bw_probe_sample`).
    pub(super) is_sample: bool,
    /// `BBR.bw_probe_up_acked`.
    pub(super) up_acked: u64,
    /// `BBR.probe_up_acked_per_inc`.
    pub(super) up_acked_per_increase: u64,
    /// `BBR.bw_probe_up_rounds`.
    pub(super) up_rounds: u32,
    /// `BBR.rounds_since_probe_up`.
    pub(super) rounds_since_up: u64,
    /// `BBR.bw_probe_wait`.
    pub(super) wait: Duration,
    /// When the cycle began (`BBR.cycle_stamp`).
    pub(super) since: Time,
    /// Whether the last probe lost too much (`BBR.prev_probe_too_high`).
    pub(super) was_too_high: bool,
    /// Whether the last probe was ended early for that reason (`BBR.prev_probe_precautionary`).
    pub(super) was_precautionary: bool,
    /// The state of the generator of random waits.
    random: u64,
}

impl Probe {
    pub(super) const fn new(now: Time) -> Self {
        Self {
            ack_phase: AckPhase::Init,
            is_sample: false,
            up_acked: 0,
            up_acked_per_increase: UNBOUNDED,
            up_rounds: 0,
            rounds_since_up: 0,
            wait: Duration::ZERO,
            since: now,
            was_too_high: false,
            was_precautionary: false,
            random: now.as_nanos(),
        }
    }

    /// Draw how long to wait for the next probe (`PickProbeWait`): flows that share a path are to probe one after another.
    pub(super) fn pick_wait(&mut self) {
        self.rounds_since_up = self.random() & 1;
        self.wait = MIN_PROBE_WAIT + Duration::from_micros(self.random() % 1_000_000);
    }

    /// Return how long to wait after a probe that lost too much: until a CUBIC flow whose window was as large is again where
    /// the loss reduced it (K of RFC 9438, section 4.2), and up to half as long again, at random. The draft waits no longer than
    /// otherwise, so CUBIC never recovers (decision 0050).
    pub(super) fn long_wait(&self, segments: u64) -> Duration {
        let recovery = (segments as f64 * (1.0 - CUBIC_BETA) / CUBIC_C).cbrt();
        let spread = self.wait.as_secs_f64() / MIN_PROBE_WAIT.as_secs_f64();
        Duration::from_secs_f64(recovery * spread).clamp(self.wait, MAX_PROBE_WAIT)
    }

    /// Return a pseudo-random number (SplitMix64). Nobody gains by guessing it.
    const fn random(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.random;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

/// The state of a probe of the round-trip time (2.15).
#[derive(Debug, Clone, Copy)]
pub(super) struct ProbeRtt {
    /// When it may end, once little is in flight (`BBR.probe_rtt_done_stamp`).
    pub(super) done_at: Option<Time>,
    /// Whether a round trip has passed since then (`BBR.probe_rtt_round_done`).
    pub(super) is_round_done: bool,
    /// The window meanwhile, by the estimates before the probe (`BBR.probe_rtt_cwnd`).
    pub(super) window: u64,
}

impl ProbeRtt {
    pub(super) const fn new(window: u64) -> Self {
        Self { done_at: None, is_round_done: false, window }
    }
}
