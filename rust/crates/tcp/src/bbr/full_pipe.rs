//! Whether the path is full: a rate that no longer grows (5.3.1.2).

/// The growth in a round that shows room.
const MIN_GROWTH: f64 = 1.25;
/// The rounds without it after which the path is deemed full.
const ROUNDS: u32 = 3;

/// The full-pipe estimator.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct FullPipe {
    /// The rate that is to be outgrown (`BBR.full_bw`).
    baseline: u64,
    /// Rounds in a row that did not (`BBR.full_bw_count`).
    rounds: u32,
    /// Whether the path was found full since the last reset (`BBR.full_bw_now`).
    pub(super) is_full: bool,
    /// Whether it was ever (`BBR.full_bw_reached`).
    pub(super) was_full: bool,
}

impl FullPipe {
    /// Begin anew (`ResetFullBW`); a rate of 0 is outgrown by any.
    pub(super) const fn reset(&mut self, baseline: u64) {
        (self.baseline, self.rounds, self.is_full) = (baseline, 0, false);
    }

    /// Record the rate at the end of a round that the application did not limit.
    pub(super) fn on_round(&mut self, rate: u64) {
        if rate as f64 >= self.baseline as f64 * MIN_GROWTH {
            self.reset(rate);
            return;
        }
        self.rounds += 1;
        self.is_full = self.rounds >= ROUNDS;
        self.was_full |= self.is_full;
    }
}
