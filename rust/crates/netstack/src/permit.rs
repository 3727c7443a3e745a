//! Places for a bounded number of connections. A place is held until its permit is dropped, wherever that is then.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A number of places.
#[derive(Debug, Default)]
pub(crate) struct Permits {
    used: Arc<AtomicUsize>,
}

/// One place.
#[derive(Debug)]
pub struct Permit {
    used: Arc<AtomicUsize>,
}

impl Permits {
    /// Take a place; `None` if all `max` are taken.
    pub(crate) fn take(&self, max: usize) -> Option<Permit> {
        let next = |used: usize| (used < max).then_some(used + 1);
        self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next).ok()?;
        Some(Permit { used: Arc::clone(&self.used) })
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.used.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_free_again_once_its_permit_is_dropped() {
        let permits = Permits::default();
        let taken: Vec<_> = (0..3).map(|_| permits.take(2)).collect();
        assert_eq!(taken.iter().map(Option::is_some).collect::<Vec<_>>(), [true, true, false]);
        drop(taken);
        assert!(permits.take(1).is_some());
    }
}
