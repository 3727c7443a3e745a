//! What losses say, and what is taken back when they were none (5.5.10 and 5.5.11).

use super::flow::Bbr;
use super::signals::Undo;
use super::state::{DRAIN_ROUNDS, State, UNBOUNDED};
use crate::rate::{Sample, Sampler, SentState};
use crate::time::Time;

/// The greatest loss rate of a round trip that a probe tolerates (`BBR.LossThresh`, 2.7).
const LOSS_THRESH: f64 = 0.02;
/// The decrease in a round trip with losses, at most (`BBR.Beta`, 2.7).
const BETA: f64 = 0.7;

impl Bbr {
    /// Update the round of losses (`UpdateLatestDeliverySignals`).
    pub(super) fn update_latest(&mut self, sample: &Sample, sampler: &Sampler) {
        self.latest.bw = self.latest.bw.max(sample.rate);
        self.latest.inflight = self.latest.inflight.max(sample.delivered);
        self.latest.is_round_start = sample.prior_delivered >= self.latest.round_end;
        if self.latest.is_round_start {
            self.latest.round_end = sampler.delivered();
        }
    }

    /// Take the rate of a sample, and once in a round answer to its losses (`UpdateCongestionSignals`).
    pub(super) fn update_congestion_signals(&mut self, sample: &Sample, sampler: &Sampler) {
        self.update_max_bw(sample, sampler.delivered());
        if self.latest.is_round_start {
            if self.latest.has_loss && !self.state.is_probing() && !self.is_startup_answered() {
                self.lower_shortterm_bounds();
            }
            self.latest.has_loss = false;
        }
    }

    /// Return whether losses may still be of Startup, to which its end has answered. They are found up to a round trip late, and
    /// what is delivered meanwhile is what Drain sent at half the rate: by the draft it would count as the rate of the path.
    const fn is_startup_answered(&self) -> bool {
        self.rounds.count <= self.drain_start_round + DRAIN_ROUNDS
    }

    /// Adapt to what the last round delivered (`InitLowerBounds`, `LossLowerBounds`).
    fn lower_shortterm_bounds(&mut self) {
        if self.bw_shortterm == UNBOUNDED {
            self.bw_shortterm = self.max_bw.get();
        }
        if self.inflight_shortterm == UNBOUNDED {
            self.inflight_shortterm = self.window;
        }
        self.bw_shortterm = self.latest.bw.max(scaled(self.bw_shortterm, BETA));
        self.inflight_shortterm = self.latest.inflight.max(scaled(self.inflight_shortterm, BETA));
    }

    /// Forget the losses since the last probe (`ResetShortTermModel`).
    pub(super) const fn reset_shortterm_bounds(&mut self) {
        (self.bw_shortterm, self.inflight_shortterm) = (UNBOUNDED, UNBOUNDED);
    }

    /// Process a segment that is marked lost (`HandleLostPacket`).
    pub(super) fn handle_lost(&mut self, state: &SentState, bytes: u64, sampler: &Sampler, now: Time) {
        if !self.latest.has_loss {
            self.latest.round_end = sampler.delivered();
            self.latest.has_loss = true;
        }
        self.save_upon_loss();
        let lost = sampler.lost() - state.lost;
        if self.probe.is_sample && self.is_inflight_too_high(lost, state.in_flight) {
            let in_flight = inflight_at_loss(state.in_flight, lost, bytes);
            self.handle_inflight_too_high(in_flight, state.is_app_limited, sampler, now);
        }
    }

    /// Return whether more was lost than a probe tolerates (`IsInflightTooHigh`).
    pub(super) fn is_inflight_too_high(&self, lost: u64, in_flight: u64) -> bool {
        lost as f64 > in_flight as f64 * LOSS_THRESH || (lost > 0 && !self.has_selective_acks)
    }

    /// Bound what is in flight, and end the probe (`HandleInflightTooHigh`).
    fn handle_inflight_too_high(&mut self, in_flight: u64, is_app_limited: bool, sampler: &Sampler, now: Time) {
        self.probe.was_too_high = true;
        self.probe.is_sample = false;
        if !is_app_limited {
            self.inflight_longterm = in_flight.max(scaled(self.target_inflight(), BETA));
        }
        if self.state == State::ProbeBwUp {
            self.undo.state = Some(State::ProbeBwUp);
            self.start_probe_bw_down(sampler, now);
        }
    }

    /// Remember the model before the losses of a recovery (`SaveStateUponLoss`).
    pub(super) fn save_upon_loss(&mut self) {
        if self.undo.is_saved {
            return;
        }
        self.save_window();
        self.undo = Undo {
            is_saved: true,
            state: None,
            bw_shortterm: self.bw_shortterm,
            inflight_shortterm: self.inflight_shortterm,
            inflight_longterm: self.inflight_longterm,
        };
    }

    /// Take back what losses have changed that were none (`HandleSpuriousLossDetection`).
    pub(crate) fn on_spurious(&mut self, sampler: &Sampler) {
        self.in_recovery = false;
        self.restore_window();
        self.latest.has_loss = false;
        self.full_pipe.reset(0);
        let undo = core::mem::take(&mut self.undo);
        self.bw_shortterm = self.bw_shortterm.max(undo.bw_shortterm);
        self.inflight_shortterm = self.inflight_shortterm.max(undo.inflight_shortterm);
        self.inflight_longterm = self.inflight_longterm.max(undo.inflight_longterm);
        match undo.state {
            Some(State::Startup) if self.state != State::Startup => {
                self.full_pipe.was_full = false;
                if self.state != State::ProbeRtt {
                    self.enter_startup();
                }
            }
            Some(State::ProbeBwUp) if !matches!(self.state, State::ProbeBwUp | State::ProbeRtt) => {
                self.start_probe_bw_refill(sampler);
            }
            _ => {}
        }
    }
}

/// Return what was in flight when the loss rate crossed the threshold, within the lost segment (`InflightAtLoss`).
fn inflight_at_loss(in_flight: u64, lost: u64, bytes: u64) -> u64 {
    let before = in_flight.saturating_sub(bytes) as f64;
    let lost_before = lost.saturating_sub(bytes) as f64;
    let prefix = (LOSS_THRESH * before - lost_before) / (1.0 - LOSS_THRESH);
    (before + prefix.max(0.0)) as u64
}

fn scaled(volume: u64, gain: f64) -> u64 {
    (volume as f64 * gain) as u64
}
