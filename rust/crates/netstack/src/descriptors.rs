//! The descriptors that this process may open: each flow needs one.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Descriptors that are left to everything else.
const RESERVED: u64 = 256;

/// Raise the limit of this process to its hard limit (RLIMIT_NOFILE), and return how many flows it allows.
pub(crate) fn raise_limit() -> usize {
    let limit = getrlimit(Resource::Nofile);
    // A limit that may not be raised stays.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
    let current = getrlimit(Resource::Nofile).current;
    current.map_or(usize::MAX, |count| count.saturating_sub(RESERVED).max(1) as usize)
}
