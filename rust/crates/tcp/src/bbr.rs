//! BBR, version 3 (draft-ietf-ccwg-bbr, the editors' copy after version 06). Section numbers are of that draft.
//!
//! The flow models its path by the greatest rate of delivery and the least round-trip time of late, sends at that rate with
//! about one product of the two in flight, and looks every few seconds for more (5.3.3) and every ten for a shorter path
//! (5.3.4). Losses lower a short-term bound that lasts until the next probe; a loss rate above 2 % while probing lowers a
//! long-term bound on what is in flight (5.5.10).
//!
//! | section | rule | file |
//! |---|---|---|
//! | 5.3.1, 5.3.2 | Startup and Drain | `startup`, `full_pipe` |
//! | 5.3.3 | the cycle of bandwidth probes | `probe_bw` |
//! | 5.3.4 | the probe of the round-trip time | `probe_rtt` |
//! | 5.5.2 – 5.5.6, 5.5.9 | rate of delivery, aggregation of acknowledgements | `model`, `filter` |
//! | 5.5.10, 5.5.11 | losses, and those that were none | `loss` |
//! | 5.6 | pacing rate and congestion window | `control` |

mod control;
mod filter;
mod full_pipe;
mod loss;
mod model;
mod probe_bw;
mod probe_rtt;
mod startup;
#[cfg(test)]
mod tests;

use core::time::Duration;

use self::full_pipe::FullPipe;
use self::loss::{Latest, Undo};
use self::model::{Aggregation, MaxBandwidth, MinRtt};
use self::probe_bw::Probe;
use self::probe_rtt::ProbeRtt;
use crate::congestion::Ack;
use crate::rate::{Sample, Sampler, SentState};
use crate::round::{Rounds, WindowUse};
use crate::time::Time;

/// A bound that is not set (`Infinity`).
const UNBOUNDED: u64 = u64::MAX;
/// The initial window, in segments (RFC 6928, 5.6.4.1).
const INITIAL_WINDOW: u64 = 10;

/// The state of the flow (`BBR.state`, 5.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Double the rate each round until the path is full (5.3.1).
    Startup,
    /// Send slowly until the queue that Startup built is gone (5.3.2).
    Drain,
    /// Send slower than the path delivers, after a bandwidth probe (5.3.3.1).
    ProbeBwDown,
    /// Send as fast as the path delivers, until the next bandwidth probe (5.3.3.2).
    ProbeBwCruise,
    /// Fill the path, before it is probed (5.3.3.3).
    ProbeBwRefill,
    /// Send faster than the path delivers (5.3.3.4).
    ProbeBwUp,
    /// Keep little in flight to see the path without a queue (5.3.4).
    ProbeRtt,
}

impl State {
    const fn is_probe_bw(self) -> bool {
        matches!(self, Self::ProbeBwDown | Self::ProbeBwCruise | Self::ProbeBwRefill | Self::ProbeBwUp)
    }

    /// Return whether the flow looks for more bandwidth (`IsProbingBW`).
    const fn is_probing(self) -> bool {
        matches!(self, Self::Startup | Self::ProbeBwRefill | Self::ProbeBwUp)
    }
}

/// The state of one flow. Volumes are in bytes, rates in bytes per second.
#[derive(Debug)]
pub(crate) struct Bbr {
    mss: u64,
    /// Whether more than one loss in a round trip can be detected (`C.has_selective_acks`).
    has_selective_acks: bool,
    state: State,
    /// `C.cwnd`.
    window: u64,
    /// The window before recovery or ProbeRTT (`BBR.prior_cwnd`).
    prior_window: u64,
    pacing_rate: u64,
    rounds: Rounds,
    window_use: WindowUse,
    max_bw: MaxBandwidth,
    /// The rate that all bounds allow (`BBR.bw`).
    bw: u64,
    bw_shortterm: u64,
    inflight_shortterm: u64,
    inflight_longterm: u64,
    min_rtt: MinRtt,
    aggregation: Aggregation,
    latest: Latest,
    full_pipe: FullPipe,
    drain_start_round: u64,
    probe: Probe,
    probe_rtt: ProbeRtt,
    /// Whether the flow restarts after it was idle (`BBR.idle_restart`).
    idle_restart: bool,
    in_recovery: bool,
    undo: Undo,
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

    /// Process an acknowledgement (`UpdateOnACK`, 5.2.3). Without a sample it delivered nothing and changes nothing.
    pub(crate) fn on_ack(&mut self, ack: &Ack, sample: Option<&Sample>, sampler: &mut Sampler, now: Time) {
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
