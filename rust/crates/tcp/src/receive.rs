//! The receiving half of a connection: bytes in order, the window, and what is acknowledged.
//!
//! - The right edge of the window is never taken back (RFC 9293, section 3.8.6), and moves in steps that are worth a
//!   segment (section 3.8.6.2.2).
//! - Bytes that arrive out of order are kept at their place in the ring; only the bounds of what is there are remembered.
//! - Duplicates are reported by D-SACK (RFC 2883).

use core::time::Duration;

use crate::growth::Growth;
use crate::options::{MAX_WINDOW_SHIFT, SackBlock, SackBlocks};
use crate::pool::Pool;
use crate::ranges::Ranges;
use crate::ring::Ring;
use crate::seq::Seq;
use crate::time::Time;

/// The greatest value of the window field.
const MAX_FIELD: usize = u16::MAX as usize;

/// What a segment brought.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Arrival {
    /// Bytes that became readable, or that the sink took.
    pub(crate) readable: usize,
    /// Bytes that the sink took.
    pub(crate) direct: usize,
    /// The other side sends no more.
    pub(crate) closed: bool,
    /// The sender should learn of it at once: it was out of order, filled a hole, or was there before.
    pub(crate) urgent: bool,
}

/// The receiving half.
#[derive(Debug)]
pub(crate) struct Receiver {
    ring: Ring,
    growth: Growth,
    /// RCV.NXT.
    next: Seq,
    /// The right edge that was offered.
    edge: Seq,
    shift: u8,
    /// A segment of the usual size, for steps of the window.
    mss: usize,
    out_of_order: Ranges,
    /// Where the latest segments out of order began, the latest first (RFC 2018, section 4).
    recent: [Option<Seq>; 4],
    /// Where the data of the other side ends.
    fin: Option<Seq>,
    closed: bool,
    /// What was received twice and is not reported.
    duplicate: Option<SackBlock>,
}

impl Receiver {
    /// Create the half of a connection whose other side starts with the sequence number `next`.
    pub(crate) fn new(pool: Pool, growth: Growth, next: Seq, shift: u8, mss: u16) -> Self {
        let edge = next + growth.limit().min(MAX_FIELD) as u32;
        Self {
            ring: Ring::new(pool),
            growth,
            next,
            edge,
            shift,
            mss: usize::from(mss),
            out_of_order: Ranges::default(),
            recent: [None; 4],
            fin: None,
            closed: false,
            duplicate: None,
        }
    }

    /// Return the sequence number that is expected next (RCV.NXT).
    pub(crate) const fn next(&self) -> Seq {
        self.next
    }

    /// Return the window that was offered (RCV.WND), in bytes.
    pub(crate) fn window(&self) -> u32 {
        if self.edge.after(self.next) { self.edge - self.next } else { 0 }
    }

    /// Return the memory of the buffer, in bytes.
    pub(crate) const fn memory(&self) -> usize {
        self.ring.memory()
    }

    /// Return how many bytes can be read.
    pub(crate) const fn readable_len(&self) -> usize {
        self.ring.len()
    }

    /// Return the readable bytes, in two parts that may be less than the whole.
    pub(crate) fn readable(&self) -> (&[u8], &[u8]) {
        self.ring.slices(0, self.ring.len())
    }

    /// Return whether the other side sends no more.
    pub(crate) const fn is_closed(&self) -> bool {
        self.closed
    }

    /// Return whether a segment has a part within the window (RFC 9293, section 3.10.7.4, first step). A segment at the
    /// left edge always counts: its acknowledgement is valid even if the window is closed.
    pub(crate) fn is_acceptable(&self, seq: Seq, len: u32) -> bool {
        if seq == self.next {
            return true;
        }
        let within = |seq: Seq| seq.at_or_after(self.next) && seq.before(self.edge);
        within(seq) || (len > 0 && within(seq + (len - 1)))
    }

    /// Process the payload and the FIN of a segment that is acceptable. Bytes in order that meet an empty ring are
    /// offered to `sink` first, which returns how many it took.
    pub(crate) fn receive(
        &mut self,
        seq: Seq,
        payload: &[u8],
        fin: bool,
        sink: &mut impl FnMut(&[u8]) -> usize,
    ) -> Arrival {
        let end = seq + payload.len() as u32;
        let Some((start, payload)) = self.clip(seq, payload) else {
            self.report_duplicate(SackBlock { start: seq, end });
            self.note_fin(fin.then_some(end));
            return Arrival { urgent: true, closed: self.finish(), ..Arrival::default() };
        };
        let is_whole = start + payload.len() as u32 == end;
        self.note_fin((fin && is_whole).then_some(end));
        let mut arrival = Arrival { urgent: !is_whole, ..Arrival::default() };
        if start == self.next {
            arrival.urgent |= !self.out_of_order.is_empty();
            arrival.direct = self.take_direct(payload, sink);
            arrival.readable = self.take_in_order(&payload[arrival.direct..]) + arrival.direct;
        } else {
            arrival.urgent = true;
            self.keep(start, payload);
        }
        arrival.closed = self.finish();
        arrival.urgent |= arrival.closed;
        arrival
    }

    /// Return the part of a payload that is new and within the window, or `None` if it has only bytes received before.
    fn clip<'a>(&mut self, seq: Seq, payload: &'a [u8]) -> Option<(Seq, &'a [u8])> {
        let (mut start, mut payload) = (seq, payload);
        if seq.before(self.next) {
            let old = (self.next - seq) as usize;
            if old >= payload.len() {
                return None;
            }
            (start, payload) = (self.next, &payload[old..]);
        }
        let limit = self.fin.map_or(self.edge, |fin| fin.min(self.edge));
        let room = if limit.after(start) { (limit - start) as usize } else { 0 };
        Some((start, &payload[..payload.len().min(room)]))
    }

    /// Offer a payload in order to the sink, if nothing must pass before it.
    fn take_direct(&mut self, payload: &[u8], sink: &mut impl FnMut(&[u8]) -> usize) -> usize {
        if payload.is_empty() || self.ring.len() > 0 || !self.out_of_order.is_empty() {
            return 0;
        }
        let taken = sink(payload).min(payload.len());
        self.next += taken as u32;
        taken
    }

    /// Append a payload in order, and what is there behind it. Return how many bytes became readable.
    fn take_in_order(&mut self, payload: &[u8]) -> usize {
        self.ring.write(payload);
        self.next += payload.len() as u32;
        let mut readable = payload.len();
        while let Some(range) = self.out_of_order.first().filter(|range| range.start.at_or_before(self.next)) {
            if range.end.after(self.next) {
                let joined = range.end - self.next;
                self.ring.extend(joined as usize);
                self.next = range.end;
                readable += joined as usize;
            }
            self.out_of_order.remove_before(self.next);
        }
        readable
    }

    fn keep(&mut self, start: Seq, payload: &[u8]) {
        if payload.is_empty() {
            return;
        }
        let block = SackBlock { start, end: start + payload.len() as u32 };
        let mut is_new = false;
        if self.out_of_order.insert(block, &mut |_| is_new = true).is_none() {
            return;
        }
        if is_new {
            self.ring.write_at(self.ring.len() + (start - self.next) as usize, payload);
        } else {
            self.report_duplicate(block);
        }
        self.recent = [Some(start), self.recent[0], self.recent[1], self.recent[2]];
    }

    fn note_fin(&mut self, fin: Option<Seq>) {
        if let (None, Some(fin)) = (self.fin, fin) {
            self.fin = (!self.closed && fin.at_or_after(self.next)).then_some(fin);
        }
    }

    /// Take the FIN if everything before it is here. Return whether it was taken now.
    fn finish(&mut self) -> bool {
        let now = !self.closed && self.fin == Some(self.next);
        if now {
            self.closed = true;
            self.next += 1;
        }
        now
    }

    fn report_duplicate(&mut self, block: SackBlock) {
        if block.start != block.end {
            self.duplicate = Some(block);
        }
    }

    /// Remove bytes from the front, at most those that are readable.
    pub(crate) fn consume(&mut self, count: usize, rtt: Duration, now: Time) {
        let count = count.min(self.ring.len());
        self.ring.consume(count);
        self.on_passed(count, rtt, now);
    }

    /// Record that bytes passed to the user, from the ring or straight from a segment.
    pub(crate) fn on_passed(&mut self, count: usize, rtt: Duration, now: Time) {
        self.growth.on_bytes(count, rtt, now);
    }

    /// Record that a segment arrived whose bytes were all received before, so that the other side learns of it.
    pub(crate) fn on_duplicate(&mut self, seq: Seq, len: usize) {
        let end = seq + len as u32;
        if end.at_or_before(self.next) {
            self.report_duplicate(SackBlock { start: seq, end });
        }
    }

    /// Drop what is readable.
    pub(crate) fn clear(&mut self) {
        self.ring.clear();
        self.out_of_order.clear();
    }

    /// Change the greatest size of the buffer. What was offered stays.
    pub(crate) fn set_max_buffer(&mut self, bytes: usize) {
        self.growth.set_max(bytes);
    }

    /// Return whether the window could be opened so far that the other side should learn of it at once: by a segment if
    /// it was closed, else by a quarter of the buffer.
    pub(crate) fn owes_update(&self) -> bool {
        let step = if (self.window() as usize) < self.mss { self.step() } else { self.growth.limit() / 4 };
        !self.closed && self.possible_opening() >= step.max(1)
    }

    fn step(&self) -> usize {
        (self.growth.limit() / 2).min(self.mss)
    }

    /// Return by how much the right edge could be moved.
    fn possible_opening(&self) -> usize {
        let free = self.growth.limit().saturating_sub(self.ring.len());
        let offered = self.window() as usize;
        free.saturating_sub(offered)
    }

    /// Return the window field of a segment that is sent now, and open the window as far as it may be. The field rounds
    /// up, so that the edge does not move back by less than a step of the scale.
    pub(crate) fn offer(&mut self) -> u16 {
        let opening = self.possible_opening();
        if opening >= self.step().max(1) {
            self.edge = self.next + self.window() + opening as u32;
        }
        let field = (self.window() as usize).div_ceil(1 << self.shift).min(MAX_FIELD);
        self.edge = self.edge.max(self.next + ((field as u32) << self.shift));
        field as u16
    }

    /// Return the window field of a SYN, which is not scaled.
    pub(crate) fn offer_unscaled(&self) -> u16 {
        (self.window() as usize).min(MAX_FIELD) as u16
    }

    /// Return the blocks of a selective acknowledgement that is sent now: a duplicate first and once, then the range
    /// around it, then the ranges of the latest segments (RFC 2018, section 4; RFC 2883, section 4).
    pub(crate) fn sack_blocks(&mut self) -> SackBlocks {
        let mut blocks = SackBlocks::default();
        let duplicate = self.duplicate.take();
        if let Some(duplicate) = duplicate {
            blocks.push(duplicate);
        }
        for seq in duplicate.map(|block| block.start).into_iter().chain(self.recent.into_iter().flatten()) {
            let range = self.out_of_order.containing(seq);
            let reported = usize::from(duplicate.is_some());
            if let Some(range) = range.filter(|range| !blocks.as_slice()[reported..].contains(range)) {
                blocks.push(range);
            }
        }
        blocks
    }

    /// Return whether there is something to report by SACK blocks.
    pub(crate) fn has_sack_blocks(&self) -> bool {
        self.duplicate.is_some() || !self.out_of_order.is_empty()
    }
}

/// Return the shift with which the window field can express a buffer (RFC 7323, section 2.3).
pub(crate) fn shift_for(max_buffer: usize) -> u8 {
    (0..MAX_WINDOW_SHIFT).find(|&shift| MAX_FIELD << shift >= max_buffer).unwrap_or(MAX_WINDOW_SHIFT)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const RTT: Duration = Duration::from_millis(10);

    fn receiver(buffer: usize, shift: u8) -> Receiver {
        Receiver::new(Pool::new(), Growth::new(buffer, buffer, Time::ZERO), Seq(0), shift, 1000)
    }

    fn give(receiver: &mut Receiver, seq: u32, len: usize) -> Arrival {
        receiver.receive(Seq(seq), &vec![1; len], false, &mut |_| 0)
    }

    fn blocks(receiver: &mut Receiver) -> Vec<(u32, u32)> {
        receiver.sack_blocks().as_slice().iter().map(|block| (block.start.0, block.end.0)).collect()
    }

    /// RFC 9293, section 3.10.7.4, the four cases of the table; a segment at the left edge always counts here.
    #[test]
    fn a_segment_counts_if_a_part_of_it_is_within_the_window() {
        let mut open = receiver(1000, 0);
        give(&mut open, 0, 100);
        for (seq, len, expected) in [
            (100, 0, true),
            (999, 0, true),
            (1000, 0, false),
            (99, 0, false),
            (99, 1, false),
            (99, 2, true),
            (999, 50, true),
            (1000, 1, false),
            (u32::MAX, 50, false),
        ] {
            assert_eq!(open.is_acceptable(Seq(seq), len), expected, "{seq} {len}");
        }
        give(&mut open, 100, 900);
        assert_eq!(open.window(), 0);
        for (seq, len, expected) in [(1000, 0, true), (1000, 1, true), (1001, 0, false), (999, 1, false)] {
            assert_eq!(open.is_acceptable(Seq(seq), len), expected, "window closed: {seq} {len}");
        }
    }

    /// RFC 2018, section 4, and the cases of RFC 2883, section 4.
    #[test]
    fn blocks_report_the_latest_range_first_and_a_duplicate_before_it() {
        let mut receiver = receiver(60_000, 0);
        for (seq, expected) in [
            (5500, vec![(5500, 6000)]),
            (7000, vec![(7000, 7500), (5500, 6000)]),
            (6000, vec![(5500, 6500), (7000, 7500)]),
            (9000, vec![(9000, 9500), (5500, 6500), (7000, 7500)]),
            (7000, vec![(7000, 7500), (7000, 7500), (9000, 9500), (5500, 6500)]),
        ] {
            assert!(give(&mut receiver, seq, 500).urgent);
            assert_eq!(blocks(&mut receiver), expected, "after {seq}");
        }
        assert!(give(&mut receiver, 0, 500).urgent, "there are holes");
        give(&mut receiver, 0, 500);
        assert_eq!(blocks(&mut receiver)[0], (0, 500), "below the acknowledgement");
        assert_ne!(blocks(&mut receiver)[0], (0, 500), "reported once");
    }

    #[test]
    fn the_window_opens_in_steps_and_never_moves_back() {
        let mut receiver = receiver(4000, 7);
        give(&mut receiver, 0, 4000);
        assert_eq!((receiver.offer(), receiver.window()), (0, 0));
        receiver.consume(900, RTT, Time::ZERO);
        assert!(!receiver.owes_update());
        assert_eq!(receiver.offer(), 0, "less than a segment");
        receiver.consume(100, RTT, Time::ZERO);
        assert!(receiver.owes_update());
        assert_eq!(receiver.offer(), 8, "1000 bytes are 8 steps of 128");
        receiver.set_max_buffer(1000);
        assert_eq!(receiver.offer(), 8);
    }

    #[test]
    fn a_fin_counts_when_everything_before_it_is_there() {
        let mut receiver = receiver(10_000, 0);
        let fin = |receiver: &mut Receiver, seq, payload: &[u8]| receiver.receive(Seq(seq), payload, true, &mut |_| 0);
        assert!(!fin(&mut receiver, 500, &[1; 100]).closed);
        assert!(!give(&mut receiver, 600, 50).closed, "data behind the FIN is no data");
        let last = give(&mut receiver, 0, 500);
        assert_eq!((last.closed, last.readable, receiver.next()), (true, 600, Seq(601)));
        assert!(!fin(&mut receiver, 500, &[1; 100]).closed, "again");
        assert!(receiver.is_closed());
    }

    #[test]
    fn the_shift_expresses_the_buffer() {
        for (buffer, shift) in [(0, 0), (65_535, 0), (65_536, 1), (4 << 20, 7), (1 << 30, 14), (usize::MAX, 14)] {
            assert_eq!(shift_for(buffer), shift, "{buffer}");
        }
    }

    proptest! {
        /// Segments that cover the data in any order and overlap, read at any time: every byte arrives once and in order.
        #[test]
        fn bytes_arrive_in_order(
            start: u32,
            parts in prop::collection::vec((0usize..6000, 1usize..1500, 0usize..3000), 1..80),
        ) {
            let data: Vec<u8> = (0..6000u32).map(|index| (index.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
            let growth = Growth::new(3000, 3000, Time::ZERO);
            let mut receiver = Receiver::new(Pool::new(), growth, Seq(start), 2, 1000);
            let (mut read, mut edge) = (Vec::<u8>::new(), receiver.edge);
            let tail = (0..6000).step_by(500).map(|from| (from, 500, 3000));
            for (from, len, count) in parts.into_iter().chain(tail) {
                let seq = Seq(start) + from as u32;
                let payload = &data[from..(from + len).min(6000)];
                let is_last = from + payload.len() == 6000;
                if receiver.is_acceptable(seq, payload.len() as u32) {
                    receiver.receive(seq, payload, is_last, &mut |bytes| {
                        let taken = bytes.len().min(count);
                        read.extend(&bytes[..taken]);
                        taken
                    });
                }
                let (first, second) = receiver.readable();
                let joined = [first, second].concat();
                let count = count.min(joined.len());
                read.extend(&joined[..count]);
                receiver.consume(count, RTT, Time::ZERO);
                receiver.offer();
                prop_assert!(receiver.edge.at_or_after(edge));
                prop_assert!(receiver.window() <= 3000 + 4);
                edge = receiver.edge;
                prop_assert_eq!(&read[..], &data[..read.len()]);
            }
            prop_assert_eq!(receiver.is_closed(), read.len() + receiver.readable_len() == 6000);
            prop_assert!(receiver.is_closed());
        }
    }
}
