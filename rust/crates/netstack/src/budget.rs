//! The memory of all flows, and what each peer may hold of it.
//!
//! One peer holds at most half. As the budget is used up, less is allowed:
//!
//! | used | effect |
//! |---|---|
//! | from 75 % | nothing grows; one peer holds at most its equal share |
//! | from 90 % | new flows begin with 16 KiB; windows stop opening; flows whose window is 0 for 30 s are reset first, beginning with the peer that holds most |
//! | 100 % | host sockets are not read; SYNs are refused |

use std::collections::HashMap;
use std::hash::Hash;
use std::time::Duration;

/// The budget unless the configuration says otherwise.
pub const DEFAULT_BYTES: usize = 64 << 20;
/// The first window of a flow while memory is critical.
pub const CRITICAL_WINDOW_BYTES: usize = 16 << 10;
/// How long a flow's window is 0 before the flow may be reset to free memory.
pub const STALLED: Duration = Duration::from_secs(30);

/// How much of the budget is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Pressure {
    /// Below 75 %.
    Low,
    /// From 75 %.
    High,
    /// From 90 %.
    Critical,
    /// All of it.
    Full,
}

/// The memory that peers hold.
#[derive(Debug, Clone)]
pub struct Budget<P> {
    total: usize,
    used: usize,
    peers: HashMap<P, usize>,
}

impl<P: Copy + Eq + Hash> Budget<P> {
    /// Return a budget of which nothing is used.
    #[must_use]
    pub fn new(total: usize) -> Self {
        Self { total, used: 0, peers: HashMap::new() }
    }

    /// Change the budget. What is held stays.
    pub fn set_total(&mut self, total: usize) {
        self.total = total;
    }

    /// Return how much of the budget is used.
    #[must_use]
    pub fn pressure(&self) -> Pressure {
        match self.used {
            used if used >= self.total => Pressure::Full,
            used if used >= self.total / 10 * 9 => Pressure::Critical,
            used if used >= self.total / 4 * 3 => Pressure::High,
            _ => Pressure::Low,
        }
    }

    /// Take memory for a peer; false, and nothing is taken, if the budget or the peer's part of it does not allow it.
    #[must_use]
    pub fn reserve(&mut self, peer: P, bytes: usize) -> bool {
        let held = self.held(peer);
        let is_allowed = self.used + bytes <= self.total && held + bytes <= self.share(held > 0);
        if is_allowed && bytes > 0 {
            self.used += bytes;
            *self.peers.entry(peer).or_default() += bytes;
        }
        is_allowed
    }

    /// Record that a peer holds `after` bytes in place of `before`, which is known only once it is so.
    pub fn replace(&mut self, peer: P, before: usize, after: usize) {
        if after > before {
            self.used += after - before;
            *self.peers.entry(peer).or_default() += after - before;
        } else {
            self.release(peer, before - after);
        }
    }

    /// Give back memory that a peer holds.
    ///
    /// # Panics
    /// In tests, if the peer does not hold as much.
    pub fn release(&mut self, peer: P, bytes: usize) {
        let Some(held) = self.peers.get_mut(&peer) else {
            debug_assert_eq!(bytes, 0, "memory of a peer that holds none");
            return;
        };
        debug_assert!(*held >= bytes, "more memory than the peer holds");
        let freed = bytes.min(*held);
        *held -= freed;
        self.used -= freed;
        if *held == 0 {
            self.peers.remove(&peer);
        }
    }

    /// Return the memory that a peer holds, in bytes.
    #[must_use]
    pub fn held(&self, peer: P) -> usize {
        self.peers.get(&peer).copied().unwrap_or(0)
    }

    /// Return the memory that all peers hold, in bytes.
    #[must_use]
    pub fn used(&self) -> usize {
        self.used
    }

    /// Return the most that one peer may hold: half, or under pressure an equal share of those that hold any.
    fn share(&self, is_counted: bool) -> usize {
        let peers = self.peers.len() + usize::from(!is_counted);
        let half = self.total / 2;
        if self.pressure() >= Pressure::High { half.min(self.total / peers) } else { half }
    }

    /// Return whether receive windows and send buffers of a peer may grow.
    #[must_use]
    pub fn may_grow(&self, peer: P) -> bool {
        self.pressure() < Pressure::High && self.held(peer) < self.total / 2
    }

    /// Return whether windows may open as far as they have grown. An offered edge is never taken back.
    #[must_use]
    pub fn may_open_windows(&self) -> bool {
        self.pressure() < Pressure::Critical
    }

    /// Return whether host sockets may be read.
    #[must_use]
    pub fn may_read(&self) -> bool {
        self.pressure() < Pressure::Full
    }

    /// Return whether a peer may open another flow: there must be room for its first window.
    #[must_use]
    pub fn may_open(&self, peer: P) -> bool {
        let held = self.held(peer);
        self.pressure() < Pressure::Full && held + CRITICAL_WINDOW_BYTES <= self.share(held > 0)
    }

    /// Return the first window of a new flow that would have `bytes` without pressure.
    #[must_use]
    pub fn first_window(&self, bytes: usize) -> usize {
        if self.may_open_windows() { bytes } else { bytes.min(CRITICAL_WINDOW_BYTES) }
    }

    /// Return whether a flow whose window has been 0 for so long is to be reset, if its peer is the first to give.
    #[must_use]
    pub fn may_reset(&self, stalled: Duration) -> bool {
        self.pressure() >= Pressure::Critical && stalled >= STALLED
    }

    /// Return the peers that hold memory, the one that holds most first: the order in which they give it back.
    #[must_use]
    pub fn heaviest_first(&self) -> Vec<P> {
        let mut peers: Vec<_> = self.peers.iter().map(|(peer, held)| (*held, *peer)).collect();
        peers.sort_unstable_by_key(|(held, _)| std::cmp::Reverse(*held));
        peers.into_iter().map(|(_, peer)| peer).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Fill a budget of 1,000 KiB to a per mille value, by two peers that hold the same.
    fn filled(per_mille: usize) -> Budget<u32> {
        let mut budget = Budget::new(1000 << 10);
        for peer in [1, 2] {
            assert!(budget.reserve(peer, per_mille << 9));
        }
        budget
    }

    #[test]
    fn pressure_follows_the_thresholds() {
        let expected = [
            (0, Pressure::Low),
            (749, Pressure::Low),
            (750, Pressure::High),
            (899, Pressure::High),
            (900, Pressure::Critical),
            (999, Pressure::Critical),
            (1000, Pressure::Full),
        ];
        for (per_mille, pressure) in expected {
            let budget = filled(per_mille);
            assert_eq!(budget.pressure(), pressure, "{per_mille}");
            assert_eq!(budget.may_grow(1), per_mille < 750);
            assert_eq!(budget.may_open_windows(), per_mille < 900);
            assert_eq!(budget.may_read(), per_mille < 1000);
            assert_eq!(budget.first_window(65_536), if per_mille < 900 { 65_536 } else { 16_384 });
            assert_eq!(budget.may_reset(STALLED), per_mille >= 900);
            assert!(!budget.may_reset(STALLED - Duration::from_millis(1)));
        }
    }

    #[test]
    fn one_peer_holds_at_most_half() {
        let mut budget = Budget::new(DEFAULT_BYTES);
        assert!(budget.reserve(1, DEFAULT_BYTES / 2));
        assert!(!budget.reserve(1, 1));
        assert!(!budget.may_grow(1) && budget.may_grow(2));
        assert!(!budget.may_open(1) && budget.may_open(2));
        assert_eq!((budget.held(1), budget.used()), (DEFAULT_BYTES / 2, DEFAULT_BYTES / 2));
    }

    #[test]
    fn under_pressure_a_peer_gets_its_equal_share_and_no_more() {
        let mut budget = filled(800);
        // A third peer comes: the share is 333 KiB, and the others hold 400 each.
        assert!(budget.may_open(3));
        assert!(budget.reserve(3, 1 << 10));
        assert!(!budget.reserve(1, 1));
        assert!(!budget.may_open(1));
        assert!(!budget.reserve(3, 333 << 10));
        assert!(budget.reserve(3, 199 << 10));
        assert_eq!(budget.pressure(), Pressure::Full);
        assert!(!budget.may_open(3) && !budget.reserve(4, 1));
    }

    #[test]
    fn the_peer_that_holds_most_gives_first() {
        let mut budget = Budget::new(100);
        for (peer, bytes) in [(1, 10), (2, 40), (3, 20)] {
            assert!(budget.reserve(peer, bytes));
        }
        assert_eq!(budget.heaviest_first(), [2, 3, 1]);
        budget.release(2, 40);
        assert_eq!(budget.heaviest_first(), [3, 1]);
    }

    proptest! {
        #[test]
        fn what_is_reserved_stays_within_the_budget_and_is_given_back(
            steps in prop::collection::vec((0u32..5, 0usize..40, any::<bool>()), 1..200),
        ) {
            let mut budget = Budget::new(200);
            let mut held = [0; 5];
            for (peer, bytes, reserves) in steps {
                let (mine, before) = (&mut held[peer as usize], budget.pressure());
                if reserves {
                    let peers = budget.peers.len() + usize::from(*mine == 0);
                    let share = if before >= Pressure::High { 200 / peers.max(2) } else { 100 };
                    let expected = budget.used() + bytes <= 200 && *mine + bytes <= share;
                    prop_assert_eq!(budget.reserve(peer, bytes), expected);
                    *mine += if expected { bytes } else { 0 };
                } else {
                    let bytes = bytes.min(*mine);
                    budget.release(peer, bytes);
                    *mine -= bytes;
                }
                prop_assert_eq!((budget.held(peer), budget.used()), (*mine, held.iter().sum()));
                prop_assert_eq!(budget.peers.len(), held.iter().filter(|held| **held > 0).count());
                prop_assert!(budget.used() <= 200);
            }
        }
    }
}
