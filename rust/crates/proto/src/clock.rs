//! Time and randomness, which the machine is given and never takes.

use std::time::Duration;

/// A moment, read once per batch of packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// Since some fixed moment; never goes back, goes on while the host sleeps (CLOCK_BOOTTIME).
    pub boot: Duration,
    /// Since the Unix epoch, as the host believes (CLOCK_REALTIME).
    pub unix: Duration,
}

/// A cryptographically secure source of randomness.
pub trait Random: Send {
    /// Fills `octets`.
    fn fill(&mut self, octets: &mut [u8]);
}

/// `N` random octets.
pub(crate) fn octets<const N: usize>(random: &mut dyn Random) -> [u8; N] {
    let mut octets = [0; N];
    random.fill(&mut octets);
    octets
}
