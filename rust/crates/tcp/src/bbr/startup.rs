//! Startup and Drain (5.3.1 and 5.3.2).

use super::flow::Bbr;
use super::state::{DRAIN_ROUNDS, State};
use crate::rate::{Ack, Sample, Sampler};
use crate::time::Time;

/// The acknowledgements with losses in a round that end Startup (`BBRStartupFullLossCnt`, 5.3.1.3). The draft counts lost
/// ranges; as in Linux each acknowledgement that brings losses counts as one.
const STARTUP_FULL_LOSS_COUNT: u32 = 6;

impl Bbr {
    pub(super) const fn enter_startup(&mut self) {
        self.state = State::Startup;
    }

    /// Update the full-pipe estimator (`CheckFullBWReached`, 5.3.1.2).
    pub(super) fn check_full_pipe(&mut self, sample: &Sample) {
        if !self.full_pipe.is_full && self.rounds.is_start && !sample.is_app_limited {
            self.full_pipe.on_round(sample.rate);
        }
    }

    /// Leave Startup when the path is full (`CheckStartupDone`).
    pub(super) fn check_startup_done(&mut self, ack: &Ack, sample: &Sample) {
        if self.state == State::Startup && self.loss_is_too_high_for_startup(ack, sample) {
            self.undo.state = Some(State::Startup);
            self.full_pipe.was_full = true;
            self.inflight_longterm = self.bdp(self.bw, 1.0).max(self.latest.inflight);
        }
        if self.latest.is_round_start {
            self.latest.loss_events = 0;
        }
        if self.state == State::Startup && self.full_pipe.was_full {
            self.state = State::Drain;
            self.drain_start_round = self.rounds.count;
        }
    }

    /// Return whether a full round of recovery has lost too much (`CheckStartupHighLoss`).
    fn loss_is_too_high_for_startup(&self, ack: &Ack, sample: &Sample) -> bool {
        if !self.in_recovery {
            return false;
        }
        if !self.has_selective_acks {
            return ack.lost_bytes > 0;
        }
        self.latest.is_round_start
            && sample.prior_delivered >= self.latest.recovery_start
            && self.latest.loss_events >= STARTUP_FULL_LOSS_COUNT
            && self.is_inflight_too_high(sample.lost, sample.in_flight)
    }

    /// Leave Drain when the queue is gone (`CheckDrainDone`).
    pub(super) fn check_drain_done(&mut self, ack: &Ack, sampler: &Sampler, now: Time) {
        let is_drained = ack.in_flight <= self.inflight(self.bw, 1.0);
        if self.state == State::Drain && (is_drained || self.rounds.count > self.drain_start_round + DRAIN_ROUNDS) {
            self.start_probe_bw_down(sampler, now);
        }
    }
}
