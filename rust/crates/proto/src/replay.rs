//! The replay window (section 5.4.6), as a ring of blocks (RFC 6479).

const BLOCK_BITS: u64 = u64::BITS as u64;
const BLOCKS: u64 = 128;
/// How far behind the greatest counter another is accepted: all blocks except the one being filled.
pub(crate) const WINDOW: u64 = BLOCKS * BLOCK_BITS - BLOCK_BITS;

/// The counters of a session that have been seen. Each is accepted once.
#[derive(Clone)]
pub(crate) struct ReplayWindow {
    /// One more than the greatest counter seen.
    next: u64,
    blocks: [u64; BLOCKS as usize],
}

impl ReplayWindow {
    pub(crate) fn new() -> Self {
        Self { next: 0, blocks: [0; BLOCKS as usize] }
    }

    /// Mark `counter` and return whether it was new. Call it only for an authentic packet.
    pub(crate) fn accept(&mut self, counter: u64) -> bool {
        if counter.saturating_add(WINDOW) < self.next.saturating_sub(1) {
            return false;
        }
        let block = counter / BLOCK_BITS;
        if counter >= self.next {
            self.advance(block);
            self.next = counter.saturating_add(1);
        }
        let seen = &mut self.blocks[(block % BLOCKS) as usize];
        let bit = 1 << (counter % BLOCK_BITS);
        let new = *seen & bit == 0;
        *seen |= bit;
        new
    }

    /// Clear the blocks between the newest one and `block`.
    fn advance(&mut self, block: u64) {
        let newest = self.next.saturating_sub(1) / BLOCK_BITS;
        for ahead in 1..=(block - newest).min(BLOCKS) {
            self.blocks[((newest + ahead) % BLOCKS) as usize] = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashSet;

    #[test]
    fn counters_at_the_edges_of_the_window_are_accepted_once() {
        let mut window = ReplayWindow::new();
        assert!(window.accept(0));
        assert!(!window.accept(0));
        assert!(window.accept(WINDOW));
        assert!(!window.accept(0));
        assert!(window.accept(1));
        assert!(window.accept(WINDOW + 3));
        assert!(!window.accept(2));
        assert!(window.accept(3));
        assert!(window.accept(1 << 40));
        assert!(!window.accept(WINDOW));
        assert!(!window.accept((1 << 40) - WINDOW - 1));
        assert!(window.accept((1 << 40) - WINDOW));
    }

    proptest! {
        #[test]
        fn the_window_agrees_with_a_set(steps in prop::collection::vec((0u64..20_000, 0u64..9_000), 1..400)) {
            let (mut window, mut seen, mut greatest) = (ReplayWindow::new(), HashSet::new(), 0u64);
            for (ahead, behind) in steps {
                let counter = (greatest + ahead % 700).saturating_sub(behind);
                let expected = counter + WINDOW >= greatest && !seen.contains(&counter);
                prop_assert_eq!(window.accept(counter), expected, "{} after {}", counter, greatest);
                seen.insert(counter);
                greatest = greatest.max(counter);
            }
        }
    }
}
