//! Round trips counted by acknowledgements, and how far the congestion window is used in them.

/// Counts round trips: one ends when a segment is acknowledged that was sent after the last one ended
/// (draft-ietf-ccwg-bbr, section 5.5.1).
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Rounds {
    /// How many have ended (`BBR.round_count`).
    pub(crate) count: u64,
    /// Whether the last acknowledgement ended one (`BBR.round_start`).
    pub(crate) is_start: bool,
    /// The delivered bytes before which a segment belongs to the current round (`BBR.next_round_delivered`).
    next_delivered: u64,
}

impl Rounds {
    /// Record an acknowledgement: bytes delivered before its newest segment was sent, and so far. Return whether a round
    /// trip ended (`UpdateRound`).
    pub(crate) const fn update(&mut self, prior_delivered: u64, delivered: u64) -> bool {
        self.is_start = prior_delivered >= self.next_delivered;
        if self.is_start {
            self.start(delivered);
            self.count += 1;
        }
        self.is_start
    }

    /// Let a round trip begin now (`StartRound`).
    pub(crate) const fn start(&mut self, delivered: u64) {
        self.next_delivered = delivered;
    }
}

/// How far the congestion window was used in the current round trip and in the one before.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct WindowUse {
    max_in_flight: [u64; 2],
    was_full: [bool; 2],
}

impl WindowUse {
    /// Record what is in flight after a segment was sent.
    pub(crate) fn on_send(&mut self, in_flight: u64, window: u64, mss: u64) {
        self.max_in_flight[0] = self.max_in_flight[0].max(in_flight);
        self.was_full[0] |= in_flight + mss > window;
    }

    /// Begin a round trip.
    pub(crate) const fn on_round(&mut self) {
        self.max_in_flight = [0, self.max_in_flight[0]];
        self.was_full = [false, self.was_full[0]];
    }

    /// Return whether the window had no room for a further segment at some time (`C.is_cwnd_limited`).
    pub(crate) const fn was_full(&self) -> bool {
        self.was_full[0] || self.was_full[1]
    }

    /// Return the most bytes that were in flight.
    pub(crate) fn max_in_flight(&self) -> u64 {
        self.max_in_flight[0].max(self.max_in_flight[1])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_ends_with_a_segment_sent_after_the_last_end() {
        let mut rounds = Rounds::default();
        assert!(rounds.update(0, 10));
        assert!(!rounds.update(0, 20));
        assert!(!rounds.update(9, 30));
        assert!(rounds.update(10, 40));
        assert_eq!(rounds.count, 2);
        assert!(!rounds.update(39, 50));
    }

    #[test]
    fn use_of_the_window_is_remembered_for_a_whole_round() {
        let mut used = WindowUse::default();
        used.on_send(9, 10, 2);
        assert!(used.was_full());
        used.on_round();
        used.on_send(3, 10, 2);
        assert!(used.was_full());
        assert_eq!(used.max_in_flight(), 9);
        used.on_round();
        assert!(!used.was_full());
        assert_eq!(used.max_in_flight(), 3);
    }
}
