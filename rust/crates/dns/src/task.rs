//! A lookup on a thread of its own.

use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, OnceLock};

use rustix::event::{EventfdFlags, eventfd};

use crate::client::{Query, look_up};
use crate::lookup::LookupError;

/// A lookup that runs; dropping it cancels it. Its descriptor is readable once it has ended.
#[derive(Debug)]
pub struct Task {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    ended: OwnedFd,
    cancelled: OwnedFd,
    outcome: OnceLock<Result<Vec<IpAddr>, LookupError>>,
}

impl Task {
    /// Start a lookup.
    ///
    /// # Errors
    /// The system has no descriptor or no thread left.
    pub fn start(query: Query) -> io::Result<Self> {
        let event = || eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC);
        let shared = Arc::new(Shared { ended: event()?, cancelled: event()?, outcome: OnceLock::new() });
        let task = Self { shared: Arc::clone(&shared) };
        std::thread::Builder::new().name("dns-lookup".into()).spawn(move || shared.run(&query))?;
        Ok(task)
    }

    /// Return the addresses in the order in which to try them, or the error; None until the lookup has ended.
    #[must_use]
    pub fn outcome(&self) -> Option<&Result<Vec<IpAddr>, LookupError>> {
        self.shared.outcome.get()
    }
}

impl Shared {
    fn run(&self, query: &Query) {
        if let Some(outcome) = look_up(query, self.cancelled.as_fd()) {
            let _ = self.outcome.set(outcome);
            signal(&self.ended);
        }
    }
}

fn signal(event: &OwnedFd) {
    // A counter of an eventfd that is written once cannot overflow.
    let _ = rustix::io::write(event, &1u64.to_ne_bytes());
}

impl Drop for Task {
    fn drop(&mut self) {
        signal(&self.shared.cancelled);
    }
}

impl AsFd for Task {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.shared.ended.as_fd()
    }
}
