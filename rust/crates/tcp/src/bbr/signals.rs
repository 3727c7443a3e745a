//! What a flow keeps of recent losses (5.5.10 and 5.5.11).

use super::state::State;
use crate::rate::Sample;

/// What the last round trip has delivered and lost (2.9). Its rounds end apart from those of [`crate::round`]: the first loss
/// begins one.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Latest {
    /// The greatest rate (`BBR.bw_latest`).
    pub(super) bw: u64,
    /// The greatest volume between the sending of a segment and its acknowledgement (`BBR.inflight_latest`).
    pub(super) inflight: u64,
    /// The delivered bytes at which the round ends (`BBR.loss_round_delivered`).
    pub(super) round_end: u64,
    /// Whether the last acknowledgement ended a round (`BBR.loss_round_start`).
    pub(super) is_round_start: bool,
    /// Whether something was lost in the round (`BBR.is_loss_in_round`).
    pub(super) has_loss: bool,
    /// The acknowledgements with losses in the round.
    pub(super) loss_events: u32,
    /// The delivered bytes when recovery began.
    pub(super) recovery_start: u64,
}

impl Latest {
    /// Begin a round with the newest sample (`AdvanceLatestDeliverySignals`).
    pub(super) const fn advance(&mut self, sample: &Sample) {
        if self.is_round_start {
            (self.bw, self.inflight) = (sample.rate, sample.delivered);
        }
    }

    /// Forget the round (`ResetCongestionSignals`).
    pub(super) const fn reset(&mut self) {
        (self.has_loss, self.bw, self.inflight) = (false, 0, 0);
    }
}

/// What the flow knew before the losses of a recovery (2.14).
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Undo {
    /// Whether it is saved for the current recovery. The draft saves in each round with a loss, and so would restore what the
    /// losses of the round before have lowered.
    pub(super) is_saved: bool,
    /// The state that the losses ended (`BBR.undo_state`).
    pub(super) state: Option<State>,
    pub(super) bw_shortterm: u64,
    pub(super) inflight_shortterm: u64,
    pub(super) inflight_longterm: u64,
}
