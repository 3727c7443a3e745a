//! Owners whose route takes no long trains, as when each datagram of one needs fragments: they are sent singly, and tried
//! again now and then, for routes change.

use std::collections::HashMap;
use std::hash::Hash;

use rustix::io::Errno;

/// Doubts that a limit outlives with no train to try it; one a second, so that a person can still read of it.
const DOUBTS: u32 = 60;

/// What the kernel would not cut, by owner; empty as a rule.
pub(super) struct Limits<Owner> {
    of: HashMap<Owner, Limit>,
}

#[derive(Clone, Copy)]
struct Limit {
    /// The shortest datagram of which a train was refused.
    bytes: usize,
    errno: Errno,
    /// How often it was doubted since. If ever, the next train goes out and shows whether it still holds.
    doubts: u32,
}

impl<Owner: Copy + Eq + Hash> Limits<Owner> {
    pub(super) fn new() -> Self {
        Self { of: HashMap::new() }
    }

    /// Whether a datagram of this length is to go singly.
    pub(super) fn forbid(&self, owner: Owner, bytes: usize) -> bool {
        !self.of.is_empty() && self.of.get(&owner).is_some_and(|limit| limit.doubts == 0 && bytes >= limit.bytes)
    }

    /// A train of datagrams of this length was refused, and they passed singly.
    pub(super) fn refused(&mut self, owner: Owner, bytes: usize, errno: Errno) {
        let limit = self.of.entry(owner).or_insert(Limit { bytes, errno, doubts: 0 });
        *limit = Limit { bytes: bytes.min(limit.bytes), errno, doubts: 0 };
    }

    /// A train of datagrams of this length passed.
    pub(super) fn passed(&mut self, owner: Owner, bytes: usize) {
        if !self.of.is_empty() && self.of.get(&owner).is_some_and(|limit| bytes >= limit.bytes) {
            self.of.remove(&owner);
        }
    }

    /// Puts all on trial. One that nothing tried for long is forgotten, as its owner may be gone.
    pub(super) fn doubt(&mut self) {
        self.of.retain(|_, limit| {
            limit.doubts += 1;
            limit.doubts <= DOUBTS
        });
    }

    pub(super) fn clear(&mut self) {
        self.of.clear();
    }

    /// Why there are any; of several reasons always the same one.
    pub(super) fn reason(&self) -> Option<String> {
        let errno = self.of.values().map(|limit| limit.errno).min_by_key(|errno| errno.raw_os_error())?;
        Some(format!("the route to a peer rejects large batches: {errno}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_ones_go_singly_until_the_trial() {
        let mut limits = Limits::new();
        limits.refused(1, 1400, Errno::INVAL);
        limits.refused(1, 1452, Errno::MSGSIZE);
        assert_eq!([1399, 1400, 1452].map(|bytes| limits.forbid(1, bytes)), [false, true, true]);
        assert!(!limits.forbid(2, 1452), "another owner");
        limits.doubt();
        assert!(!limits.forbid(1, 1452));
    }

    #[test]
    fn a_trial_ends_it_or_starts_it_anew() {
        let mut limits = Limits::new();
        limits.refused(1, 1400, Errno::MSGSIZE);
        for _ in 0..3 {
            limits.doubt();
            limits.passed(1, 1399);
            limits.refused(1, 1400, Errno::MSGSIZE);
            assert!(limits.forbid(1, 1400));
        }
        assert_eq!(limits.reason().unwrap(), "the route to a peer rejects large batches: Message too long (os error 90)");
        limits.doubt();
        limits.passed(1, 1400);
        assert_eq!((limits.forbid(1, 1400), limits.reason()), (false, None));
    }

    #[test]
    fn who_sends_nothing_is_forgotten() {
        let mut limits = Limits::new();
        limits.refused(1, 1400, Errno::MSGSIZE);
        for _ in 0..DOUBTS {
            limits.doubt();
            assert!(limits.reason().is_some(), "told while it is on trial");
        }
        limits.doubt();
        assert!(limits.reason().is_none());
    }
}
