//! The states of a flow, and what holds in all of them.

/// A bound that is not set (`Infinity`).
pub(super) const UNBOUNDED: u64 = u64::MAX;
/// The initial window, in segments (RFC 6928, 5.6.4.1).
pub(super) const INITIAL_WINDOW: u64 = 10;

/// The rounds after which Drain ends in any case (5.3.2).
pub(super) const DRAIN_ROUNDS: u64 = 3;
/// What is in flight in ProbeRTT, in products of rate and round-trip time (`BBR.ProbeRTTCwndGain`, 2.15.2).
pub(super) const PROBE_RTT_CWND_GAIN: f64 = 0.5;

/// The state of the flow (`BBR.state`, 5.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// Double the rate each round until the path is full (5.3.1).
    Startup,
    /// Send slowly until the queue that Startup built is gone (5.3.2).
    Drain,
    /// Send slower than the path delivers, after a bandwidth probe (5.3.3.1).
    ProbeBwDown,
    /// Send as fast as the path delivers, until the next bandwidth probe (5.3.3.2).
    ProbeBwCruise,
    /// Fill the path, before it is probed (5.3.3.3).
    ProbeBwRefill,
    /// Send faster than the path delivers (5.3.3.4).
    ProbeBwUp,
    /// Keep little in flight to see the path without a queue (5.3.4).
    ProbeRtt,
}

impl State {
    pub(super) const fn is_probe_bw(self) -> bool {
        matches!(self, Self::ProbeBwDown | Self::ProbeBwCruise | Self::ProbeBwRefill | Self::ProbeBwUp)
    }

    /// Return whether the flow looks for more bandwidth (`IsProbingBW`).
    pub(super) const fn is_probing(self) -> bool {
        matches!(self, Self::Startup | Self::ProbeBwRefill | Self::ProbeBwUp)
    }
}
