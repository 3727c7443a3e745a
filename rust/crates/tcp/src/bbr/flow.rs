//! One flow: what it keeps, and how it answers to what happens (5.2).

use core::time::Duration;

use super::full_pipe::FullPipe;
use super::model::{Aggregation, MaxBandwidth, MinRtt};
use super::probe::{Probe, ProbeRtt};
use super::signals::{Latest, Undo};
use super::state::{INITIAL_WINDOW, State, UNBOUNDED};
use crate::rate::{Ack, Sample, Sampler, SentState};
use crate::round::{Rounds, WindowUse};
use crate::time::Time;

/// The state of one flow. Volumes are in bytes, rates in bytes per second.
#[derive(Debug)]
pub(crate) struct Bbr {
    pub(super) mss: u64,
    /// Whether more than one loss in a round trip can be detected (`C.has_selective_acks`).
    pub(super) has_selective_acks: bool,
    pub(super) state: State,
    /// `C.cwnd`.
    pub(super) window: u64,
    /// The window before recovery or ProbeRTT (`BBR.prior_cwnd`).
    pub(super) prior_window: u64,
    pub(super) pacing_rate: u64,
    pub(super) rounds: Rounds,
    pub(super) window_use: WindowUse,
    pub(super) max_bw: MaxBandwidth,
    /// The rate that all bounds allow (`BBR.bw`).
    pub(super) bw: u64,
    pub(super) bw_shortterm: u64,
    pub(super) inflight_shortterm: u64,
    pub(super) inflight_longterm: u64,
    pub(super) min_rtt: MinRtt,
    pub(super) aggregation: Aggregation,
    pub(super) latest: Latest,
    pub(super) full_pipe: FullPipe,
    pub(super) drain_start_round: u64,
    pub(super) probe: Probe,
    pub(super) probe_rtt: ProbeRtt,
    /// Whether the flow restarts after it was idle (`BBR.idle_restart`).
    pub(super) idle_restart: bool,
    pub(super) in_recovery: bool,
    pub(super) undo: Undo,
}

impl Bbr {
    /// Start a flow (`OnInit`, 5.2.1).
    pub(crate) fn new(mss: u64, now: Time) -> Self {
        let mut bbr = Self {
            mss,
            has_selective_acks: true,
            state: State::Startup,
            window: INITIAL_WINDOW * mss,
            prior_window: 0,
            pacing_rate: 0,
            rounds: Rounds::default(),
            window_use: WindowUse::default(),
            max_bw: MaxBandwidth::default(),
            bw: 0,
            bw_shortterm: UNBOUNDED,
            inflight_shortterm: UNBOUNDED,
            inflight_longterm: UNBOUNDED,
            min_rtt: MinRtt::new(now),
            aggregation: Aggregation::new(now),
            latest: Latest::default(),
            full_pipe: FullPipe::default(),
            drain_start_round: 0,
            probe: Probe::new(now),
            probe_rtt: ProbeRtt::new(INITIAL_WINDOW * mss),
            idle_restart: false,
            in_recovery: false,
            undo: Undo::default(),
        };
        bbr.init_pacing_rate(Duration::from_millis(1));
        bbr
    }

    pub(crate) const fn set_mss(&mut self, mss: u64) {
        self.mss = mss;
    }

    pub(crate) const fn set_selective_acks(&mut self, selective_acks: bool) {
        self.has_selective_acks = selective_acks;
    }

    /// Take the round-trip time of the handshake as the first sample.
    pub(crate) fn on_handshake(&mut self, rtt: Duration, now: Time) {
        self.min_rtt.update(Some(rtt), now);
        self.init_pacing_rate(rtt);
    }

    /// Prepare for a segment; `in_flight` is without it (`OnTransmit`, 5.2.2).
    pub(crate) fn on_send(&mut self, bytes: u64, in_flight: u64, sampler: &Sampler, now: Time) {
        if in_flight == 0 && sampler.is_app_limited() {
            self.restart_from_idle(sampler, now);
        }
        self.window_use.on_send(in_flight + bytes, self.window, self.mss);
    }

    /// Go on at the known rate after an idle time (`HandleRestartFromIdle`, 5.4.1).
    fn restart_from_idle(&mut self, sampler: &Sampler, now: Time) {
        self.idle_restart = true;
        self.aggregation.restart(now);
        if self.state.is_probe_bw() {
            self.set_pacing_rate(1.0);
        } else if self.state == State::ProbeRtt {
            self.check_probe_rtt_done(sampler, now);
        }
    }

    /// Process an acknowledgement (`UpdateOnACK`, 5.2.3). Without a sample it delivered nothing, and only its losses
    /// count.
    pub(crate) fn on_ack(&mut self, ack: &Ack, sample: Option<&Sample>, sampler: &mut Sampler, now: Time) {
        self.latest.loss_events += u32::from(ack.lost_bytes > 0);
        let Some(sample) = sample else { return };
        if self.min_rtt.value().is_none()
            && let Some(rtt) = ack.rtt
        {
            self.init_pacing_rate(rtt);
        }
        self.update_latest(sample, sampler);
        self.update_congestion_signals(sample, sampler);
        self.update_aggregation(ack, now);
        self.check_full_pipe(sample);
        self.check_startup_done(ack, sample);
        self.check_drain_done(ack, sampler, now);
        self.update_probe_bw(ack, sample, sampler, now);
        self.update_min_rtt(ack, now);
        self.check_probe_rtt(ack, sampler, now);
        self.latest.advance(sample);
        self.idle_restart &= sample.delivered == 0;
        self.bound_bandwidth();
        self.set_pacing_rate(self.pacing_gain());
        self.set_window(ack, sampler);
        if self.rounds.is_start {
            self.window_use.on_round();
        }
    }

    /// Process a segment that is marked lost (5.2.4).
    pub(crate) fn on_lost(&mut self, state: &SentState, bytes: u64, sampler: &Sampler, now: Time) {
        self.handle_lost(state, bytes, sampler, now);
    }

    /// Begin fast recovery (`OnEnterFastRecovery`, 5.6.4.4).
    pub(crate) fn enter_recovery(&mut self, sampler: &Sampler) {
        self.save_upon_loss();
        self.in_recovery = true;
        self.latest.recovery_start = sampler.delivered();
    }

    /// End a recovery: the window is again what it was, within the bounds that the losses set.
    pub(crate) fn exit_recovery(&mut self) {
        self.in_recovery = false;
        self.undo.is_saved = false;
        self.restore_window();
    }

    /// Answer to a retransmission timeout (`OnEnterRTO`, 5.6.4.4).
    pub(crate) fn on_timeout(&mut self, in_flight: u64, sampler: &Sampler) {
        self.save_upon_loss();
        self.in_recovery = true;
        self.latest.recovery_start = sampler.delivered();
        self.window = in_flight + self.mss;
    }

    pub(crate) const fn window(&self) -> u64 {
        self.window
    }

    pub(crate) const fn pacing_rate(&self) -> u64 {
        self.pacing_rate
    }

    /// Return the state, for traces.
    pub(crate) const fn phase(&self) -> &'static str {
        match self.state {
            State::Startup => "startup",
            State::Drain => "drain",
            State::ProbeBwDown => "probe_bw down",
            State::ProbeBwCruise => "probe_bw cruise",
            State::ProbeBwRefill => "probe_bw refill",
            State::ProbeBwUp => "probe_bw up",
            State::ProbeRtt => "probe_rtt",
        }
    }
}
