//! The cycle of bandwidth probes (5.3.3): down, cruise, refill, up.

use super::flow::Bbr;
use super::probe::AckPhase;
use super::state::{State, UNBOUNDED};
use crate::rate::{Ack, Sample, Sampler};
use crate::time::Time;

/// The rounds after which a Reno flow with a small window would have grown as much as a probe (T_reno, 5.3.3.8).
const MAX_RENO_ROUNDS: u64 = 63;
/// The share of the long-term bound that is left to others (`BBR.Headroom`, 2.7). The draft's 0.15 leaves a CUBIC flow less than
/// 30 % of the path where the queue holds at most the product of rate and round-trip time (decision 0050).
const HEADROOM: f64 = 0.25;
/// The greatest exponent of the growth in a round (`RaiseInflightLongtermSlope`).
const MAX_UP_ROUNDS: u32 = 30;

impl Bbr {
    /// Leave the probe, and let its queue drain (`StartProbeBW_DOWN`).
    pub(super) fn start_probe_bw_down(&mut self, sampler: &Sampler, now: Time) {
        self.latest.reset();
        self.probe.up_acked_per_increase = UNBOUNDED;
        self.probe.pick_wait();
        self.probe.since = now;
        self.probe.ack_phase = AckPhase::ProbeStopping;
        self.rounds.start(sampler.delivered());
        self.state = State::ProbeBwDown;
    }

    pub(super) const fn start_probe_bw_cruise(&mut self) {
        self.state = State::ProbeBwCruise;
    }

    /// Forget the short-term bounds, and fill the path (`StartProbeBW_REFILL`).
    pub(super) fn start_probe_bw_refill(&mut self, sampler: &Sampler) {
        self.reset_shortterm_bounds();
        (self.probe.up_rounds, self.probe.up_acked) = (0, 0);
        self.probe.was_precautionary = false;
        self.probe.ack_phase = AckPhase::Refilling;
        self.rounds.start(sampler.delivered());
        self.state = State::ProbeBwRefill;
    }

    fn start_probe_bw_up(&mut self, sample: &Sample, sampler: &Sampler) {
        self.probe.ack_phase = AckPhase::ProbeStarting;
        self.rounds.start(sampler.delivered());
        self.full_pipe.reset(sample.rate);
        self.state = State::ProbeBwUp;
        self.raise_slope();
    }

    /// Advance the cycle (`UpdateProbeBWCyclePhase`, 5.3.3.9).
    pub(super) fn update_probe_bw(&mut self, ack: &Ack, sample: &Sample, sampler: &Sampler, now: Time) {
        if !self.full_pipe.was_full || self.adapt_longterm_model(ack, sample, sampler) {
            return;
        }
        let state = self.state;
        match state {
            State::ProbeBwDown | State::ProbeBwCruise if self.is_time_to_probe(now) => {
                self.start_probe_bw_refill(sampler);
            }
            State::ProbeBwDown if self.is_time_to_cruise(ack) => self.start_probe_bw_cruise(),
            State::ProbeBwRefill if self.rounds.is_start => {
                self.probe.is_sample = true;
                self.start_probe_bw_up(sample, sampler);
            }
            State::ProbeBwUp if self.is_time_to_go_down(ack, sample) => {
                self.probe.was_too_high = false;
                self.start_probe_bw_down(sampler, now);
            }
            _ => {}
        }
    }

    /// Return whether it is time for a probe (`IsTimeToProbeBW`). After one that lost too much, others must first recover.
    fn is_time_to_probe(&self, now: Time) -> bool {
        if self.probe.was_too_high {
            let segments = self.inflight_longterm.min(self.window) / self.mss;
            return now > self.probe.since + self.probe.long_wait(segments);
        }
        now > self.probe.since + self.probe.wait || self.is_reno_probe_time()
    }

    /// Return whether a Reno flow would have grown by a probe (`IsRenoCoexistenceProbeTime`).
    fn is_reno_probe_time(&self) -> bool {
        let segments = self.target_inflight() / self.mss;
        self.probe.rounds_since_up >= segments.min(MAX_RENO_ROUNDS)
    }

    /// Return what is wanted in flight (`TargetInflight`).
    pub(super) fn target_inflight(&self) -> u64 {
        self.bdp(self.bw, 1.0).min(self.window)
    }

    /// `IsTimeToCruise`.
    fn is_time_to_cruise(&self, ack: &Ack) -> bool {
        ack.in_flight <= self.inflight_with_headroom() && ack.in_flight <= self.inflight(self.max_bw.get(), 1.0)
    }

    /// `IsTimeToGoDown`.
    fn is_time_to_go_down(&mut self, ack: &Ack, sample: &Sample) -> bool {
        if self.probe.was_too_high && ack.in_flight >= self.inflight_longterm {
            self.probe.was_precautionary = true;
            return true;
        }
        if self.is_limited_by_longterm_bound() {
            self.full_pipe.reset(sample.rate);
            return false;
        }
        self.full_pipe.is_full
    }

    fn is_limited_by_longterm_bound(&self) -> bool {
        self.window_use.was_full() && self.window >= self.inflight_longterm
    }

    /// Return the long-term bound less what is left to others (`InflightWithHeadroom`).
    pub(super) fn inflight_with_headroom(&self) -> u64 {
        if self.inflight_longterm == UNBOUNDED {
            return UNBOUNDED;
        }
        let headroom = ((self.inflight_longterm as f64 * HEADROOM) as u64).max(self.mss);
        self.inflight_longterm.saturating_sub(headroom).max(self.min_window())
    }

    /// Double the growth of the long-term bound (`RaiseInflightLongtermSlope`).
    fn raise_slope(&mut self) {
        let growth = 1 << self.probe.up_rounds;
        self.probe.up_rounds = (self.probe.up_rounds + 1).min(MAX_UP_ROUNDS);
        self.probe.up_acked_per_increase = (self.window / growth).max(self.mss);
    }

    /// Raise the long-term bound while it holds back the probe (`ProbeInflightLongtermUpward`).
    fn raise_longterm_bound(&mut self, ack: &Ack) {
        if !self.is_limited_by_longterm_bound() {
            return;
        }
        self.probe.up_acked += ack.acked_bytes;
        let increases = self.probe.up_acked / self.probe.up_acked_per_increase;
        self.probe.up_acked -= increases * self.probe.up_acked_per_increase;
        self.inflight_longterm += increases * self.mss;
        if self.rounds.is_start {
            self.raise_slope();
        }
    }

    /// Follow the acknowledgements of a probe. Return whether the next one was begun (`AdaptLongTermModel`).
    fn adapt_longterm_model(&mut self, ack: &Ack, sample: &Sample, sampler: &Sampler) -> bool {
        if self.rounds.is_start && self.probe.ack_phase == AckPhase::ProbeStarting {
            self.probe.ack_phase = AckPhase::ProbeFeedback;
        }
        if self.rounds.is_start && self.probe.ack_phase == AckPhase::ProbeStopping {
            self.probe.is_sample = false;
            self.probe.ack_phase = AckPhase::Init;
            if self.state.is_probe_bw() && !sample.is_app_limited {
                self.max_bw.advance();
            }
            if self.state.is_probe_bw() && self.probe.was_precautionary && !self.probe.was_too_high {
                self.start_probe_bw_refill(sampler);
                return true;
            }
        }
        if self.inflight_longterm != UNBOUNDED && !self.is_inflight_too_high(sample.lost, sample.in_flight) {
            self.inflight_longterm = self.inflight_longterm.max(sample.in_flight);
            if self.state == State::ProbeBwUp {
                self.raise_longterm_bound(ack);
            }
        }
        false
    }
}
