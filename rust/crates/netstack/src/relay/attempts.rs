//! The dial of a relay: the addresses that were not tried, and those that are being connected to.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use crate::dial::{Dial, Failure};
use crate::slab::Id;
use crate::stream::Stream;
use crate::wheel::Timer;

/// A dial in progress.
pub(super) struct Dialling {
    pub(super) dial: Dial,
    pub(super) attempts: Vec<Attempt>,
    pub(super) timer: Option<Timer>,
    pub(super) untried: VecDeque<SocketAddr>,
    pub(super) next_attempt: Duration,
    pub(super) deadline: Duration,
    pub(super) failure: Failure,
}

/// An address that is being connected to.
pub(super) struct Attempt {
    pub(super) end: Id,
    pub(super) stream: Stream,
    pub(super) remote: SocketAddr,
}

impl Dialling {
    pub(super) fn new(dial: Dial, now: Duration) -> Self {
        Self {
            untried: dial.addresses.iter().copied().collect(),
            deadline: now + dial.timeout,
            dial,
            attempts: Vec::new(),
            timer: None,
            next_attempt: now,
            failure: Failure::Unreachable,
        }
    }
}
