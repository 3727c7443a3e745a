//! The model of the path: rate of delivery, least round-trip time, aggregation of acknowledgements (5.5).

use core::time::Duration;

use super::Bbr;
use super::filter::WindowedMax;
use crate::congestion::Ack;
use crate::pace::transfer;
use crate::rate::Sample;
use crate::time::Time;

/// The rounds for which aggregation is remembered (`BBR.ExtraAckedFilterLen`, 2.11).
const EXTRA_ACKED_FILTER_LEN: u64 = 10;
/// For how long a least round-trip time counts (`BBR.MinRTTFilterLen`, 5.5.7.2); then ProbeRTT follows.
pub(super) const MIN_RTT_FILTER_LEN: Duration = Duration::from_secs(10);

/// The greatest rate of delivery in this cycle of bandwidth probes and in the last one (`BBR.MaxBwFilterLen` = 2, 2.10).
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct MaxBandwidth {
    last_cycle: u64,
    this_cycle: u64,
}

impl MaxBandwidth {
    pub(super) fn get(&self) -> u64 {
        self.last_cycle.max(self.this_cycle)
    }

    /// Begin a cycle (`AdvanceMaxBwFilter`, 5.5.6). A cycle without a sample is none, as in Linux: the last one still counts.
    pub(super) const fn advance(&mut self) {
        if self.this_cycle > 0 {
            (self.last_cycle, self.this_cycle) = (self.this_cycle, 0);
        }
    }
}

/// The least round-trip time (5.5.7).
#[derive(Debug, Clone, Copy)]
pub(super) struct MinRtt {
    value: Option<Duration>,
    /// When it was measured, or the last ProbeRTT ended (`BBR.min_rtt_stamp`).
    pub(super) measured_at: Time,
    /// Whether it was too old at the last acknowledgement (`BBR.min_rtt_expired`).
    pub(super) has_expired: bool,
}

impl MinRtt {
    pub(super) const fn new(now: Time) -> Self {
        Self { value: None, measured_at: now, has_expired: false }
    }

    pub(super) const fn value(&self) -> Option<Duration> {
        self.value
    }

    /// Record the time of an acknowledgement, before its round-trip time.
    pub(super) fn check_expiry(&mut self, now: Time) {
        self.has_expired = now > self.measured_at + MIN_RTT_FILTER_LEN;
    }

    /// Take a round-trip time if it is less, or the former one is too old.
    pub(super) fn update(&mut self, rtt: Option<Duration>, now: Time) {
        if let Some(rtt) = rtt.filter(|&rtt| self.has_expired || self.value.is_none_or(|least| rtt < least)) {
            (self.value, self.measured_at) = (Some(rtt), now);
        }
    }
}

/// How much more is acknowledged at once than the rate explains (5.5.9).
#[derive(Debug, Clone, Copy)]
pub(super) struct Aggregation {
    /// `BBR.extra_acked_interval_start`.
    since: Time,
    /// `BBR.extra_acked_delivered`.
    delivered: u64,
    filter: WindowedMax,
}

impl Aggregation {
    pub(super) fn new(now: Time) -> Self {
        Self { since: now, delivered: 0, filter: WindowedMax::default() }
    }

    pub(super) const fn restart(&mut self, now: Time) {
        self.since = now;
    }

    /// Return the excess of late (`BBR.extra_acked`).
    pub(super) const fn extra_acked(&self) -> u64 {
        self.filter.get()
    }
}

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
            None => super::INITIAL_WINDOW * self.mss,
            Some(min_rtt) => (gain * transfer(rate, min_rtt) as f64) as u64,
        }
    }
}
