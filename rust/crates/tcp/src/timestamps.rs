//! Timestamps, and protection against wrapped sequence numbers (RFC 7323, sections 3 to 5).

use core::time::Duration;

use crate::options::Timestamps;
use crate::seq::Seq;
use crate::time::Time;

/// How long the timestamp of the other side counts (section 5.5): 24 days.
const MAX_AGE: Duration = Duration::from_secs(24 * 86_400);

/// Return the value of the timestamp clock, which ticks in milliseconds.
pub(crate) fn stamp(offset: u32, now: Time) -> u32 {
    ((now.as_nanos() / 1_000_000) as u32).wrapping_add(offset)
}

/// The latest timestamp of the other side.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Recent {
    value: u32,
    at: Time,
}

impl Recent {
    /// Begin with the timestamp of the SYN.
    pub(crate) const fn new(value: u32, now: Time) -> Self {
        Self { value, at: now }
    }

    /// Return the value to be echoed (TS.Recent).
    pub(crate) const fn value(&self) -> u32 {
        self.value
    }

    /// Return whether a segment is older than what was received before it (section 5.3, R1).
    pub(crate) fn is_old(&self, timestamps: Timestamps, now: Time) -> bool {
        Seq(timestamps.value).before(Seq(self.value)) && now - self.at < MAX_AGE
    }

    /// Take the timestamp of an acceptable segment that begins at or before the last acknowledgement (section 4.3).
    pub(crate) fn update(&mut self, timestamps: Timestamps, now: Time) {
        if !self.is_old(timestamps, now) {
            *self = Self { value: timestamps.value, at: now };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timestamps(value: u32) -> Timestamps {
        Timestamps { value, echo: 0 }
    }

    #[test]
    fn timestamps_go_forward_also_over_their_wrap() {
        let mut recent = Recent::new(u32::MAX - 1, Time::ZERO);
        assert!(recent.is_old(timestamps(u32::MAX - 2), Time::ZERO));
        recent.update(timestamps(3), Time::ZERO);
        assert_eq!(recent.value(), 3);
        recent.update(timestamps(u32::MAX), Time::ZERO);
        assert_eq!(recent.value(), 3);
    }

    #[test]
    fn a_timestamp_of_24_days_ago_does_not_count() {
        let mut recent = Recent::new(1000, Time::ZERO);
        let later = Time::ZERO + MAX_AGE;
        assert!(!recent.is_old(timestamps(5), later));
        recent.update(timestamps(5), later);
        assert_eq!(recent.value(), 5);
    }

    #[test]
    fn the_clock_ticks_in_milliseconds_from_its_offset() {
        assert_eq!(stamp(u32::MAX, Time::from_nanos(2_999_999)), 1);
    }
}
