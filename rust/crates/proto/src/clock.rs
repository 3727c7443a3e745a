//! Time and randomness, which are passed in.

use std::time::Duration;

/// A moment, read once per batch of packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// Time since a fixed moment; it never goes back, and continues while the host sleeps (CLOCK_BOOTTIME).
    pub boot: Duration,
    /// Time since the Unix epoch by the host's clock (CLOCK_REALTIME).
    pub unix: Duration,
}

/// A cryptographically secure source of randomness.
pub trait Random: Send {
    /// Fill `octets` with random values.
    fn fill(&mut self, octets: &mut [u8]);
}

/// Return `N` random octets.
pub(crate) fn octets<const N: usize>(random: &mut dyn Random) -> [u8; N] {
    let mut octets = [0; N];
    random.fill(&mut octets);
    octets
}
