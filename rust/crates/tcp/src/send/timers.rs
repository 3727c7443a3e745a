//! The timers of the sending half: retransmission timeout (RFC 6298), tail loss probe (RFC 8985, section 7), reordering
//! (section 6.2), zero-window probes (RFC 9293, section 3.8.6.1).

use core::time::Duration;

use super::{Episode, Sender, Timers};
use crate::rtt::backed_off;
use crate::scoreboard::{Fate, Sent};
use crate::time::Time;

/// How long the other side may delay its acknowledgement of a single segment (`TLP.max_ack_delay`).
const MAX_ACK_DELAY: Duration = Duration::from_millis(200);
/// The probe timeout without a measured round-trip time (RFC 8985, section 7.2).
const UNMEASURED_PROBE_TIMEOUT: Duration = Duration::from_secs(1);

impl Sender {
    /// Return the earliest deadline.
    pub(crate) fn next_deadline(&self) -> Option<Time> {
        let Timers { retransmission, tail_probe, reordering, persist, release, .. } = self.timers;
        [retransmission, tail_probe, reordering, persist, release].into_iter().flatten().min()
    }

    /// Process the timers that have expired.
    pub(crate) fn on_deadline(&mut self, now: Time) {
        if is_due(&mut self.timers.reordering, now) {
            self.detect_lost(now);
        }
        if is_due(&mut self.timers.tail_probe, now) && !self.board.is_empty() {
            self.owes_tail_probe = true;
            self.timers.retransmission = Some(now + self.rtt.timeout());
        }
        if is_due(&mut self.timers.retransmission, now) && !self.board.is_empty() {
            self.on_timeout(now);
        }
        if is_due(&mut self.timers.persist, now) {
            self.owes_window_probe = true;
            self.timers.persist_count += 1;
            self.set_persist_timer(now);
        }
    }

    /// Process a retransmission timeout (RFC 6298, section 5.4 to 5.6; RFC 8985, section 6.3).
    fn on_timeout(&mut self, now: Time) {
        self.counts.timeouts += 1;
        self.rtt.back_off();
        if self.board.front().is_some_and(|sent| sent.fate == Fate::Sacked) {
            self.board.forget_sacks();
        }
        let window = self.rack.reordering_window(&self.rtt, true, self.board.sacked_segments());
        let age = match self.rack.latest(window) {
            Some(latest) if self.negotiated.sack => latest.age,
            _ => Duration::ZERO,
        };
        let Self { board, congestion, .. } = self;
        let mut on_lost = |sent: &Sent| congestion.on_lost(&sent.state, u64::from(sent.len()), now);
        board.mark_first_lost(&mut on_lost);
        board.mark_older_lost(age, now, &mut on_lost);
        self.duplicate_acks = 0;
        self.begin_episode();
        self.congestion.on_timeout(self.in_flight(), now);
        (self.tail_probe, self.owes_tail_probe) = (None, false);
        self.timers.tail_probe = None;
        self.timers.retransmission = Some(now + self.rtt.timeout());
    }

    /// Start to repair losses.
    pub(super) fn begin_episode(&mut self) {
        self.episode = Some(Episode { point: self.next, is_over: false, first: None, retransmitted: 0, duplicates: 0 });
        self.owes_retransmission = true;
        self.timers.tail_probe = None;
    }

    /// Start the timeout again, as each acknowledgement of new data does (RFC 6298, section 5.2 and 5.3).
    pub(super) fn restart_retransmission_timer(&mut self, now: Time) {
        self.timers.retransmission = (!self.board.is_empty()).then(|| now + self.rtt.timeout());
    }

    /// Schedule a tail loss probe (RFC 8985, section 7.2).
    pub(super) fn set_tail_probe_timer(&mut self, now: Time) {
        let wanted = self.negotiated.sack
            && !self.in_recovery()
            && self.tail_probe.is_none()
            && !self.owes_tail_probe
            && self.board.in_flight() > 0;
        self.timers.tail_probe = wanted.then(|| {
            let mut timeout = self.rtt.smoothed().map_or(UNMEASURED_PROBE_TIMEOUT, |smoothed| smoothed * 2);
            if self.board.in_flight() <= u64::from(self.negotiated.mss) {
                timeout += MAX_ACK_DELAY;
            }
            let probe = now + timeout;
            self.timers.retransmission.map_or(probe, |timeout| timeout.min(probe))
        });
    }

    /// Schedule the next zero-window probe.
    pub(super) fn set_persist_timer(&mut self, now: Time) {
        let timeout = backed_off(self.rtt.base_timeout(), self.timers.persist_count);
        self.timers.persist = Some(now + timeout);
    }
}

/// Take a deadline if it has passed.
fn is_due(deadline: &mut Option<Time>, now: Time) -> bool {
    deadline.take_if(|deadline| *deadline <= now).is_some()
}
