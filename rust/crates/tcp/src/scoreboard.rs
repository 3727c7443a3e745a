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
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LEN: u32 = 100;

    fn at(milliseconds: u64) -> Time {
        Time::ZERO + Duration::from_millis(milliseconds)
    }

    /// Return ten segments of 100 bytes, sent a millisecond apart.
    fn ten() -> Scoreboard {
        let mut board = Scoreboard::default();
        for index in 0..10 {
            let start = Seq(LEN * index);
            board.push(start, start + LEN, at(u64::from(index)), SentState::default());
        }
        board
    }

    fn block(start: u32, end: u32) -> SackBlock {
        SackBlock { start: Seq(start), end: Seq(end) }
    }

    fn starts(mut run: impl FnMut(&mut dyn FnMut(&Sent))) -> Vec<u32> {
        let mut starts = Vec::new();
        run(&mut |sent| starts.push(sent.start.0));
        starts
    }

    #[test]
    fn what_is_acknowledged_leaves_nothing_behind() {
        let mut board = Scoreboard::default();
        for index in 0..1000 {
            let start = Seq(LEN * index);
            board.push(start, start + LEN, at(1), SentState::default());
            board.mark_first_lost(&mut |_| {});
            let (number, _) = board.next_lost().unwrap();
            board.on_retransmit(number, at(2), SentState::default());
            board.acknowledge(start + LEN, &mut |_| {});
        }
        assert!(board.is_empty());
        assert_eq!((board.retransmissions.len(), board.next_lost().is_none()), (0, true));
    }

    fn latest(milliseconds: u64, end: u32, age: u64) -> Delivered {
        Delivered { sent_at: at(milliseconds), end: Seq(end), age: Duration::from_millis(age) }
    }

    #[test]
    fn a_segment_counts_once_and_when_the_whole_of_it_is_reported() {
        let mut board = ten();
        assert_eq!(starts(|each| board.sack(block(250, 500), each)), [300, 400]);
        assert_eq!(starts(|each| board.sack(block(150, 620), each)), [200, 500]);
        assert_eq!((board.in_flight(), board.sacked_segments()), (600, 4));
        assert_eq!(starts(|each| board.acknowledge(Seq(350), each)), [0, 100, 200, 300]);
        assert_eq!((board.in_flight(), board.sacked, board.front().unwrap().start), (400, 250, Seq(350)));
    }

    #[test]
    fn what_was_sent_before_a_delivered_segment_is_lost_when_it_is_old_enough() {
        let mut board = ten();
        board.sack(block(500, 600), &mut |_| ());
        let mut next = None;
        let lost = starts(|each| next = board.detect_lost(latest(5, 600, 20), at(22), &mut |sent| each(sent)));
        assert_eq!((lost, next), (vec![0, 100, 200], Some(at(23))));
        let lost = starts(|each| next = board.detect_lost(latest(5, 600, 20), at(30), &mut |sent| each(sent)));
        assert_eq!((lost, next), (vec![300, 400], None));
        assert_eq!((board.in_flight(), board.lost()), (400, 500));
    }

    #[test]
    fn a_retransmission_that_is_lost_is_sent_again() {
        let mut board = ten();
        board.sack(block(100, 300), &mut |_| ());
        board.detect_lost(latest(2, 300, 0), at(20), &mut |_| ());
        let (number, sent) = board.next_lost().unwrap();
        assert_eq!((sent.start, board.lost()), (Seq(0), 100));
        board.on_retransmit(number, at(30), SentState::default());
        assert_eq!((board.lost(), board.in_flight(), board.next_lost().is_none()), (0, 800, true));
        let mut lost = |latest| starts(|each| _ = board.detect_lost(latest, at(40), &mut |sent| each(sent)));
        assert_eq!(lost(latest(29, 400, 0)), [300, 400, 500, 600, 700, 800, 900]);
        assert_eq!(lost(latest(31, 400, 5)), [0]);
    }

    #[test]
    fn spurious_losses_are_taken_back_and_a_timeout_queues_in_order() {
        let mut board = ten();
        board.mark_older_lost(Duration::from_millis(5), at(10), &mut |_| ());
        assert_eq!((board.lost(), board.next_lost().unwrap().1.start), (600, Seq(0)));
        board.unmark_lost();
        assert_eq!((board.lost(), board.in_flight(), board.next_lost().is_none()), (0, 1000, true));
        board.sack(block(0, 200), &mut |_| ());
        board.forget_sacks();
        assert_eq!((board.lost(), board.in_flight(), board.next_lost().unwrap().1.start), (200, 800, Seq(0)));
    }

    #[test]
    fn segments_are_cut_to_a_smaller_size() {
        let mut board = ten();
        board.sack(block(100, 200), &mut |_| ());
        board.mark_first_lost(&mut |_| ());
        board.cut(40);
        assert_eq!((board.in_flight(), board.lost(), board.sacked, board.sacked_segments()), (800, 100, 100, 3));
        let sizes: Vec<_> = core::iter::from_fn(|| {
            let (number, sent) = board.next_lost()?;
            board.on_retransmit(number, at(20), SentState::default());
            Some(sent.len())
        })
        .collect();
        assert_eq!(sizes, [40, 40, 20]);
    }

    #[derive(Debug, Clone)]
    enum Step {
        Push(u32),
        Acknowledge(u32),
        Sack(u32, u32),
        Detect(u64),
        Timeout,
        Undo,
        Retransmit,
        Cut(u32),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => (1u32..200).prop_map(Step::Push),
            2 => (0u32..300).prop_map(Step::Acknowledge),
            4 => (0u32..1500, 1u32..400).prop_map(|(start, len)| Step::Sack(start, len)),
            2 => (0u64..20).prop_map(Step::Detect),
            1 => Just(Step::Timeout),
            1 => Just(Step::Undo),
            4 => Just(Step::Retransmit),
            1 => (20u32..200).prop_map(Step::Cut),
        ]
    }

    proptest! {
        #[test]
        fn the_counts_agree_with_the_segments(steps in prop::collection::vec(step(), 1..120), base: u32) {
            let (mut board, mut una, mut next, mut now) = (Scoreboard::default(), Seq(base), Seq(base), at(0));
            let mut delivered = None;
            for step in steps {
                now += Duration::from_millis(1);
                let mut each = |sent: &Sent| delivered = Some((sent.sent_at, sent.end));
                match step {
                    Step::Push(len) => {
                        board.push(next, next + len, now, SentState::default());
                        next += len;
                    }
                    Step::Acknowledge(ahead) => {
                        una = (una + ahead).min(next);
                        board.acknowledge(una, &mut each);
                    }
                    Step::Sack(start, len) => {
                        let (start, end) = ((una + start).min(next), (una + start + len).min(next));
                        if start.before(end) {
                            board.sack(SackBlock { start, end }, &mut each);
                        }
                    }
                    Step::Detect(age) => {
                        if let Some((sent_at, end)) = delivered {
                            let age = Duration::from_millis(age);
                            let due = board.detect_lost(Delivered { sent_at, end, age }, now, &mut |_| ());
                            prop_assert!(due.is_none_or(|due| due > now));
                        }
                    }
                    Step::Timeout => board.mark_older_lost(Duration::ZERO, now, &mut |_| ()),
                    Step::Undo => board.unmark_lost(),
                    Step::Retransmit => {
                        if let Some((number, _)) = board.next_lost() {
                            board.on_retransmit(number, now, SentState::default());
                        }
                    }
                    Step::Cut(mss) => board.cut(mss),
                }
                let sum = |fate| {
                    let of_fate = board.segments.iter().filter(|sent| sent.fate == fate);
                    of_fate.map(|sent| u64::from(sent.len())).sum::<u64>()
                };
                prop_assert_eq!(board.in_flight(), sum(Fate::InFlight));
                prop_assert_eq!(board.lost(), sum(Fate::Lost));
                prop_assert_eq!(board.sacked, sum(Fate::Sacked));
                prop_assert_eq!(board.lost() > 0, board.has_queued_loss());
                let ends: Vec<_> = board.segments.iter().map(|sent| (sent.start, sent.end)).collect();
                prop_assert!(ends.windows(2).all(|pair| pair[0].1 == pair[1].0));
                prop_assert_eq!(ends.first().map_or(next, |first| first.0), una);
            }
        }
    }

    impl Scoreboard {
        /// Return whether a lost segment is queued.
        fn has_queued_loss(&self) -> bool {
            self.queue.iter().any(|&number| self.get(number).is_some_and(|sent| sent.fate == Fate::Lost))
        }
    }
}
