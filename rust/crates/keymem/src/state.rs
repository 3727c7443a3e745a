//! What can be told of the key memory of this process.

use std::fmt;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

/// Slots given back since the process began.
static WIPED: AtomicU64 = AtomicU64::new(0);

/// The key memory of this process at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct State {
    /// Octets of keys.
    pub used_bytes: usize,
    /// Octets of pages for keys.
    pub mapped_bytes: usize,
    /// Octets of those pages that are locked.
    pub locked_bytes: usize,
    /// What the kernel refused last, of what some of these pages lack.
    pub refusal: Option<Refusal>,
}

/// What the kernel refused to do with a page for keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusal {
    /// The call, with the advice that it was to give.
    pub call: &'static str,
    /// Its `errno`.
    pub errno: i32,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.call, io::Error::from_raw_os_error(self.errno))
    }
}

/// How many keys of this process have been forgotten so far: who remembers the number sees whether there were more since.
#[must_use]
pub fn wiped_count() -> u64 {
    WIPED.load(Ordering::Relaxed)
}

pub(crate) fn count_wiped() {
    WIPED.fetch_add(1, Ordering::Relaxed);
}
