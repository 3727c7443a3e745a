//! Two stacks, each the inner side of a device, over loopback: what one dials, the other forwards to a socket of this
//! host or hands to a listener.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "what cannot be set up is a failure of its own"
)]

mod captures;
mod datagrams;
mod names;
mod node;
mod proxies;
mod streams;
