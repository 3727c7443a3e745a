//! The greatest value of the last rounds, by Kathleen Nichols' algorithm: the best three values in order of time stand for all.

/// A value with the time at which it was seen.
#[derive(Debug, Clone, Copy, Default)]
struct Entry {
    time: u64,
    value: u64,
}

/// The greatest value of a window of time.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct WindowedMax {
    /// Falling in value, growing in time.
    best: [Entry; 3],
}

impl WindowedMax {
    /// Return the greatest value.
    pub(super) const fn get(&self) -> u64 {
        self.best[0].value
    }

    /// Take a value; those older than `window` are forgotten.
    pub(super) fn update(&mut self, time: u64, value: u64, window: u64) {
        let entry = Entry { time, value };
        if value >= self.best[0].value || time - self.best[2].time > window {
            self.best = [entry; 3];
            return;
        }
        if value >= self.best[1].value {
            (self.best[1], self.best[2]) = (entry, entry);
        } else if value >= self.best[2].value {
            self.best[2] = entry;
        }
        self.expire(entry, window);
    }

    fn expire(&mut self, entry: Entry, window: u64) {
        let age = entry.time - self.best[0].time;
        if age > window {
            self.best = [self.best[1], self.best[2], entry];
            if entry.time - self.best[0].time > window {
                self.best = [self.best[1], self.best[2], entry];
            }
        } else if self.best[1].time == self.best[0].time && age > window / 4 {
            (self.best[1], self.best[2]) = (entry, entry);
        } else if self.best[2].time == self.best[1].time && age > window / 2 {
            self.best[2] = entry;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn greatest_value_is_forgotten_after_the_window() {
        let mut filter = WindowedMax::default();
        filter.update(0, 100, 10);
        for time in 1..=10 {
            filter.update(time, 50, 10);
            assert_eq!(filter.get(), 100);
        }
        filter.update(11, 50, 10);
        assert_eq!(filter.get(), 50);
    }

    #[test]
    fn greater_value_counts_at_once() {
        let mut filter = WindowedMax::default();
        filter.update(0, 100, 10);
        filter.update(1, 101, 10);
        assert_eq!(filter.get(), 101);
        filter.update(50, 1, 10);
        assert_eq!(filter.get(), 1);
    }
}
