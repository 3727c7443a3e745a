//! Which server to ask first: those that failed lately stand behind the others.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::{Duration, Instant};

/// How long a server that was silent or unreachable stands behind the others. A shorter time would cost a timeout of
/// every other query beside a dead server; a longer one keeps a server that is back from its place.
pub const PENALTY: Duration = Duration::from_secs(30);

/// The servers that failed, with the time of their last failure.
#[derive(Debug, Clone)]
pub struct Health<S> {
    failed: HashMap<S, Instant>,
}

impl<S> Default for Health<S> {
    fn default() -> Self {
        Self { failed: HashMap::new() }
    }
}

impl<S: Clone + Eq + Hash> Health<S> {
    /// Note that a server was silent, unreachable, or sent what cannot be read.
    pub fn note_failure(&mut self, server: &S, now: Instant) {
        self.failed.retain(|_, failure| now < *failure + PENALTY);
        self.failed.insert(server.clone(), now);
    }

    /// Note that a server answered.
    pub fn note_answer(&mut self, server: &S) {
        self.failed.remove(server);
    }

    /// Return the places of the servers in the order in which to ask them.
    ///
    /// Those without a failure keep the given order; the others follow, the one whose failure is oldest first.
    #[must_use]
    pub fn order(&self, servers: &[S], now: Instant) -> Vec<usize> {
        let mut order: Vec<usize> = (0..servers.len()).collect();
        order
            .sort_by_key(|place| self.failed.get(&servers[*place]).copied().filter(|failure| now < *failure + PENALTY));
        order
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_failed_stands_behind_the_others_until_it_answers_or_time_has_passed() {
        let (start, second, mut health) = (Instant::now(), Duration::from_secs(1), Health::default());
        let order = |health: &Health<char>, now| health.order(&['a', 'b', 'c'], now);
        assert_eq!(order(&health, start), [0, 1, 2]);
        health.note_failure(&'a', start);
        assert_eq!(order(&health, start), [1, 2, 0]);
        health.note_failure(&'b', start + second);
        assert_eq!(order(&health, start + second), [2, 0, 1]);
        assert_eq!(order(&health, start + PENALTY), [0, 2, 1]);
        health.note_answer(&'b');
        assert_eq!(order(&health, start + second), [1, 2, 0]);
    }
}
