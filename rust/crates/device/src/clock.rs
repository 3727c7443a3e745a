//! The host's clocks and randomness, for the sans-I/O protocol.

use std::time::Duration;

use proto::clock::{Now, Random};
use rustix::time::{ClockId, Timespec, clock_gettime};

/// Return both clocks. CLOCK_BOOTTIME continues while the host sleeps, so that a session expires during sleep.
pub(crate) fn now() -> Now {
    Now { boot: duration(clock_gettime(ClockId::Boottime)), unix: duration(clock_gettime(ClockId::Realtime)) }
}

/// Convert a time; one before 1970, from a clock that was never set, becomes 1970.
fn duration(time: Timespec) -> Duration {
    Duration::new(time.tv_sec.try_into().unwrap_or(0), time.tv_nsec.try_into().unwrap_or(0))
}

/// The kernel's random numbers, getrandom(2).
pub(crate) struct SystemRandom;

impl Random for SystemRandom {
    fn fill(&mut self, octets: &mut [u8]) {
        let mut filled = 0;
        while filled < octets.len() {
            match rustix::rand::getrandom(&mut octets[filled..], rustix::rand::GetRandomFlags::empty()) {
                Ok(count) => filled += count,
                Err(rustix::io::Errno::INTR) => {}
                Err(errno) => unreachable!("getrandom cannot fail otherwise on Linux 3.17 and later: {errno}"),
            }
        }
    }
}
