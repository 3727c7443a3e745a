//! The probe of the least round-trip time (5.3.4): little in flight, so that the queue drains.

use core::time::Duration;

use super::flow::Bbr;
use super::probe::AckPhase;
use super::state::{PROBE_RTT_CWND_GAIN, State};
use crate::rate::{Ack, Sampler};
use crate::time::Time;

/// How long little is in flight (`BBR.ProbeRTTDuration`, 2.15.2).
const PROBE_RTT_DURATION: Duration = Duration::from_millis(200);

impl Bbr {
    /// Take a round-trip time (`UpdateMinRTT`). The window of a probe is set before a time with a queue replaces the old one.
    pub(super) fn update_min_rtt(&mut self, ack: &Ack, now: Time) {
        self.min_rtt.check_expiry(now);
        if self.min_rtt.has_expired && self.state != State::ProbeRtt {
            self.probe_rtt.window = self.bdp(self.bw, PROBE_RTT_CWND_GAIN).max(self.min_window());
        }
        self.min_rtt.update(ack.rtt, now);
    }

    /// Begin, follow and end the probe (`CheckProbeRTT`). After an idle time there is no queue to be drained.
    pub(super) fn check_probe_rtt(&mut self, ack: &Ack, sampler: &mut Sampler, now: Time) {
        if self.state != State::ProbeRtt && self.min_rtt.has_expired && !self.idle_restart {
            self.save_window();
            self.state = State::ProbeRtt;
            self.probe_rtt.done_at = None;
            self.probe.ack_phase = AckPhase::ProbeStopping;
            self.rounds.start(sampler.delivered());
        }
        if self.state == State::ProbeRtt {
            self.handle_probe_rtt(ack, sampler, now);
        }
    }

    /// `HandleProbeRTT`. The low rate is the flow's own choice and says nothing about the path.
    fn handle_probe_rtt(&mut self, ack: &Ack, sampler: &mut Sampler, now: Time) {
        sampler.set_app_limited(ack.in_flight);
        if self.probe_rtt.done_at.is_none() {
            if ack.in_flight <= self.probe_rtt.window {
                self.probe_rtt.done_at = Some(now + PROBE_RTT_DURATION);
                self.probe_rtt.is_round_done = false;
                self.rounds.start(sampler.delivered());
            }
            return;
        }
        self.probe_rtt.is_round_done |= self.rounds.is_start;
        if self.probe_rtt.is_round_done {
            self.check_probe_rtt_done(sampler, now);
        }
    }

    /// End the probe if it lasted long enough (`CheckProbeRTTDone`, `ExitProbeRTT`).
    pub(super) fn check_probe_rtt_done(&mut self, sampler: &Sampler, now: Time) {
        if self.probe_rtt.done_at.is_none_or(|done_at| now <= done_at) {
            return;
        }
        self.min_rtt.measured_at = now;
        self.restore_window();
        self.reset_shortterm_bounds();
        if self.full_pipe.was_full {
            self.start_probe_bw_down(sampler, now);
            self.start_probe_bw_cruise();
        } else {
            self.enter_startup();
        }
    }
}
