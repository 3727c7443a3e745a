//! Proportional Rate Reduction (RFC 9937, which was draft-ietf-tcpm-prr-rfc6937bis): what may be sent in fast recovery.
//!
//! While more is in flight than the slow start threshold allows, sending is slowed in proportion to what arrives, so that the
//! threshold is reached when the round trip ends, without a pause or a burst. Below it, sending follows what arrives, and one
//! segment more for each acknowledgement that moves forward without a further loss.

/// The state of one fast recovery. Counts are in bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Recovery {
    /// What was in flight when recovery began (`RecoverFS`).
    flight_size: u64,
    /// The slow start threshold that recovery leads to.
    threshold: u64,
    /// `prr_delivered`.
    delivered: u64,
    /// `prr_out`.
    sent: u64,
}

impl Recovery {
    pub(crate) fn new(flight_size: u64, threshold: u64) -> Self {
        Self { flight_size: flight_size.max(1), threshold, delivered: 0, sent: 0 }
    }

    /// Record a segment that is sent.
    pub(crate) const fn on_send(&mut self, bytes: u64) {
        self.sent += bytes;
    }

    /// Return the congestion window after an acknowledgement; `is_safe` says that it moved forward and brought no loss
    /// (`SafeACK`).
    pub(crate) fn window(&mut self, delivered: u64, in_flight: u64, is_safe: bool, mss: u64) -> u64 {
        self.delivered += delivered;
        let mut allowed = if in_flight > self.threshold {
            let share = u128::from(self.delivered) * u128::from(self.threshold);
            let share = share.div_ceil(u128::from(self.flight_size));
            u64::try_from(share).unwrap_or(u64::MAX).saturating_sub(self.sent)
        } else {
            let conserved = self.delivered.saturating_sub(self.sent).max(delivered);
            (conserved + if is_safe { mss } else { 0 }).min(self.threshold - in_flight)
        };
        if self.sent == 0 {
            // The first segment that was lost is sent again at once.
            allowed = allowed.max(mss);
        }
        in_flight + allowed
    }

    /// Return the window after recovery.
    pub(crate) const fn threshold(&self) -> u64 {
        self.threshold
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MSS: u64 = 1_000;

    /// Let each of `acks` acknowledgements deliver a segment, send all that the window allows, and return the bytes that
    /// were sent and what is in flight at the end.
    fn recover(recovery: &mut Recovery, mut in_flight: u64, acks: u64, is_safe: bool) -> (u64, u64) {
        let mut sent = 0;
        for _ in 0..acks {
            in_flight -= MSS;
            let window = recovery.window(MSS, in_flight, is_safe, MSS);
            while in_flight + MSS <= window {
                recovery.on_send(MSS);
                (in_flight, sent) = (in_flight + MSS, sent + MSS);
            }
        }
        (sent, in_flight)
    }

    #[test]
    fn reduction_is_proportional_and_ends_at_the_threshold() {
        // 100 segments in flight, one lost, window to become 70: 7 segments leave for 10 that arrive.
        let mut recovery = Recovery::new(100 * MSS, 70 * MSS);
        let (sent, in_flight) = recover(&mut recovery, 99 * MSS, 50, false);
        assert_eq!((sent, in_flight), (35 * MSS, 84 * MSS));
        let (_, in_flight) = recover(&mut recovery, in_flight, 49, false);
        assert!(in_flight.abs_diff(70 * MSS) <= MSS, "{in_flight}");
    }

    #[test]
    fn heavy_loss_is_answered_by_packet_conservation() {
        // 60 of 100 segments lost: without safe acknowledgements what is in flight stays.
        let mut recovery = Recovery::new(100 * MSS, 70 * MSS);
        let (sent, in_flight) = recover(&mut recovery, 40 * MSS, 20, false);
        assert_eq!((sent, in_flight), (20 * MSS, 40 * MSS));
    }

    #[test]
    fn safe_acknowledgements_grow_by_a_segment_up_to_the_threshold() {
        let mut recovery = Recovery::new(100 * MSS, 70 * MSS);
        let (_, in_flight) = recover(&mut recovery, 40 * MSS, 20, true);
        assert_eq!(in_flight, 60 * MSS);
        let (_, in_flight) = recover(&mut recovery, in_flight, 30, true);
        assert_eq!(in_flight, 70 * MSS);
    }

    #[test]
    fn first_segment_may_always_be_sent_again() {
        let mut recovery = Recovery::new(10 * MSS, 2 * MSS);
        assert_eq!(recovery.window(0, 9 * MSS, false, MSS), 10 * MSS);
        recovery.on_send(MSS);
        assert_eq!(recovery.window(0, 9 * MSS, false, MSS), 9 * MSS);
    }
}
