//! Sets of sequence numbers: what was received out of order, and what the other side has said to have received.

use crate::options::SackBlock;
use crate::seq::Seq;

/// The most ranges of a set. A path that loses 5 % of a window of 4 MiB leaves about 150 holes.
const MAX_RANGES: usize = 256;

/// Ranges in ascending order that neither overlap nor touch. All lie within 2³¹ of one another.
#[derive(Debug, Default)]
pub(crate) struct Ranges(Vec<SackBlock>);

impl Ranges {
    /// Add a range, and give each part of it that was not in the set to `new`. Return the range of the set that now holds
    /// it, or `None` if the set is full; then nothing is added.
    pub(crate) fn insert(&mut self, block: SackBlock, new: &mut impl FnMut(SackBlock)) -> Option<SackBlock> {
        let first = self.0.partition_point(|range| range.end.before(block.start));
        if self.0.get(first).is_none_or(|range| range.start.after(block.end)) {
            if self.0.len() == MAX_RANGES {
                return None;
            }
            self.0.insert(first, block);
            new(block);
            return Some(block);
        }
        let (mut merged, mut covered, mut last) = (block, block.start, first);
        while let Some(range) = self.0.get(last).filter(|range| range.start.at_or_before(block.end)) {
            if covered.before(range.start) {
                new(SackBlock { start: covered, end: range.start });
            }
            covered = covered.max(range.end);
            merged = SackBlock { start: merged.start.min(range.start), end: merged.end.max(range.end) };
            last += 1;
        }
        if covered.before(block.end) {
            new(SackBlock { start: covered, end: block.end });
        }
        self.0[first] = merged;
        self.0.drain(first + 1..last);
        Some(merged)
    }

    /// Remove everything before `seq`.
    pub(crate) fn remove_before(&mut self, seq: Seq) {
        let gone = self.0.partition_point(|range| range.end.at_or_before(seq));
        self.0.drain(..gone);
        if let Some(range) = self.0.first_mut() {
            range.start = range.start.max(seq);
        }
    }

    /// Return the range that holds `seq`.
    pub(crate) fn containing(&self, seq: Seq) -> Option<SackBlock> {
        let index = self.0.partition_point(|range| range.end.at_or_before(seq));
        self.0.get(index).filter(|range| range.start.at_or_before(seq)).copied()
    }

    /// Return the lowest range.
    pub(crate) fn first(&self) -> Option<SackBlock> {
        self.0.first().copied()
    }

    /// Return whether the set is empty.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Remove everything.
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn block(start: u32, end: u32) -> SackBlock {
        SackBlock { start: Seq(start), end: Seq(end) }
    }

    #[test]
    fn a_full_set_takes_only_what_touches_it() {
        let mut ranges = Ranges::default();
        for index in 0..MAX_RANGES as u32 {
            assert!(ranges.insert(block(10 * index, 10 * index + 5), &mut |_| ()).is_some());
        }
        assert_eq!(ranges.insert(block(7, 8), &mut |_| panic!()), None);
        assert_eq!(ranges.insert(block(5, 10), &mut |_| ()), Some(block(0, 15)));
    }

    proptest! {
        /// Compare with a set of single numbers, at the edge of the sequence space.
        #[test]
        fn the_set_agrees_with_single_numbers(
            base: u32,
            steps in prop::collection::vec((0usize..300, 1usize..60, 0usize..20), 1..60),
        ) {
            let (mut ranges, mut model, mut low) = (Ranges::default(), [false; 400], 0);
            let seq = |index: usize| Seq(base) + index as u32;
            for (start, len, removed) in steps {
                let (start, end) = (start.max(low), (start + len).max(low + 1));
                let mut new = Vec::new();
                let held = ranges.insert(SackBlock { start: seq(start), end: seq(end) }, &mut |part| {
                    new.extend((0..part.end - part.start).map(|offset| part.start + offset));
                });
                let expected: Vec<_> = (start..end).filter(|&index| !model[index]).map(seq).collect();
                prop_assert_eq!(new, expected);
                model[start..end].fill(true);
                let held = held.unwrap();
                prop_assert!(held.start.at_or_before(seq(start)) && held.end.at_or_after(seq(end)));
                low = (low + removed).min(300);
                ranges.remove_before(seq(low));
                model[..low].fill(false);
                for (index, &is_in) in model.iter().enumerate() {
                    prop_assert_eq!(ranges.containing(seq(index)).is_some(), is_in, "{}", index);
                }
                prop_assert!(ranges.0.is_sorted_by(|a, b| a.end.before(b.start)));
            }
        }
    }
}
