//! When an acknowledgement is sent (RFC 9293, section 3.8.6.3; RFC 5681, section 4.2).

use core::time::Duration;

use crate::time::Time;

/// How long the acknowledgement of a single segment waits for another or for data.
const DELAY: Duration = Duration::from_millis(40);
/// Segments at the start that are acknowledged at once, so that the other side's window opens quickly.
const QUICK_SEGMENTS: u32 = 16;

/// The acknowledgements that are owed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Acks {
    /// Segments with data since the last acknowledgement.
    segments: u32,
    /// Segments that are still acknowledged at once.
    quick: u32,
    /// One is owed at the end of the batch.
    urgent: bool,
    /// One is to be sent.
    pending: bool,
    deadline: Option<Time>,
}

impl Acks {
    pub(crate) const fn new() -> Self {
        Self { segments: 0, quick: QUICK_SEGMENTS, urgent: false, pending: false, deadline: None }
    }

    /// Record a segment with data; one out of order is acknowledged at the end of its batch.
    pub(crate) fn on_segment(&mut self, urgent: bool) {
        self.segments += 1;
        self.urgent |= urgent || self.segments >= 2 || self.quick > 0;
        self.quick = self.quick.saturating_sub(1);
    }

    /// End a batch: send what is owed, or wait.
    pub(crate) fn end_batch(&mut self, now: Time) {
        self.pending |= self.urgent;
        if self.segments > 0 && !self.pending && self.deadline.is_none() {
            self.deadline = Some(now + DELAY);
        }
    }

    /// Send one now.
    pub(crate) fn send_now(&mut self) {
        self.pending = true;
    }

    /// Return whether any is owed, now or later.
    pub(crate) const fn is_owed(&self) -> bool {
        self.pending || self.segments > 0
    }

    /// Return whether one is to be sent.
    pub(crate) const fn is_pending(&self) -> bool {
        self.pending
    }

    /// Record that a segment was sent, which carries an acknowledgement.
    pub(crate) fn on_sent(&mut self) {
        *self = Self { quick: self.quick, ..Self::new() };
    }

    /// Return when an acknowledgement that waits is due.
    pub(crate) const fn deadline(&self) -> Option<Time> {
        self.deadline
    }

    /// Send one whose time has come.
    pub(crate) fn on_deadline(&mut self, now: Time) {
        self.pending |= self.deadline.take_if(|deadline| *deadline <= now).is_some();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after_quick_start() -> Acks {
        Acks { quick: 0, ..Acks::new() }
    }

    #[test]
    fn the_first_sixteen_segments_are_acknowledged_at_once() {
        let mut acks = Acks::new();
        for segment in 1..=17 {
            acks.on_segment(false);
            acks.end_batch(Time::ZERO);
            assert_eq!(acks.is_pending(), segment <= 16, "segment {segment}");
            if acks.is_pending() {
                acks.on_sent();
            }
        }
    }

    #[test]
    fn a_single_segment_waits_forty_milliseconds_and_two_do_not() {
        let mut acks = after_quick_start();
        acks.on_segment(false);
        acks.end_batch(Time::ZERO);
        assert_eq!((acks.is_pending(), acks.deadline()), (false, Some(Time::ZERO + DELAY)));
        acks.on_segment(false);
        acks.end_batch(Time::ZERO);
        assert!(acks.is_pending());
        acks.on_sent();
        assert_eq!((acks.is_pending(), acks.deadline()), (false, None));
        acks.on_segment(false);
        acks.end_batch(Time::ZERO);
        acks.on_deadline(Time::ZERO + DELAY);
        assert!(acks.is_pending());
    }

    #[test]
    fn a_segment_out_of_order_is_acknowledged_at_the_end_of_its_batch() {
        let mut acks = after_quick_start();
        acks.on_segment(true);
        assert!(!acks.is_pending());
        acks.end_batch(Time::ZERO);
        assert!(acks.is_pending());
    }
}
