//! The model of the path: rate of delivery, least round-trip time, aggregation of acknowledgements (5.5).

use core::time::Duration;

use super::filter::WindowedMax;
use crate::time::Time;

/// For how long a least round-trip time counts (`BBR.MinRTTFilterLen`, 5.5.7.2); then ProbeRTT follows.
const MIN_RTT_FILTER_LEN: Duration = Duration::from_secs(10);

/// The greatest rate of delivery in this cycle of bandwidth probes and in the last one (`BBR.MaxBwFilterLen` = 2, 2.10).
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct MaxBandwidth {
    last_cycle: u64,
    pub(super) this_cycle: u64,
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
    pub(super) since: Time,
    /// `BBR.extra_acked_delivered`.
    pub(super) delivered: u64,
    pub(super) filter: WindowedMax,
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
