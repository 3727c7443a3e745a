//! BBR, version 3 (draft-ietf-ccwg-bbr, the editors' copy after version 06). Section numbers are of that draft.
//!
//! The flow models its path by the greatest rate of delivery and the least round-trip time of late, sends at that rate with
//! about one product of the two in flight, and looks every few seconds for more (5.3.3) and every ten for a shorter path
//! (5.3.4). Losses lower a short-term bound that lasts until the next probe; a loss rate above 2 % while probing lowers a
//! long-term bound on what is in flight (5.5.10).
//!
//! | section | rule | file |
//! |---|---|---|
//! | 5.1, 5.2 | states and events | `state`, `flow` |
//! | 5.3.1, 5.3.2 | Startup and Drain | `startup`, `full_pipe` |
//! | 5.3.3 | the cycle of bandwidth probes | `probe_bw`, `probe` |
//! | 5.3.4 | the probe of the round-trip time | `probe_rtt` |
//! | 5.5.2 – 5.5.9 | rate of delivery, round-trip time, aggregation of acknowledgements | `estimate`, `model`, `filter` |
//! | 5.5.10, 5.5.11 | losses, and those that were none | `loss`, `signals` |
//! | 5.6 | pacing rate and congestion window | `control` |

mod control;
mod estimate;
mod filter;
mod flow;
mod full_pipe;
mod loss;
mod model;
mod probe;
mod probe_bw;
mod probe_rtt;
mod signals;
mod startup;
mod state;
#[cfg(test)]
mod tests;

pub(crate) use self::flow::Bbr;
