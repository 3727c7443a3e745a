//! Owners whose route rejects GSO batches of large datagrams, as when each of them needs fragments: those are sent one
//! by one. Batches are retried from time to time, since routes change.

use std::collections::HashMap;
use std::hash::Hash;

use rustix::io::Errno;

/// Expirations after which a limit that no batch has retried is removed; one per second, so that it stays visible for a
/// while.
const MAX_EXPIRATIONS: u32 = 60;

/// The limits by owner; usually empty.
pub(super) struct Limits<Owner> {
    of: HashMap<Owner, Limit>,
}

#[derive(Clone, Copy)]
struct Limit {
    /// The smallest datagram size of a rejected batch.
    bytes: usize,
    errno: Errno,
    /// Expirations since then. After at least one, the next batch is sent and shows whether the limit still holds.
    expirations: u32,
}

impl<Owner: Copy + Eq + Hash> Limits<Owner> {
    pub(super) fn new() -> Self {
        Self { of: HashMap::new() }
    }

    /// Return whether datagrams of this size must be sent one by one.
    pub(super) fn forbids(&self, owner: Owner, bytes: usize) -> bool {
        !self.of.is_empty() && self.of.get(&owner).is_some_and(|limit| limit.expirations == 0 && bytes >= limit.bytes)
    }

    /// Record that a batch of datagrams of this size was rejected, and that they passed one by one.
    pub(super) fn rejected(&mut self, owner: Owner, bytes: usize, errno: Errno) {
        let limit = self.of.entry(owner).or_insert(Limit { bytes, errno, expirations: 0 });
        *limit = Limit { bytes: bytes.min(limit.bytes), errno, expirations: 0 };
    }

    /// Record that a batch of datagrams of this size passed.
    pub(super) fn passed(&mut self, owner: Owner, bytes: usize) {
        if !self.of.is_empty() && self.of.get(&owner).is_some_and(|limit| bytes >= limit.bytes) {
            self.of.remove(&owner);
        }
    }

    /// Allow a retry for every limit, and remove those not retried for long, since the owner may be gone.
    pub(super) fn expire(&mut self) {
        self.of.retain(|_, limit| {
            limit.expirations += 1;
            limit.expirations <= MAX_EXPIRATIONS
        });
    }

    pub(super) fn clear(&mut self) {
        self.of.clear();
    }

    /// Return why there are limits; the choice among several reasons is stable.
    pub(super) fn reason(&self) -> Option<String> {
        let errno = self.of.values().map(|limit| limit.errno).min_by_key(|errno| errno.raw_os_error())?;
        Some(format!("the route to a peer rejects large batches: {errno}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_datagrams_are_sent_one_by_one_until_the_retry() {
        let mut limits = Limits::new();
        limits.rejected(1, 1400, Errno::INVAL);
        limits.rejected(1, 1452, Errno::MSGSIZE);
        assert_eq!([1399, 1400, 1452].map(|bytes| limits.forbids(1, bytes)), [false, true, true]);
        assert!(!limits.forbids(2, 1452), "another owner");
        limits.expire();
        assert!(!limits.forbids(1, 1452));
    }

    #[test]
    fn a_retry_removes_or_renews_the_limit() {
        let mut limits = Limits::new();
        limits.rejected(1, 1400, Errno::MSGSIZE);
        for _ in 0..3 {
            limits.expire();
            limits.passed(1, 1399);
            limits.rejected(1, 1400, Errno::MSGSIZE);
            assert!(limits.forbids(1, 1400));
        }
        assert_eq!(
            limits.reason().unwrap(),
            "the route to a peer rejects large batches: Message too long (os error 90)"
        );
        limits.expire();
        limits.passed(1, 1400);
        assert_eq!((limits.forbids(1, 1400), limits.reason()), (false, None));
    }

    #[test]
    fn the_limit_of_an_owner_that_sends_nothing_is_removed() {
        let mut limits = Limits::new();
        limits.rejected(1, 1400, Errno::MSGSIZE);
        for _ in 0..MAX_EXPIRATIONS {
            limits.expire();
            assert!(limits.reason().is_some(), "reported until it is removed");
        }
        limits.expire();
        assert!(limits.reason().is_none());
    }
}
