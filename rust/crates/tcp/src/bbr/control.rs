//! Pacing rate and congestion window (5.6).

use core::time::Duration;

use super::flow::Bbr;
use super::state::{INITIAL_WINDOW, PROBE_RTT_CWND_GAIN, State, UNBOUNDED};
use crate::pace;
use crate::rate::{Ack, Sampler};

/// Doubles the rate each round (`BBR.StartupPacingGain`, 4 ln 2, 2.4).
const STARTUP_PACING_GAIN: f64 = 2.77;
/// Drains the queue of Startup within a round (`BBR.DrainPacingGain`, 2.4).
const DRAIN_PACING_GAIN: f64 = 0.5;
/// The pacing gain of `ProbeBW_DOWN` (5.3.3.1).
const PROBE_DOWN_PACING_GAIN: f64 = 0.9;
/// The pacing gain of `ProbeBW_UP` (5.3.3.5).
const PROBE_UP_PACING_GAIN: f64 = 1.25;
/// The window in products of rate and round-trip time (`BBR.DefaultCwndGain`, 2.5).
const DEFAULT_CWND_GAIN: f64 = 2.0;
/// The same in `ProbeBW_UP` (5.3.3.5).
const PROBE_UP_CWND_GAIN: f64 = 2.25;
/// By how much less than the known rate is sent (`BBR.PacingMarginPercent` = 1, 2.4).
const PACING_MARGIN: f64 = 0.99;
/// The least window, in segments (`BBR.MinPipeCwnd`, 2.7).
const MIN_PIPE_WINDOW: u64 = 4;
/// The quanta that host and network hold at one time (`BBR.offload_budget`, 5.5.8.1).
const OFFLOAD_QUANTA: u64 = 3;

impl Bbr {
    pub(super) const fn pacing_gain(&self) -> f64 {
        match self.state {
            State::Startup => STARTUP_PACING_GAIN,
            State::Drain => DRAIN_PACING_GAIN,
            State::ProbeBwDown => PROBE_DOWN_PACING_GAIN,
            State::ProbeBwUp => PROBE_UP_PACING_GAIN,
            State::ProbeBwCruise | State::ProbeBwRefill | State::ProbeRtt => 1.0,
        }
    }

    const fn window_gain(&self) -> f64 {
        match self.state {
            State::ProbeBwUp => PROBE_UP_CWND_GAIN,
            State::ProbeRtt => PROBE_RTT_CWND_GAIN,
            _ => DEFAULT_CWND_GAIN,
        }
    }

    /// Set the rate before there is an estimate: the initial window in a round trip (`InitPacingRate`, 5.6.2).
    pub(super) fn init_pacing_rate(&mut self, rtt: Duration) {
        let rate = (INITIAL_WINDOW * self.mss) as f64 / rtt.as_secs_f64().max(1e-6);
        self.pacing_rate = (STARTUP_PACING_GAIN * rate) as u64;
    }

    /// Set the rate by the model; until the path was full it only grows (`SetPacingRateWithGain`, 5.6.2).
    pub(super) fn set_pacing_rate(&mut self, gain: f64) {
        let rate = (gain * self.bw as f64 * PACING_MARGIN) as u64;
        if self.full_pipe.was_full || rate > self.pacing_rate {
            self.pacing_rate = rate.max(1);
        }
    }

    pub(super) const fn min_window(&self) -> u64 {
        MIN_PIPE_WINDOW * self.mss
    }

    /// Add what hosts hold back (`QuantizationBudget`, 5.6.4.2).
    fn with_budget(&self, volume: u64) -> u64 {
        let budget = OFFLOAD_QUANTA * pace::quantum(self.pacing_rate, self.mss);
        let volume = volume.max(budget).max(self.min_window());
        if self.state == State::ProbeBwUp { volume + 2 * self.mss } else { volume }
    }

    /// Return what fills the path at a rate (`Inflight`).
    pub(super) fn inflight(&self, rate: u64, gain: f64) -> u64 {
        self.with_budget(self.bdp(rate, gain))
    }

    /// Set the window: up by what is acknowledged, down at once (`SetCwnd`, 5.6.4.6).
    pub(super) fn set_window(&mut self, ack: &Ack, sampler: &Sampler) {
        let max_inflight = self.with_budget(self.bdp(self.bw, self.window_gain()) + self.aggregation.extra_acked());
        if self.full_pipe.was_full {
            self.window = (self.window + ack.acked_bytes).min(max_inflight);
        } else if self.window < max_inflight || sampler.delivered() < INITIAL_WINDOW * self.mss {
            self.window += ack.acked_bytes;
        }
        self.window = self.window.max(self.min_window());
        if self.state == State::ProbeRtt {
            self.window = self.window.min(self.probe_rtt.window);
        }
        self.window = self.window.min(self.window_bound());
    }

    /// Return what recent losses allow (`BoundCwndForModel`, 5.6.4.7).
    fn window_bound(&self) -> u64 {
        let longterm = match self.state {
            State::ProbeBwCruise | State::ProbeRtt => self.inflight_with_headroom(),
            State::ProbeBwDown | State::ProbeBwRefill | State::ProbeBwUp => self.inflight_longterm,
            State::Startup | State::Drain => UNBOUNDED,
        };
        longterm.min(self.inflight_shortterm).max(self.min_window())
    }

    /// Remember the window before recovery or ProbeRTT lower it (`SaveCwnd`, 5.6.4.4).
    pub(super) fn save_window(&mut self) {
        let is_lowered = self.in_recovery || self.state == State::ProbeRtt;
        self.prior_window = if is_lowered { self.prior_window.max(self.window) } else { self.window };
    }

    /// `RestoreCwnd`.
    pub(super) fn restore_window(&mut self) {
        self.window = self.window.max(self.prior_window);
    }
}
