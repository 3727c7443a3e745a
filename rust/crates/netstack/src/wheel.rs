//! A hierarchical timer wheel of 1 ms (G. Varghese and T. Lauck, "Hashed and hierarchical timing wheels", scheme 7).
//!
//! Four levels of 64 slots span 4.6 hours. A timer is set and cancelled in constant time. It moves down a level at most
//! three times; one that is further away stays on the top level until it comes within reach.
//!
//! A timer never fires before its deadline, and fires in the first turn at or behind the millisecond that follows it.

use std::time::Duration;

const NONE: u32 = u32::MAX;
const LEVELS: usize = 4;
/// Slots of a level: one bit each in a word.
const SLOTS: usize = 64;
const SLOT_BITS: usize = 6;
/// Ticks that the wheel spans.
const SPAN: u64 = 1 << (SLOT_BITS * LEVELS);

/// A timer that was set. After it fired or was cancelled it refers to nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Timer {
    index: u32,
    generation: u32,
}

#[derive(Debug)]
struct Entry<K> {
    /// `None` for an unused entry.
    key: Option<K>,
    /// The tick at which it fires.
    tick: u64,
    generation: u32,
    /// The slot, counted through all levels.
    slot: usize,
    /// The next unused entry, or the next of the slot.
    next: u32,
    previous: u32,
}

/// Keys by the time at which each is due.
#[derive(Debug)]
pub struct Wheel<K> {
    entries: Vec<Entry<K>>,
    /// The first unused entry.
    free: u32,
    /// The first and the last entry of each slot.
    slots: Vec<(u32, u32)>,
    /// A bit for each slot of a level that is not empty.
    occupied: [u64; LEVELS],
    /// The first tick that was not processed. A slot above the lowest level that holds it is empty, unless it begins there.
    cursor: u64,
    /// The tick of the current turn: timers up to it are due, and one that is set now fires behind it.
    turn: u64,
}

impl<K: Copy> Wheel<K> {
    /// Return a wheel without timers.
    #[must_use]
    pub fn new(now: Duration) -> Self {
        let slots = vec![(NONE, NONE); LEVELS * SLOTS];
        Self { entries: Vec::new(), free: NONE, slots, occupied: [0; LEVELS], cursor: floor(now) + 1, turn: floor(now) }
    }

    /// Set a timer. One whose deadline has passed fires in the next millisecond, so that no turn lasts for ever.
    pub fn set(&mut self, key: K, deadline: Duration) -> Timer {
        let tick = ceiling(deadline).max(self.turn + 1);
        let index = self.make(key, tick);
        self.link(index);
        Timer { index, generation: self.entries[index as usize].generation }
    }

    /// Cancel a timer; false if it has fired or was cancelled.
    pub fn cancel(&mut self, timer: Timer) -> bool {
        let is_set = self.entries.get(timer.index as usize).is_some_and(|entry| entry.generation == timer.generation);
        if is_set {
            self.unlink(timer.index);
            self.release(timer.index);
        }
        is_set
    }

    /// Take a key whose time has come, the earliest first. Call it until it returns `None`.
    pub fn take_due(&mut self, now: Duration) -> Option<K> {
        self.turn = self.turn.max(floor(now));
        while let Some((level, slot, tick)) = self.next_slot().filter(|(.., tick)| *tick <= self.turn) {
            self.cursor = tick;
            if level == 0 {
                let first = self.slots[slot].0;
                self.unlink(first);
                return self.release(first);
            }
            self.move_down(level * SLOTS + slot);
        }
        self.cursor = self.turn + 1;
        None
    }

    /// Return when [`take_due`](Self::take_due) has something to do: never later than the first deadline, rounded up
    /// to a millisecond, and earlier only to move timers down a level.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Duration> {
        self.next_slot().map(|(.., tick)| Duration::from_millis(tick))
    }

    /// Return the first slot that is not empty: its level, its number, and its first tick.
    fn next_slot(&self) -> Option<(usize, usize, u64)> {
        let first_of = |level: usize| {
            let (slots, width) = (self.occupied[level], SLOT_BITS * level);
            let position = self.cursor >> width;
            let current = position as usize % SLOTS;
            let ahead = slots.rotate_right(current as u32).trailing_zeros() as usize;
            (slots != 0).then(|| (level, (current + ahead) % SLOTS, (position + ahead as u64) << width))
        };
        (0..LEVELS).filter_map(first_of).min_by_key(|(.., tick)| *tick)
    }

    /// Return the slot of a tick: on the level of the highest bit in which it differs from the cursor.
    fn slot_of(&self, tick: u64) -> usize {
        let reachable = tick.min(self.cursor + SPAN - (SPAN >> SLOT_BITS));
        let highest = 63 - ((self.cursor ^ reachable) | 1).leading_zeros() as usize;
        let level = (highest / SLOT_BITS).min(LEVELS - 1);
        level * SLOTS + (reachable >> (SLOT_BITS * level)) as usize % SLOTS
    }

    /// Link the timers of a slot whose first tick the cursor has reached, each where it belongs now.
    fn move_down(&mut self, slot: usize) {
        let mut at = std::mem::replace(&mut self.slots[slot], (NONE, NONE)).0;
        self.occupied[slot / SLOTS] &= !(1 << (slot % SLOTS));
        while let Some(next) = self.entries.get(at as usize).map(|entry| entry.next) {
            self.link(at);
            at = next;
        }
    }

    fn make(&mut self, key: K, tick: u64) -> u32 {
        if let Some(entry) = self.entries.get_mut(self.free as usize) {
            let index = std::mem::replace(&mut self.free, entry.next);
            (entry.key, entry.tick) = (Some(key), tick);
            return index;
        }
        self.entries.push(Entry { key: Some(key), tick, generation: 0, slot: 0, next: NONE, previous: NONE });
        (self.entries.len() - 1) as u32
    }

    /// Make an entry unused and return its key.
    fn release(&mut self, index: u32) -> Option<K> {
        let entry = &mut self.entries[index as usize];
        entry.generation = entry.generation.wrapping_add(1);
        entry.next = std::mem::replace(&mut self.free, index);
        entry.key.take()
    }

    /// Append an entry to the slot of its tick.
    fn link(&mut self, index: u32) {
        let slot = self.slot_of(self.entries[index as usize].tick);
        let last = self.slots[slot].1;
        let entry = &mut self.entries[index as usize];
        (entry.slot, entry.previous, entry.next) = (slot, last, NONE);
        match self.entries.get_mut(last as usize) {
            Some(before) => before.next = index,
            None => self.slots[slot].0 = index,
        }
        self.slots[slot].1 = index;
        self.occupied[slot / SLOTS] |= 1 << (slot % SLOTS);
    }

    fn unlink(&mut self, index: u32) {
        let Entry { slot, previous, next, .. } = self.entries[index as usize];
        match self.entries.get_mut(previous as usize) {
            Some(before) => before.next = next,
            None => self.slots[slot].0 = next,
        }
        match self.entries.get_mut(next as usize) {
            Some(after) => after.previous = previous,
            None => self.slots[slot].1 = previous,
        }
        if self.slots[slot].0 == NONE {
            self.occupied[slot / SLOTS] &= !(1 << (slot % SLOTS));
        }
    }
}

/// Return the last tick that is not behind `now`.
fn floor(now: Duration) -> u64 {
    now.as_millis() as u64
}

/// Return the first tick that is not before `deadline`.
fn ceiling(deadline: Duration) -> u64 {
    deadline.as_nanos().div_ceil(1_000_000) as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const fn ms(count: u64) -> Duration {
        Duration::from_millis(count)
    }

    fn due(wheel: &mut Wheel<u32>, now: Duration) -> Vec<u32> {
        std::iter::from_fn(|| wheel.take_due(now)).collect()
    }

    #[derive(Debug, Clone)]
    enum Step {
        Set(u64),
        Cancel(prop::sample::Index),
        Pass(u64),
        PassToNext,
    }

    /// Microseconds of every magnitude up to days, with many near the ends of slots.
    fn distances() -> impl Strategy<Value = u64> {
        let magnitude = (0u32..38, any::<u64>()).prop_map(|(bits, value)| value & ((1 << bits) - 1));
        let edges =
            (0u32..26, 0u64..5).prop_map(|(bits, offset)| ((1u64 << bits) * 1000 + offset * 500).saturating_sub(1000));
        prop_oneof![magnitude, edges]
    }

    fn steps() -> impl Strategy<Value = Step> {
        prop_oneof![
            5 => distances().prop_map(Step::Set),
            2 => any::<prop::sample::Index>().prop_map(Step::Cancel),
            2 => distances().prop_map(Step::Pass),
            2 => Just(Step::PassToNext),
        ]
    }

    proptest! {
        #[test]
        fn the_wheel_agrees_with_a_sorted_list(start in 0u64..1 << 40, steps in prop::collection::vec(steps(), 1..150)) {
            let mut now = Duration::from_micros(start);
            let mut wheel = Wheel::new(now);
            // The tick, the order in which it was set, and the timer.
            let mut model: Vec<(u64, u32, Timer)> = Vec::new();
            for (number, step) in steps.into_iter().enumerate() {
                let number = number as u32;
                match step {
                    Step::Set(after) => {
                        let deadline = now + Duration::from_micros(after);
                        let tick = ceiling(deadline).max(floor(now) + 1);
                        model.push((tick, number, wheel.set(number, deadline)));
                        model.sort_unstable_by_key(|(tick, number, _)| (*tick, *number));
                        continue;
                    }
                    Step::Cancel(index) if !model.is_empty() => {
                        let (_, _, timer) = model.remove(index.index(model.len()));
                        prop_assert!(wheel.cancel(timer));
                        prop_assert!(!wheel.cancel(timer), "cancelled twice");
                        continue;
                    }
                    Step::Cancel(_) => continue,
                    Step::Pass(after) => now += Duration::from_micros(after),
                    Step::PassToNext => now = wheel.next_deadline().map_or(now, |next| next.max(now)),
                }
                let split = model.partition_point(|(tick, ..)| *tick <= floor(now));
                let expected: Vec<_> = model.drain(..split).collect();
                let fired = due(&mut wheel, now);
                let ticks = |numbers: &[u32]| -> Vec<u64> {
                    numbers.iter().filter_map(|number| expected.iter().find(|(_, other, _)| other == number))
                        .map(|(tick, ..)| *tick).collect()
                };
                prop_assert!(ticks(&fired).is_sorted(), "out of order");
                let mut sorted = fired.clone();
                sorted.sort_unstable();
                let mut numbers: Vec<u32> = expected.iter().map(|(_, number, _)| *number).collect();
                numbers.sort_unstable();
                prop_assert_eq!(sorted, numbers);
                for (_, _, timer) in expected {
                    prop_assert!(!wheel.cancel(timer), "it has fired");
                }
                let next = wheel.next_deadline();
                prop_assert_eq!(next.is_none(), model.is_empty());
                if let (Some(next), Some((tick, ..))) = (next, model.first()) {
                    prop_assert!(next > ms(floor(now)) && next <= ms(*tick));
                }
            }
        }
    }

    #[test]
    fn a_timer_fires_at_the_millisecond_behind_its_deadline() {
        let mut wheel = Wheel::new(ms(10));
        wheel.set(1, Duration::from_micros(12_300));
        assert_eq!(wheel.next_deadline(), Some(ms(13)));
        assert_eq!(due(&mut wheel, Duration::from_micros(12_999)), []);
        assert_eq!(due(&mut wheel, ms(13)), [1]);
        assert_eq!(wheel.next_deadline(), None);
    }

    #[test]
    fn a_deadline_that_has_passed_fires_in_the_next_millisecond() {
        let mut wheel = Wheel::new(ms(10));
        wheel.set(1, ms(3));
        assert_eq!(due(&mut wheel, ms(10)), []);
        assert_eq!(due(&mut wheel, ms(11)), [1]);
    }

    #[test]
    fn a_timer_that_is_set_again_in_its_turn_fires_in_the_next_one() {
        let mut wheel = Wheel::new(ms(0));
        wheel.set(1, ms(5));
        wheel.set(2, ms(9));
        assert_eq!(wheel.take_due(ms(20)), Some(1));
        wheel.set(3, ms(6));
        assert_eq!(due(&mut wheel, ms(20)), [2]);
        assert_eq!(wheel.next_deadline(), Some(ms(21)));
        assert_eq!(due(&mut wheel, ms(21)), [3]);
    }

    #[test]
    fn few_turns_move_a_distant_timer_down() {
        let mut wheel = Wheel::new(ms(0));
        wheel.set(1, Duration::from_secs(4 * 3600));
        let mut turns = 0;
        while let Some(next) = wheel.next_deadline() {
            turns += 1;
            let fired = due(&mut wheel, next);
            assert_eq!(fired.is_empty(), next < Duration::from_secs(4 * 3600));
        }
        assert!(turns <= LEVELS, "{turns}");
    }

    #[test]
    fn an_entry_is_used_again_and_its_former_timer_refers_to_nothing() {
        let mut wheel = Wheel::new(ms(0));
        let first = wheel.set(1, ms(5));
        assert!(wheel.cancel(first));
        let second = wheel.set(2, ms(5));
        assert_eq!((second.index, wheel.entries.len()), (first.index, 1));
        assert!(!wheel.cancel(first));
        assert_eq!(due(&mut wheel, ms(5)), [2]);
    }
}
