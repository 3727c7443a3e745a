//! RACK: loss detection by the time of sending (RFC 8985, section 6).

use core::time::Duration;

use crate::rtt::Rtt;
use crate::scoreboard::{Delivered, Sent};
use crate::seq::Seq;
use crate::time::Time;

/// How many duplicate acknowledgements mean a loss while no reordering was seen (`DupThresh`).
pub(crate) const DUPLICATE_THRESHOLD: u64 = 3;
/// Recoveries after which a reordering window that duplicates have widened becomes narrow again.
const PERSIST: u8 = 16;

/// The state of section 5.2.
#[derive(Debug, Default)]
pub(crate) struct Rack {
    /// The latest transmission that was delivered; its age is its round-trip time (`RACK.rtt`).
    latest: Option<Delivered>,
    /// The highest sequence number that was delivered (`RACK.fack`).
    highest: Option<Seq>,
    reordering_seen: bool,
    /// How much wider than a quarter of the round-trip time the reordering window is (`RACK.reo_wnd_mult` − 1).
    extra: u32,
    persist: u8,
    /// SND.NXT at the last duplicate that was reported; another counts after it.
    dsack_round: Option<Seq>,
}

impl Rack {
    /// Record a segment that was delivered (steps 1 to 3). `original` says that the other side echoes a timestamp older
    /// than the retransmission, so that what it received is the original.
    pub(crate) fn on_delivered(&mut self, sent: &Sent, original: bool, min_rtt: Option<Duration>, now: Time) {
        match self.highest {
            Some(highest) if sent.end.at_or_before(highest) => self.reordering_seen |= !sent.retransmitted,
            _ => self.highest = Some(sent.end),
        }
        let age = now - sent.sent_at;
        if sent.retransmitted && (original || min_rtt.is_some_and(|least| age < least)) {
            return;
        }
        if self.latest.is_none_or(|latest| !latest.is_after(sent)) {
            self.latest = Some(Delivered { sent_at: sent.sent_at, end: sent.end, age });
        }
    }

    /// Record that the other side received something twice: the reordering window was too small (step 4).
    pub(crate) fn on_duplicate(&mut self, next: Seq) {
        if self.dsack_round.is_none() {
            self.dsack_round = Some(next);
            self.extra = self.extra.saturating_add(1);
            self.persist = PERSIST;
        }
    }

    /// Record how far the cumulative acknowledgement is.
    pub(crate) fn on_acknowledged(&mut self, una: Seq) {
        if self.dsack_round.is_some_and(|round| una.at_or_after(round)) {
            self.dsack_round = None;
        }
    }

    /// Record the end of a recovery.
    pub(crate) fn on_recovered(&mut self) {
        self.persist = self.persist.saturating_sub(1);
        if self.persist == 0 {
            self.extra = 0;
        }
    }

    /// Return the latest transmission that was delivered, with the age at which those before it are lost (step 5).
    pub(crate) fn latest(&self, reordering_window: Duration) -> Option<Delivered> {
        self.latest.map(|latest| Delivered { age: latest.age + reordering_window, ..latest })
    }

    /// Return the reordering window (step 4).
    pub(crate) fn reordering_window(&self, rtt: &Rtt, in_recovery: bool, sacked_segments: u64) -> Duration {
        if !self.reordering_seen && (in_recovery || sacked_segments >= DUPLICATE_THRESHOLD) {
            return Duration::ZERO;
        }
        let quarter = rtt.min().unwrap_or_default() / 4;
        quarter.saturating_mul(self.extra.saturating_add(1)).min(rtt.smoothed().unwrap_or_default())
    }
}
