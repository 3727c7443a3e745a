//! The state of the key memory of this process.

use std::fmt;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

/// Slots freed since the start of the process.
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
    /// The last refusal of the kernel that concerns some of these pages.
    pub refusal: Option<Refusal>,
}

/// A measure that the kernel refused for a page of keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusal {
    /// The system call, with its advice.
    pub call: &'static str,
    /// Its `errno`.
    pub errno: i32,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.call, io::Error::from_raw_os_error(self.errno))
    }
}

/// Return the number of keys wiped so far; an increase means that more have been wiped since.
#[must_use]
pub fn wiped_count() -> u64 {
    WIPED.load(Ordering::Relaxed)
}

pub(crate) fn count_wiped() {
    WIPED.fetch_add(1, Ordering::Relaxed);
}
