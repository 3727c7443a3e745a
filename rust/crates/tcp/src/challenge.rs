//! Limits for challenge ACKs (RFC 5961, section 7). There is no counter for the whole host, because an attacker off the
//! path could read from it whether another connection exists (CVE-2016-5696).

use core::time::Duration;

use crate::time::Time;

const SECOND: Duration = Duration::from_secs(1);
/// Challenge ACKs of one connection in a second.
const PER_FLOW: u32 = 10;
/// The least and the greatest limit of one peer in a second.
const PER_PEER: (u32, u32) = (50, 150);

/// The limit of one connection.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct FlowLimit {
    since: Time,
    sent: u32,
}

impl FlowLimit {
    /// Return whether one more may be sent, and count it.
    pub(crate) fn allow(&mut self, now: Time) -> bool {
        if now - self.since >= SECOND {
            *self = Self { since: now, sent: 0 };
        }
        self.sent += 1;
        self.sent <= PER_FLOW
    }
}

/// The limit of all connections of one peer. It is drawn anew each second, so that counting the answers tells nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct PeerLimit {
    second: Option<Time>,
    left: u32,
}

impl PeerLimit {
    /// Return whether one more may be sent, and count it. `random` gives a random number once in a second.
    pub fn allow(&mut self, now: Time, random: impl FnOnce() -> u32) -> bool {
        if self.second.is_none_or(|second| now - second >= SECOND) {
            self.second = Some(now);
            self.left = PER_PEER.0 + random() % (PER_PEER.1 - PER_PEER.0 + 1);
        }
        let allowed = self.left > 0;
        self.left = self.left.saturating_sub(1);
        allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_sends_ten_in_a_second() {
        let mut limit = FlowLimit::default();
        let start = Time::ZERO + Duration::from_secs(5);
        assert_eq!((0..100).filter(|_| limit.allow(start)).count(), 10);
        assert!(!limit.allow(start + Duration::from_millis(999)));
        assert!(limit.allow(start + SECOND));
    }

    #[test]
    fn a_peer_has_a_limit_that_is_drawn_each_second() {
        let mut limit = PeerLimit::default();
        for (second, random, expected) in
            [(0, 0, 50), (1, 100, 150), (2, 101, 50), (3, u32::MAX, 50 + (u32::MAX % 101) as usize)]
        {
            let now = Time::ZERO + SECOND * second;
            assert_eq!((0..1000).filter(|_| limit.allow(now, || random)).count(), expected);
        }
    }
}
