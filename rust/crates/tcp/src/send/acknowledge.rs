//! What an acknowledgement says: delivered bytes, losses, the window; recovery, and its undoing.

use core::time::Duration;

use super::{Acknowledgement, Episode, Fin, Sender};
use crate::congestion::Ack;
use crate::options::SackBlock;
use crate::rack::DUPLICATE_THRESHOLD;
use crate::scoreboard::{Fate, Scoreboard, Sent};
use crate::seq::Seq;
use crate::time::Time;

/// What one acknowledgement has delivered.
#[derive(Debug, Clone, Copy, Default)]
struct Progress {
    delivered: u64,
    lost: u64,
    /// The round-trip time of the newest segment.
    rtt: Option<Duration>,
    /// Whether a segment was sent more than once. The others may have arrived long ago then (RFC 6298, section 3).
    is_ambiguous: bool,
    /// Whether the cumulative acknowledgement moved.
    advanced: bool,
    /// Whether the other side received something twice.
    duplicate: bool,
}

impl Sender {
    /// Return whether an acknowledgement number may be believed (RFC 5961, section 5.2): neither of data that was never
    /// sent, nor older than the window.
    pub(crate) fn is_believable(&self, ack: Seq) -> bool {
        ack.at_or_after(self.una - self.max_window.min(1 << 30)) && ack.at_or_before(self.highest_sent())
    }

    /// Return the greatest acknowledgement number of what was sent, a zero-window probe included.
    fn highest_sent(&self) -> Seq {
        self.next + u32::from(self.window_probed.is_some())
    }

    /// Process an acknowledgement that is believable. Return whether something new was acknowledged.
    pub(crate) fn on_acknowledgement(&mut self, incoming: &Acknowledgement<'_>, now: Time) -> bool {
        if incoming.ack.after(self.next) {
            self.record_window_probe(now);
        }
        let mut progress = Progress { advanced: incoming.ack.after(self.una), ..Progress::default() };
        let window_changed = self.update_window(incoming);
        self.acknowledge(incoming, &mut progress, now);
        self.selectively_acknowledge(incoming, &mut progress, now);
        if !self.negotiated.sack {
            let is_duplicate = !progress.advanced && incoming.ack == self.una && incoming.is_pure && !window_changed;
            self.count_duplicate_ack(is_duplicate, &mut progress, now);
        }
        self.judge_tail_probe(incoming, &progress, now);
        self.undo_spurious(incoming, &progress, now);
        progress.lost += self.mark_lost(now);
        self.update_episode(&progress, now);
        self.report(&progress, now);
        if progress.advanced {
            self.rtt.end_backoff();
            self.restart_retransmission_timer(now);
        }
        if self.board.is_empty() {
            (self.timers.retransmission, self.timers.reordering) = (None, None);
            self.duplicate_acks = 0;
        }
        if progress.delivered > 0 {
            self.set_tail_probe_timer(now);
        }
        progress.advanced
    }

    /// Take a window from the newest segment (RFC 9293, section 3.10.7.4, SND.WL1 and SND.WL2). Return whether it changed.
    /// One that acknowledges more is the newest although it may repeat old data; an older window would then be counted
    /// from the new acknowledgement.
    fn update_window(&mut self, incoming: &Acknowledgement<'_>) -> bool {
        let is_newer = incoming.ack.after(self.una)
            || self.window_seq.before(incoming.seq)
            || (self.window_seq == incoming.seq && self.window_ack.at_or_before(incoming.ack));
        let changed = is_newer && self.window != incoming.window;
        if is_newer && incoming.ack.at_or_after(self.una) {
            self.set_window(incoming.window, incoming.seq, incoming.ack);
        }
        if self.usable_after(incoming.ack) {
            self.clear_persist();
        }
        changed
    }

    fn usable_after(&self, ack: Seq) -> bool {
        self.window > 0 && (ack.max(self.una) + self.window).after(self.next)
    }

    /// Record the byte of a zero-window probe as sent, because the other side took it.
    fn record_window_probe(&mut self, now: Time) {
        let Some(probed) = self.window_probed.take() else { return };
        let state = self.congestion.on_send(1, self.board.in_flight(), now);
        self.board.push(self.next, self.next + 1, probed, state);
        self.next += 1;
        if self.ring.len() as u32 == self.next - self.una - 1 {
            self.fin = Fin::Sent;
        }
    }

    fn acknowledge(&mut self, incoming: &Acknowledgement<'_>, progress: &mut Progress, now: Time) {
        if !progress.advanced {
            return;
        }
        let original = self.echoes_original(incoming.echo);
        self.with_board(progress, original, now, |board, each| board.acknowledge(incoming.ack, each));
        let data = ((incoming.ack - self.una) as usize).min(self.ring.len());
        self.una = incoming.ack;
        self.window_probed = None;
        self.ring.consume(data);
        self.growth.on_bytes(data, self.rtt.smoothed().unwrap_or(Duration::from_millis(100)), now);
        self.rack.on_acknowledged(self.una);
    }

    fn selectively_acknowledge(&mut self, incoming: &Acknowledgement<'_>, progress: &mut Progress, now: Time) {
        if !self.negotiated.sack {
            return;
        }
        let (duplicate, blocks) = split_duplicate(incoming.sack, incoming.ack);
        if let Some(duplicate) = duplicate {
            self.note_duplicate(duplicate, progress);
        }
        let original = self.echoes_original(incoming.echo);
        for block in in_order(blocks, self.una) {
            let is_valid = block.start.before(block.end) && block.end.at_or_before(self.next);
            if is_valid && block.start.at_or_after(self.una) {
                self.with_board(progress, original, now, |board, each| board.sack(block, each));
            }
        }
    }

    /// Record that the other side received something twice.
    fn note_duplicate(&mut self, duplicate: SackBlock, progress: &mut Progress) {
        progress.duplicate = true;
        self.rack.on_duplicate(self.next);
        if let Some(episode) = self.episode.as_mut().filter(|episode| duplicate.end.at_or_before(episode.point)) {
            episode.duplicates += 1;
        }
    }

    /// Change the scoreboard, and tell congestion control and RACK of each segment that was delivered.
    fn with_board(
        &mut self,
        progress: &mut Progress,
        original: bool,
        now: Time,
        change: impl FnOnce(&mut Scoreboard, &mut dyn FnMut(&Sent)),
    ) {
        let min_rtt = self.rtt.min();
        let Self { board, congestion, rack, .. } = self;
        change(board, &mut |sent| {
            if sent.fate == Fate::Sacked {
                return;
            }
            let len = u64::from(sent.len());
            progress.delivered += len;
            congestion.on_delivered(&sent.state, sent.sent_at, len, now);
            rack.on_delivered(sent, original, min_rtt, now);
            progress.is_ambiguous |= sent.retransmitted;
            let rtt = now - sent.sent_at;
            progress.rtt = Some(progress.rtt.map_or(rtt, |least| least.min(rtt)));
        });
    }

    /// Return whether the echoed timestamp is older than the first retransmission, so that the other side answers to the
    /// original (RFC 3522, section 3.2, step 4).
    fn echoes_original(&self, echo: Option<u32>) -> bool {
        let first = self.episode.and_then(|episode| episode.first);
        echo.zip(first).is_some_and(|(echo, first)| Seq(echo).before(Seq(first.stamp)))
    }

    /// Count duplicate acknowledgements (RFC 5681, section 3.2), and lose the next segment at a partial one (RFC 6582).
    fn count_duplicate_ack(&mut self, is_duplicate: bool, progress: &mut Progress, now: Time) {
        if is_duplicate && !self.board.is_empty() {
            self.duplicate_acks += 1;
        } else if progress.advanced {
            let segments = progress.delivered.div_ceil(u64::from(self.negotiated.mss));
            self.duplicate_acks = self.duplicate_acks.saturating_sub(segments);
        }
        let is_partial = progress.advanced
            && self.episode.is_some_and(|episode| !episode.is_over && self.una.before(episode.point))
            && self.board.front().is_some_and(|sent| !sent.retransmitted);
        let is_third = is_duplicate && self.duplicate_acks == DUPLICATE_THRESHOLD && !self.in_recovery();
        if is_third || is_partial {
            self.owes_retransmission = true;
            let Self { board, congestion, .. } = self;
            board.mark_first_lost(&mut |sent| {
                progress.lost += u64::from(sent.len());
                congestion.on_lost(&sent.state, u64::from(sent.len()), now);
            });
        }
    }

    /// Find out what became of a tail loss probe (RFC 8985, section 7.4.2).
    fn judge_tail_probe(&mut self, incoming: &Acknowledgement<'_>, progress: &Progress, now: Time) {
        let Some(probe) = self.tail_probe.filter(|probe| incoming.ack.at_or_after(probe.end)) else { return };
        let spurious = !probe.is_retransmission || progress.duplicate;
        if spurious {
            self.tail_probe = None;
        } else if incoming.ack.after(probe.end) {
            // The probe repaired a loss, to which congestion control must answer all the same.
            self.tail_probe = None;
            self.congestion.enter_recovery(self.in_flight(), now);
            self.congestion.exit_recovery(now);
        } else if !progress.advanced && incoming.is_pure && incoming.sack.is_empty() {
            self.tail_probe = None;
        }
    }

    /// Take back a recovery that was not needed: the other side answers to an original (Eifel, RFC 3522), or has reported
    /// everything that was sent again as a duplicate (RFC 3708).
    fn undo_spurious(&mut self, incoming: &Acknowledgement<'_>, progress: &Progress, now: Time) {
        let Some(Episode { is_over, first, retransmitted, duplicates, .. }) = self.episode else { return };
        let is_covered = first.is_some_and(|first| incoming.ack.at_or_after(first.end));
        let by_echo = progress.advanced && !is_over && is_covered && self.echoes_original(incoming.echo);
        let by_duplicates = progress.duplicate && retransmitted > 0 && duplicates == retransmitted;
        if by_echo || by_duplicates {
            self.board.unmark_lost();
            self.congestion.on_spurious(now);
            self.episode = None;
            self.owes_retransmission = false;
        }
    }

    /// Mark what is lost by RACK, and return how many bytes. Sets the timer for what may be lost later.
    fn mark_lost(&mut self, now: Time) -> u64 {
        if !self.negotiated.sack {
            return 0;
        }
        let window = self.rack.reordering_window(&self.rtt, self.in_recovery(), self.board.sacked_segments());
        let Some(latest) = self.rack.latest(window) else { return 0 };
        let Self { board, congestion, .. } = self;
        let mut lost = 0;
        self.timers.reordering = board.detect_lost(latest, now, &mut |sent| {
            lost += u64::from(sent.len());
            congestion.on_lost(&sent.state, u64::from(sent.len()), now);
        });
        lost
    }

    /// Look for losses because time has passed.
    pub(super) fn detect_lost(&mut self, now: Time) {
        let lost = self.mark_lost(now);
        let progress = Progress { lost, ..Progress::default() };
        self.update_episode(&progress, now);
        self.report(&progress, now);
    }

    /// Begin a recovery at a loss, and end it when everything is acknowledged that was sent before it.
    fn update_episode(&mut self, progress: &Progress, now: Time) {
        let current = self.episode.as_mut().filter(|episode| !episode.is_over);
        if let Some(episode) = current.filter(|episode| self.una.at_or_after(episode.point)) {
            episode.is_over = true;
            self.duplicate_acks = 0;
            self.owes_retransmission = false;
            self.rack.on_recovered();
            self.congestion.exit_recovery(now);
        }
        if progress.lost > 0 && !self.in_recovery() {
            self.begin_episode();
            self.congestion.enter_recovery(self.in_flight(), now);
        }
    }

    /// Tell congestion control what an acknowledgement has brought.
    fn report(&mut self, progress: &Progress, now: Time) {
        let rtt = progress.rtt.filter(|_| !progress.is_ambiguous);
        if let Some(rtt) = rtt {
            self.rtt.sample(rtt, now);
        }
        let ack = Ack {
            acked_bytes: progress.delivered,
            lost_bytes: progress.lost,
            in_flight: self.in_flight(),
            rtt,
            min_rtt: self.rtt.min(),
            srtt: self.rtt.smoothed(),
            has_advanced: progress.advanced,
        };
        self.congestion.on_ack(&ack, now);
    }
}

/// Split off the first block if it reports a duplicate: it is acknowledged, or within the second (RFC 2883, section 4).
fn split_duplicate(blocks: &[SackBlock], ack: Seq) -> (Option<SackBlock>, &[SackBlock]) {
    let Some((&first, rest)) = blocks.split_first() else { return (None, blocks) };
    let is_within = |outer: &SackBlock| outer.start.at_or_before(first.start) && first.end.at_or_before(outer.end);
    let is_duplicate = first.end.at_or_before(ack) || rest.first().is_some_and(is_within);
    if is_duplicate { (Some(first), rest) } else { (None, blocks) }
}

/// Return blocks in ascending order, so that one which an earlier acknowledgement reported in vain does not look like
/// reordering. There are at most four.
fn in_order(blocks: &[SackBlock], una: Seq) -> impl Iterator<Item = SackBlock> + use<> {
    let mut sorted = [None; 4];
    for (slot, block) in sorted.iter_mut().zip(blocks) {
        *slot = Some(*block);
    }
    sorted.sort_unstable_by_key(|block: &Option<SackBlock>| block.map_or(u32::MAX, |block| block.start - una));
    sorted.into_iter().flatten()
}
