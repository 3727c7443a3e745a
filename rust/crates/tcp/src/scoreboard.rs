//! The segments that were sent and are not acknowledged, in the order of their sequence numbers (RFC 6675, RFC 8985).
//!
//! Each segment is judged a bounded number of times, so that the work for a segment does not depend on how many there are:
//! segments that were sent once lie in the order of their sending and are judged along a cursor, those that were sent
//! again along a queue of their own.

use core::time::Duration;
use std::collections::VecDeque;

use crate::options::SackBlock;
use crate::ranges::Ranges;
use crate::rate::SentState;
use crate::seq::Seq;
use crate::time::Time;

/// What is known of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It is on its way.
    InFlight,
    /// It is deemed lost and to be sent again.
    Lost,
    /// The other side has it, but not everything before it.
    Sacked,
}

/// A segment that was sent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sent {
    /// Its first sequence number.
    pub(crate) start: Seq,
    /// The sequence number after it; a FIN takes one.
    pub(crate) end: Seq,
    /// When it was sent last.
    pub(crate) sent_at: Time,
    /// What congestion control knew then.
    pub(crate) state: SentState,
    /// What is known of it.
    pub(crate) fate: Fate,
    /// Whether it was sent more than once.
    pub(crate) retransmitted: bool,
}

impl Sent {
    /// Return how many sequence numbers it takes.
    pub(crate) fn len(&self) -> u32 {
        self.end - self.start
    }
}

/// The latest transmission that was delivered: what was sent before it, and long enough ago, is lost.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Delivered {
    /// When it was sent.
    pub(crate) sent_at: Time,
    /// The sequence number after it.
    pub(crate) end: Seq,
    /// How long ago another must have been sent.
    pub(crate) age: Duration,
}

impl Delivered {
    /// Return whether it was sent after another (RFC 8985, section 6.2, `RACK_sent_after`).
    pub(crate) fn is_after(&self, sent: &Sent) -> bool {
        self.sent_at > sent.sent_at || (self.sent_at == sent.sent_at && self.end.after(sent.end))
    }
}

/// The segments in flight.
#[derive(Debug, Default)]
pub(crate) struct Scoreboard {
    segments: VecDeque<Sent>,
    /// The number of the first segment; segments are numbered in the order of their sequence numbers.
    first: u64,
    in_flight: u64,
    lost: u64,
    sacked: u64,
    sacked_segments: u64,
    ranges: Ranges,
    /// The number of the first segment that was sent once and that `detect_lost` has not judged.
    unjudged: u64,
    /// Segments that were sent again, in the order of that.
    retransmissions: VecDeque<(u64, Time)>,
    /// Segments to be sent again.
    queue: VecDeque<u64>,
}

impl Scoreboard {
    /// Return the bytes on their way: neither acknowledged, nor selectively acknowledged, nor lost.
    pub(crate) const fn in_flight(&self) -> u64 {
        self.in_flight
    }

    /// Return the bytes that are deemed lost and not sent again.
    pub(crate) const fn lost(&self) -> u64 {
        self.lost
    }

    /// Return how many segments were selectively acknowledged.
    pub(crate) const fn sacked_segments(&self) -> u64 {
        self.sacked_segments
    }

    /// Return whether everything is acknowledged.
    pub(crate) fn is_empty(&self) -> bool {
        self.segments.is_empty()
    }

    /// Return the segment with the lowest sequence number.
    pub(crate) fn front(&self) -> Option<&Sent> {
        self.segments.front()
    }

    /// Record a segment that was sent for the first time.
    pub(crate) fn push(&mut self, start: Seq, end: Seq, now: Time, state: SentState) {
        self.in_flight += u64::from(end - start);
        self.segments.push_back(Sent { start, end, sent_at: now, state, fate: Fate::InFlight, retransmitted: false });
    }

    /// Remove everything before `ack`, and give each segment, or the part of it that is removed, to `each`.
    pub(crate) fn acknowledge(&mut self, ack: Seq, each: &mut dyn FnMut(&Sent)) {
        while let Some(sent) = self.segments.front().filter(|sent| sent.end.at_or_before(ack)).copied() {
            *self.counter(sent.fate) -= u64::from(sent.len());
            self.sacked_segments -= u64::from(sent.fate == Fate::Sacked);
            each(&sent);
            self.segments.pop_front();
            self.first += 1;
        }
        // Without selective acknowledgements nothing else would remove them.
        while self.retransmissions.front().is_some_and(|&(number, _)| number < self.first) {
            self.retransmissions.pop_front();
        }
        self.unjudged = self.unjudged.max(self.first);
        if let Some(mut part) = self.segments.front().filter(|sent| sent.start.before(ack)).copied() {
            part.end = ack;
            *self.counter(part.fate) -= u64::from(part.len());
            each(&part);
            self.segments[0].start = ack;
        }
        self.ranges.remove_before(ack);
    }

    /// Mark what a block covers, and give each segment that was not marked before to `each`. A segment counts when the
    /// whole of it is covered.
    pub(crate) fn sack(&mut self, block: SackBlock, each: &mut dyn FnMut(&Sent)) {
        let Self { segments, in_flight, lost, sacked, sacked_segments, ranges, .. } = self;
        let mut parts = [SackBlock::default(); 8];
        let mut count = 0;
        let held = ranges.insert(block, &mut |part| {
            // Parts beyond the eighth are joined with it: what lies between was marked before and is passed over.
            if let Some(slot) = parts.get_mut(count) {
                *slot = part;
                count += 1;
            } else {
                parts[7].end = part.end;
            }
        });
        let Some(held) = held else { return };
        for part in &parts[..count] {
            let from = segments.partition_point(|sent| sent.end.at_or_before(part.start));
            for sent in segments.range_mut(from..).take_while(|sent| sent.start.before(part.end)) {
                if sent.fate == Fate::Sacked || sent.start.before(held.start) || sent.end.after(held.end) {
                    continue;
                }
                let len = u64::from(sent.len());
                each(sent);
                match sent.fate {
                    Fate::Lost => *lost -= len,
                    _ => *in_flight -= len,
                }
                *sacked += len;
                *sacked_segments += 1;
                sent.fate = Fate::Sacked;
            }
        }
    }

    /// Mark as lost what was sent before `latest` was, and at least `latest.age` ago; give each to `each`. Return when
    /// the next one that was sent before `latest` becomes lost (RFC 8985, section 6.2, step 5).
    pub(crate) fn detect_lost(&mut self, latest: Delivered, now: Time, each: &mut impl FnMut(&Sent)) -> Option<Time> {
        let originals = self.judge_originals(latest, now, each);
        let retransmissions = self.judge_retransmissions(latest, now, each);
        match (originals, retransmissions) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        }
    }

    fn judge_originals(&mut self, latest: Delivered, now: Time, each: &mut impl FnMut(&Sent)) -> Option<Time> {
        while let Some(sent) = self.get(self.unjudged).copied() {
            if sent.fate == Fate::InFlight && !sent.retransmitted {
                if !latest.is_after(&sent) {
                    return None;
                }
                if sent.sent_at + latest.age > now {
                    return Some(sent.sent_at + latest.age);
                }
                self.mark_lost(self.unjudged, each);
            }
            self.unjudged += 1;
        }
        None
    }

    fn judge_retransmissions(&mut self, latest: Delivered, now: Time, each: &mut impl FnMut(&Sent)) -> Option<Time> {
        while let Some(&(number, sent_at)) = self.retransmissions.front() {
            let sent = self.get(number).filter(|sent| sent.fate == Fate::InFlight && sent.sent_at == sent_at);
            if let Some(sent) = sent {
                if !latest.is_after(sent) {
                    return None;
                }
                if sent_at + latest.age > now {
                    return Some(sent_at + latest.age);
                }
                self.mark_lost(number, each);
            }
            self.retransmissions.pop_front();
        }
        None
    }

    /// Mark the first segment as lost, as a retransmission timeout or three duplicate acknowledgements do.
    pub(crate) fn mark_first_lost(&mut self, each: &mut impl FnMut(&Sent)) {
        if self.front().is_some_and(|sent| sent.fate == Fate::InFlight) {
            self.mark_lost(self.first, each);
        }
    }

    /// Mark as lost what was sent at least `age` ago (RFC 8985, section 6.3), and queue what is lost in order.
    pub(crate) fn mark_older_lost(&mut self, age: Duration, now: Time, each: &mut impl FnMut(&Sent)) {
        for number in self.first..self.first + self.segments.len() as u64 {
            if self.get(number).is_some_and(|sent| sent.fate == Fate::InFlight && sent.sent_at + age <= now) {
                self.mark_lost(number, each);
            }
        }
        self.queue_lost();
    }

    /// Take back that segments are lost, because the retransmission was spurious.
    pub(crate) fn unmark_lost(&mut self) {
        for sent in self.segments.iter_mut().filter(|sent| sent.fate == Fate::Lost) {
            sent.fate = Fate::InFlight;
        }
        self.in_flight += self.lost;
        self.lost = 0;
        self.queue.clear();
        self.unjudged = self.first;
        self.requeue_retransmissions();
    }

    /// Forget what was selectively acknowledged, because the other side may have dropped it (RFC 2018, section 8).
    pub(crate) fn forget_sacks(&mut self) {
        for sent in self.segments.iter_mut().filter(|sent| sent.fate == Fate::Sacked) {
            sent.fate = Fate::Lost;
        }
        self.lost += self.sacked;
        (self.sacked, self.sacked_segments) = (0, 0);
        self.ranges.clear();
        self.queue_lost();
    }

    /// Return the next segment to be sent again, with its number.
    pub(crate) fn next_lost(&mut self) -> Option<(u64, Sent)> {
        while let Some(&number) = self.queue.front() {
            match self.get(number) {
                Some(sent) if sent.fate == Fate::Lost => return Some((number, *sent)),
                _ => self.queue.pop_front(),
            };
        }
        None
    }

    /// Return the last segment if it is in flight, with its number, to be sent again as a probe.
    pub(crate) fn last_in_flight(&self) -> Option<(u64, Sent)> {
        let index = self.segments.iter().rposition(|sent| sent.fate == Fate::InFlight)?;
        Some((self.first + index as u64, self.segments[index]))
    }

    /// Record that a segment was sent again.
    pub(crate) fn on_retransmit(&mut self, number: u64, now: Time, state: SentState) {
        let Some(sent) = self.get_mut(number) else { return };
        let (len, was_lost) = (u64::from(sent.len()), sent.fate == Fate::Lost);
        (sent.fate, sent.sent_at, sent.state, sent.retransmitted) = (Fate::InFlight, now, state, true);
        if was_lost {
            self.lost -= len;
            self.in_flight += len;
        }
        self.retransmissions.push_back((number, now));
    }

    /// Cut the segments that are larger than `mss`, because the path no longer carries them.
    pub(crate) fn cut(&mut self, mss: u32) {
        if self.segments.iter().all(|sent| sent.len() <= mss) {
            return;
        }
        let mut cut = VecDeque::with_capacity(self.segments.len() * 2);
        for sent in &self.segments {
            let mut rest = *sent;
            while rest.len() > mss {
                cut.push_back(Sent { end: rest.start + mss, ..rest });
                rest.start += mss;
            }
            cut.push_back(rest);
        }
        self.segments = cut;
        self.sacked_segments = self.segments.iter().filter(|sent| sent.fate == Fate::Sacked).count() as u64;
        self.unjudged = self.first;
        self.queue_lost();
        self.requeue_retransmissions();
    }

    fn mark_lost(&mut self, number: u64, each: &mut impl FnMut(&Sent)) {
        let Some(sent) = self.get_mut(number) else { return };
        sent.fate = Fate::Lost;
        let sent = *sent;
        self.in_flight -= u64::from(sent.len());
        self.lost += u64::from(sent.len());
        self.queue.push_back(number);
        each(&sent);
    }

    fn queue_lost(&mut self) {
        self.queue.clear();
        let numbered = (self.first..).zip(&self.segments);
        self.queue.extend(numbered.filter(|(_, sent)| sent.fate == Fate::Lost).map(|(number, _)| number));
    }

    fn requeue_retransmissions(&mut self) {
        self.retransmissions.clear();
        let again = (self.first..).zip(&self.segments).filter(|(_, sent)| sent.retransmitted);
        self.retransmissions.extend(again.map(|(number, sent)| (number, sent.sent_at)));
        self.retransmissions.make_contiguous().sort_by_key(|&(_, sent_at)| sent_at);
    }

    fn get(&self, number: u64) -> Option<&Sent> {
        self.segments.get(usize::try_from(number.checked_sub(self.first)?).ok()?)
    }

    fn get_mut(&mut self, number: u64) -> Option<&mut Sent> {
        self.segments.get_mut(usize::try_from(number.checked_sub(self.first)?).ok()?)
    }

    const fn counter(&mut self, fate: Fate) -> &mut u64 {
        match fate {
            Fate::InFlight => &mut self.in_flight,
            Fate::Lost => &mut self.lost,
            Fate::Sacked => &mut self.sacked,
        }
    }
}

#[cfg(test)]
mod tests;
