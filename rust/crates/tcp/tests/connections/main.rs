//! Connections as a whole: against each other over bad paths, and against segments made by hand.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used)]

mod blackouts;
mod closing;
mod handshake;
mod hosts;
mod loss;
mod options;
mod peer;
mod sequence;
mod storms;
mod transfers;
mod windows;
