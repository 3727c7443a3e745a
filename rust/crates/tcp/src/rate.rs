//! Delivery-rate samples (draft-ietf-ccwg-bbr, section 4.1; before that draft-cheng-iccrg-delivery-rate-estimation).
//!
//! A sample is the volume delivered between the sending of a segment and its acknowledgement, over the longer of the time
//! in which it was sent and the time in which it was acknowledged. So neither a burst of segments nor a burst of
//! acknowledgements makes a path look faster than it is.

use crate::time::Time;

/// What the sampler knew when a segment was sent. It is kept with the segment until that is acknowledged or lost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SentState {
    /// Bytes delivered so far (`P.delivered`).
    pub delivered: u64,
    /// When the last of them were acknowledged (`P.delivered_time`).
    pub delivered_at: Time,
    /// When the flight that this segment belongs to began to be sent (`P.first_send_time`).
    pub first_sent_at: Time,
    /// Bytes marked lost so far (`P.lost`).
    pub lost: u64,
    /// Bytes in flight, this segment included (`P.tx_in_flight`).
    pub in_flight: u64,
    /// Whether the application had left the path idle (`P.is_app_limited`).
    pub is_app_limited: bool,
}
