//! The host's clocks and randomness, for the machine that has none.

use std::time::Duration;

use proto::clock::{Now, Random};
use rustix::time::{ClockId, Timespec, clock_gettime};

/// Both clocks of this moment. CLOCK_BOOTTIME goes on while the host sleeps: a session must not seem young after it.
pub(crate) fn now() -> Now {
    Now { boot: duration(clock_gettime(ClockId::Boottime)), unix: duration(clock_gettime(ClockId::Realtime)) }
}

/// A time before 1970, on a host whose clock was never set, counts as 1970.
fn duration(time: Timespec) -> Duration {
    Duration::new(time.tv_sec.try_into().unwrap_or(0), time.tv_nsec.try_into().unwrap_or(0))
}

/// The kernel's randomness, getrandom(2).
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
