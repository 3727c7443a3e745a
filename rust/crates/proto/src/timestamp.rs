//! TAI64N timestamps (section 5.1), by which a responder rejects a replayed first message.

use std::time::Duration;

/// Size on the wire: seconds and nanoseconds, big-endian, so that their order is that of time.
pub(crate) const TIMESTAMP_BYTES: usize = 12;

/// TAI64 label of the Unix epoch: 2^62 seconds and the 10 leap seconds of 1970.
const EPOCH: u64 = (1 << 62) + 10;
/// Low bits of the nanoseconds that are cleared, so that a timestamp reveals little of our clock: 2^24 ns is just under
/// the 20 ms between two first messages that a responder accepts.
const BLUR: u32 = (1 << 24) - 1;

/// A TAI64N label; later is greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct Timestamp(pub(crate) [u8; TIMESTAMP_BYTES]);

impl Timestamp {
    /// Return the label of a wall-clock time since the Unix epoch.
    pub(crate) fn of(unix: Duration) -> Self {
        Self::from_parts(unix.as_secs().saturating_add(EPOCH), unix.subsec_nanos() & !BLUR)
    }

    /// Return this timestamp, or the least one after `last` when the clock has not passed it: a clock that was set back
    /// must not make a peer reject our handshakes.
    pub(crate) fn after(self, last: Self) -> Self {
        if self > last { self } else { last.next() }
    }

    fn next(self) -> Self {
        let nanos = u32::from_be_bytes([self.0[8], self.0[9], self.0[10], self.0[11]]) + 1;
        let mut seconds = [0; 8];
        seconds.copy_from_slice(&self.0[..8]);
        let carry = u32::from(nanos >= 1_000_000_000);
        Self::from_parts(u64::from_be_bytes(seconds) + u64::from(carry), nanos * (1 - carry))
    }

    fn from_parts(seconds: u64, nanos: u32) -> Self {
        let mut timestamp = [0; TIMESTAMP_BYTES];
        timestamp[..8].copy_from_slice(&seconds.to_be_bytes());
        timestamp[8..].copy_from_slice(&nanos.to_be_bytes());
        Self(timestamp)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn timestamps_are_monotonic(mut last: u64, times in prop::collection::vec(0u64..u64::MAX / 4, 1..50)) {
            last /= 4;
            let mut timestamp = Timestamp::of(Duration::from_nanos(last));
            for time in times {
                let next = Timestamp::of(Duration::from_nanos(time)).after(timestamp);
                prop_assert!(next > timestamp);
                timestamp = next;
            }
        }

        #[test]
        fn a_later_time_is_not_less(a in 0u64..1 << 60, later in 0u64..1 << 60) {
            prop_assert!(Timestamp::of(Duration::from_nanos(a + later)) >= Timestamp::of(Duration::from_nanos(a)));
        }
    }
}
