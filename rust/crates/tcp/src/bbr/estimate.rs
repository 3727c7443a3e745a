//! How acknowledgements change the model of the path (5.5).

use super::flow::Bbr;
use super::state::INITIAL_WINDOW;
use crate::pace::transfer;
use crate::rate::{Ack, Sample};
use crate::time::Time;

/// The rounds for which aggregation is remembered (`BBR.ExtraAckedFilterLen`, 2.11).
const EXTRA_ACKED_FILTER_LEN: u64 = 10;
impl Bbr {
    /// Count rounds and take the rate of a sample, unless the application limited it (`UpdateMaxBw`, 5.5.5).
    pub(super) fn update_max_bw(&mut self, sample: &Sample, delivered: u64) {
        if self.rounds.update(sample.prior_delivered, delivered) {
            self.probe.rounds_since_up += 1;
        }
        if sample.rate > 0 && (!sample.is_app_limited || sample.rate >= self.max_bw.get()) {
            self.max_bw.this_cycle = self.max_bw.this_cycle.max(sample.rate);
        }
    }

    /// Estimate aggregation (`UpdateACKAggregation`, 5.5.9).
    pub(super) fn update_aggregation(&mut self, ack: &Ack, now: Time) {
        let aggregation = &mut self.aggregation;
        let mut expected = transfer(self.bw, now - aggregation.since);
        if aggregation.delivered <= expected {
            (aggregation.delivered, aggregation.since, expected) = (0, now, 0);
        }
        aggregation.delivered += ack.acked_bytes;
        let extra = (aggregation.delivered - expected).min(self.window);
        // In Startup the rate is not known yet, and the excess of one round is remembered.
        let rounds = if self.full_pipe.was_full { EXTRA_ACKED_FILTER_LEN } else { 1 };
        aggregation.filter.update(self.rounds.count, extra, rounds);
    }

    /// Apply the short-term bound on the rate (`BoundBWForModel`).
    pub(super) fn bound_bandwidth(&mut self) {
        self.bw = self.max_bw.get().min(self.bw_shortterm);
    }

    /// Return a multiple of the product of a rate and the least round-trip time (`BDPMultiple`, 5.6.4.2).
    pub(super) fn bdp(&self, rate: u64, gain: f64) -> u64 {
        match self.min_rtt.value() {
            None => INITIAL_WINDOW * self.mss,
            Some(min_rtt) => (gain * transfer(rate, min_rtt) as f64) as u64,
        }
    }
}
