//! Pacing by deadlines (draft-ietf-ccwg-bbr, section 5.6.2 and 5.6.3).
//!
//! A quantum is sent at once; then nothing is sent until the time has passed that it takes at the pacing rate. A sender that
//! waited for this deadline and was called late makes up for at most 2 ms: with timers of 1 ms the rate would else be a third
//! too low. A sender that had nothing to send makes up for nothing.

use core::time::Duration;

use crate::time::Time;

/// The time at the pacing rate that a quantum takes.
const QUANTUM_TIME: Duration = Duration::from_millis(1);
/// For how long a late sender makes up: a tick of a timer wheel, and a turn of the thread.
const MAX_CATCH_UP: Duration = Duration::from_millis(2);
/// The least quantum, in segments: one acknowledgement may cover two.
const MIN_QUANTUM: u64 = 2;
/// The greatest quantum, in segments: about 64 KiB, what one system call sends.
const MAX_QUANTUM: u64 = 44;

/// Return how many bytes to send at once at a rate in bytes per second.
#[must_use]
pub fn quantum(rate: u64, mss: u64) -> u64 {
    transfer(rate, QUANTUM_TIME).clamp(MIN_QUANTUM * mss, MAX_QUANTUM * mss)
}

/// When the next segment may leave.
#[derive(Debug, Clone, Copy, Default)]
pub struct Pacer {
    /// When what was sent so far has passed at the pacing rate.
    release: Time,
    /// Bytes of the quantum that are left to be sent without a further wait.
    credit: u64,
    /// When the quantum was begun.
    started: Time,
    /// Whether a segment had to wait for the release.
    is_waiting: bool,
}

impl Pacer {
    /// Return whether a segment, which is ready and fits into the windows, may leave now.
    pub fn is_released(&mut self, now: Time) -> bool {
        let released = self.credit > 0 || self.release <= now;
        self.is_waiting |= !released;
        released
    }

    /// Return when the next segment may leave; a time that has passed means at once.
    #[must_use]
    pub const fn next_release(&self) -> Time {
        if self.credit > 0 { Time::ZERO } else { self.release }
    }

    /// Record that a segment of `bytes` leaves now, at a pacing rate in bytes per second and with a quantum in bytes.
    pub fn on_send(&mut self, bytes: u64, rate: u64, quantum: u64, now: Time) {
        if rate == u64::MAX {
            *self = Self::default();
            return;
        }
        if self.release <= now && (self.credit == 0 || self.started < now) {
            let is_late = self.is_waiting || self.started == now;
            let earliest = if is_late { before(now, MAX_CATCH_UP) } else { now };
            (self.release, self.credit) = (self.release.max(earliest), quantum);
            (self.started, self.is_waiting) = (now, false);
        }
        self.release += duration(bytes, rate);
        self.credit = self.credit.saturating_sub(bytes);
    }
}

/// Return the bytes that pass at a rate in bytes per second.
pub(crate) fn transfer(rate: u64, time: Duration) -> u64 {
    let bytes = u128::from(rate) * time.as_nanos() / 1_000_000_000;
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

/// Return how long bytes take at a rate in bytes per second.
pub(crate) fn duration(bytes: u64, rate: u64) -> Duration {
    let nanoseconds = u128::from(bytes) * 1_000_000_000 / u128::from(rate.max(1));
    Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX))
}

fn before(time: Time, duration: Duration) -> Time {
    Time::ZERO + (time - Time::ZERO).saturating_sub(duration)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: u64 = 25_000_000;
    const MSS: u64 = 1380;

    /// Send full segments for a simulated second, looked at every `tick`, and return how many bytes left.
    fn sent_in_a_second(tick: Duration) -> u64 {
        let (mut pacer, mut now, mut sent) = (Pacer::default(), Time::ZERO, 0);
        while now < Time::ZERO + Duration::from_secs(1) {
            while pacer.is_released(now) {
                pacer.on_send(MSS, RATE, quantum(RATE, MSS), now);
                sent += MSS;
            }
            now += tick;
        }
        sent
    }

    #[test]
    fn quantum_is_a_millisecond_within_its_bounds() {
        assert_eq!(quantum(RATE, MSS), 25_000);
        assert_eq!(quantum(1_000, MSS), 2 * MSS);
        assert_eq!(quantum(10_000_000_000, MSS), 44 * MSS);
    }

    #[test]
    fn pacer_keeps_the_rate_with_coarse_timers() {
        for microseconds in [10, 300, 700, 1_000, 1_300] {
            let sent = sent_in_a_second(Duration::from_micros(microseconds));
            assert!(sent.abs_diff(RATE) < RATE / 50, "{sent} bytes with a look every {microseconds} µs");
        }
    }

    #[test]
    fn pacer_makes_up_for_two_milliseconds_after_a_long_delay() {
        let mut pacer = Pacer::default();
        let mut burst = |now| {
            let mut sent = 0;
            while pacer.is_released(now) {
                pacer.on_send(MSS, RATE, quantum(RATE, MSS), now);
                sent += MSS;
            }
            sent
        };
        let first = burst(Time::ZERO);
        assert!((25_000..25_000 + MSS).contains(&first), "{first}");
        let late = burst(Time::ZERO + Duration::from_secs(1));
        assert!((50_000..=50_000 + 3 * MSS).contains(&late), "{late}");
    }

    #[test]
    fn pacer_makes_up_for_nothing_after_a_pause_of_the_sender() {
        let mut pacer = Pacer::default();
        assert!(pacer.is_released(Time::ZERO));
        pacer.on_send(MSS, RATE, quantum(RATE, MSS), Time::ZERO);
        let later = Time::ZERO + Duration::from_secs(1);
        let mut sent = 0;
        while pacer.is_released(later) {
            pacer.on_send(MSS, RATE, quantum(RATE, MSS), later);
            sent += MSS;
        }
        // The rest of the first quantum is superseded by a new one.
        assert!(sent < 25_000 + 2 * MSS, "{sent}");
    }

    #[test]
    fn pacer_without_a_rate_never_waits() {
        let mut pacer = Pacer::default();
        for _ in 0..1_000 {
            assert!(pacer.is_released(Time::ZERO));
            pacer.on_send(MSS, u64::MAX, 2 * MSS, Time::ZERO);
        }
        assert_eq!(pacer.next_release(), Time::ZERO);
    }
}
