//! What a stack has refused and dropped, by reason.

use crate::packet::BadPacket;

/// Why a flow or a datagram was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reason {
    /// The number of flows.
    Flows,
    /// The number of dials in progress.
    Dials,
    /// The memory of flows.
    Memory,
    /// The exit policy.
    Policy,
    /// The rate of errors to a peer.
    Rate,
}

/// Numbers of refusals (`refused{reason}`), and of packets that were dropped because they were bad.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Beyond the number of flows.
    pub flows: u64,
    /// Beyond the number of dials in progress.
    pub dials: u64,
    /// Beyond the memory of flows.
    pub memory: u64,
    /// By the exit policy.
    pub policy: u64,
    /// Errors that were not sent, because their peer had too many.
    pub rate: u64,
    /// Packets with an inconsistent header or a wrong checksum, in the order of [`BadPacket::ALL`].
    bad: [u64; BadPacket::ALL.len()],
    /// Fragments that contradicted others.
    pub overlaps: u64,
    /// Packets of protocols that are not supported.
    pub unsupported: u64,
}

impl Counts {
    /// Yield the refusals by reason.
    pub fn refused(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let Self { flows, dials, memory, policy, rate, .. } = *self;
        [("flows", flows), ("dials", dials), ("memory", memory), ("policy", policy), ("rate", rate)].into_iter()
    }

    pub(crate) fn refuse(&mut self, reason: Reason) {
        *match reason {
            Reason::Flows => &mut self.flows,
            Reason::Dials => &mut self.dials,
            Reason::Memory => &mut self.memory,
            Reason::Policy => &mut self.policy,
            Reason::Rate => &mut self.rate,
        } += 1;
    }

    /// Yield the packets that were dropped, by reason.
    pub fn bad_packets(&self) -> impl Iterator<Item = (String, u64)> {
        let Self { overlaps, unsupported, .. } = *self;
        let others = [("contradicting fragment", overlaps), ("unsupported protocol", unsupported)];
        let bad = BadPacket::ALL.into_iter().zip(self.bad).map(|(reason, count)| (reason.to_string(), count));
        bad.chain(others.map(|(reason, count)| (reason.to_owned(), count)))
    }

    pub(crate) fn bad(&mut self, reason: BadPacket) {
        self.bad[reason as usize] += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_packets_are_counted_by_their_reason() {
        let mut counts = Counts::default();
        for (number, reason) in BadPacket::ALL.into_iter().enumerate() {
            assert_eq!(reason as usize, number);
            (0..=number).for_each(|_| counts.bad(reason));
        }
        let counted: Vec<_> = counts.bad_packets().map(|(_, count)| count).collect();
        assert_eq!(counted, [1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 0]);
    }
}
