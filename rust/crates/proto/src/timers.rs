//! The timers of a peer (section 6): events of the protocol set or clear them, and time makes them expire.

use std::time::Duration;

/// The age at which the initiator renews a session (section 6.1).
pub(crate) const REKEY_AFTER_TIME: Duration = Duration::from_secs(120);
/// The age at which a session is rejected (section 6.1).
pub(crate) const REJECT_AFTER_TIME: Duration = Duration::from_secs(180);
/// How long a handshake is retried after the first attempt (section 6.1).
pub(crate) const REKEY_ATTEMPT_TIME: Duration = Duration::from_secs(90);
/// Delay between two attempts of a handshake (section 6.1).
pub(crate) const REKEY_TIMEOUT: Duration = Duration::from_secs(5);
/// After this long an empty packet is sent in place of a reply (section 6.1).
pub(crate) const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(10);
/// The age at which a peer that received but did not send renews, early enough to finish before the end (section 6.2).
pub(crate) const RENEW_ON_RECEIPT: Duration =
    Duration::from_secs(REJECT_AFTER_TIME.as_secs() - KEEPALIVE_TIMEOUT.as_secs() - REKEY_TIMEOUT.as_secs());
/// Upper limit of the random delay of a retry, so that two hosts do not collide repeatedly (section 6.1).
const JITTER_MILLISECONDS: u64 = 334;
/// How long after the last handshake all keys are wiped (section 6.3).
const WIPE_AFTER: Duration = Duration::from_secs(3 * REJECT_AFTER_TIME.as_secs());
/// Attempts of a handshake after the first.
const RETRIES: u32 = (REKEY_ATTEMPT_TIME.as_secs() / REKEY_TIMEOUT.as_secs()) as u32;

/// An expired timer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Due {
    /// The handshake got no response: retry (section 6.4).
    RetryHandshake,
    /// It got none in 90 seconds of retries: stop (section 6.4).
    GiveUp,
    /// We sent and received nothing: the peer may have lost the session (section 6.3).
    NewHandshake,
    /// Something was received and nothing sent since (section 6.5).
    Keepalive,
    /// The configured interval has passed.
    PersistentKeepalive,
    /// The keys are too old to keep.
    Wipe,
}

/// Deadlines of one peer, as times of [`crate::clock::Now::boot`].
#[derive(Default)]
pub(crate) struct Timers {
    retry_handshake: Option<Duration>,
    new_handshake: Option<Duration>,
    keepalive: Option<Duration>,
    persistent: Option<Duration>,
    wipe: Option<Duration>,
    attempts: u32,
    last_initiation: Option<Duration>,
    /// Whether the early renewal of this session was requested.
    pub(crate) renewed_on_receipt: bool,
    /// The configured interval; zero is off.
    pub(crate) persistent_keepalive: Duration,
}

impl Timers {
    /// Return the earliest deadline.
    pub(crate) fn next(&self) -> Option<Duration> {
        [self.retry_handshake, self.new_handshake, self.keepalive, self.persistent, self.wipe]
            .into_iter()
            .flatten()
            .min()
    }

    /// Take one expired timer. Called until it returns `None`.
    pub(crate) fn take_due(&mut self, boot: Duration) -> Option<Due> {
        if take(&mut self.retry_handshake, boot) {
            if self.attempts >= RETRIES {
                self.keepalive = None;
                self.wipe.get_or_insert(boot + WIPE_AFTER);
                return Some(Due::GiveUp);
            }
            self.attempts += 1;
            return Some(Due::RetryHandshake);
        }
        if take(&mut self.keepalive, boot) {
            return Some(Due::Keepalive);
        }
        if take(&mut self.new_handshake, boot) {
            return Some(Due::NewHandshake);
        }
        if take(&mut self.persistent, boot) {
            return (!self.persistent_keepalive.is_zero()).then_some(Due::PersistentKeepalive);
        }
        take(&mut self.wipe, boot).then_some(Due::Wipe)
    }

    /// Return whether a handshake may start now: not within 5 s of the last (section 6.1).
    pub(crate) fn may_initiate(&self, boot: Duration) -> bool {
        self.last_initiation.is_none_or(|last| boot >= last + REKEY_TIMEOUT)
    }

    /// Let the next handshake start at once.
    pub(crate) fn forget_last_initiation(&mut self) {
        self.last_initiation = None;
    }

    /// Start a new series of attempts of 90 seconds.
    pub(crate) fn begin_attempts(&mut self) {
        self.attempts = 0;
    }

    /// Record that an initiation was sent; `random` spreads the retry.
    pub(crate) fn initiation_sent(&mut self, boot: Duration, random: u64) {
        self.last_initiation = Some(boot);
        self.retry_handshake = Some(boot + REKEY_TIMEOUT + jitter(random));
        self.authenticated_sent(boot);
    }

    /// Record that a response was sent.
    pub(crate) fn response_sent(&mut self, boot: Duration) {
        self.last_initiation = Some(boot);
        self.authenticated_sent(boot);
    }

    /// Record that the peer has proven that it holds the keys of this session.
    pub(crate) fn handshake_completed(&mut self) {
        self.retry_handshake = None;
        self.attempts = 0;
        self.renewed_on_receipt = false;
    }

    /// Record that session keys were derived.
    pub(crate) fn session_derived(&mut self, boot: Duration) {
        self.wipe = Some(boot + WIPE_AFTER);
    }

    /// Record that an authenticated packet was sent, with data or without.
    pub(crate) fn authenticated_sent(&mut self, boot: Duration) {
        self.keepalive = None;
        self.traversed(boot);
    }

    /// Record that a packet with data was sent: the peer owes a reply.
    pub(crate) fn data_sent(&mut self, boot: Duration, random: impl FnOnce() -> u64) {
        self.new_handshake.get_or_insert_with(|| boot + KEEPALIVE_TIMEOUT + REKEY_TIMEOUT + jitter(random()));
    }

    /// Record that an authenticated packet was received, with data or without.
    pub(crate) fn authenticated_received(&mut self, boot: Duration) {
        self.new_handshake = None;
        self.traversed(boot);
    }

    /// Record that a packet with data was received: we owe a reply. The next packet sent is the reply to all before it.
    pub(crate) fn data_received(&mut self, boot: Duration) {
        self.keepalive.get_or_insert(boot + KEEPALIVE_TIMEOUT);
    }

    /// Change the interval; zero turns it off. A pending keepalive is due after the new interval.
    pub(crate) fn set_persistent_keepalive(&mut self, interval: Duration, boot: Duration) {
        if self.persistent_keepalive != interval {
            self.persistent_keepalive = interval;
            self.traversed(boot);
        }
    }

    /// Stop all timers, as when the interface goes down.
    pub(crate) fn stop(&mut self) {
        *self = Self { persistent_keepalive: self.persistent_keepalive, ..Self::default() };
    }

    /// Record that an authenticated packet was sent or received: the persistent keepalive is due an interval from now.
    pub(crate) fn traversed(&mut self, boot: Duration) {
        self.persistent = (!self.persistent_keepalive.is_zero()).then(|| boot + self.persistent_keepalive);
    }
}

fn take(timer: &mut Option<Duration>, boot: Duration) -> bool {
    let due = timer.is_some_and(|deadline| deadline <= boot);
    if due {
        *timer = None;
    }
    due
}

fn jitter(random: u64) -> Duration {
    Duration::from_millis(random % JITTER_MILLISECONDS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_handshake_is_retried_for_ninety_seconds() {
        let (mut timers, mut now, mut tries) = (Timers::default(), at(0), 0);
        timers.begin_attempts();
        loop {
            assert!(timers.may_initiate(now));
            timers.initiation_sent(now, 0);
            assert!(!timers.may_initiate(now + at(4)));
            now = timers.next().unwrap();
            match timers.take_due(now) {
                Some(Due::RetryHandshake) => tries += 1,
                Some(Due::GiveUp) => break,
                other => panic!("{other:?}"),
            }
        }
        assert_eq!((tries, now), (18, at(95)));
        assert_eq!(timers.next(), Some(at(95) + WIPE_AFTER), "then only the keys are left to wipe");
    }

    #[test]
    fn received_data_is_answered_once_within_ten_seconds() {
        let mut timers = Timers::default();
        timers.data_received(at(0));
        timers.data_received(at(3));
        assert_eq!(timers.take_due(at(9)), None);
        assert_eq!(timers.take_due(at(10)), Some(Due::Keepalive));
        timers.authenticated_sent(at(10));
        assert_eq!(timers.next(), None);
    }

    #[test]
    fn sending_without_a_reply_starts_a_handshake() {
        let mut timers = Timers::default();
        timers.data_sent(at(0), || 0);
        timers.data_sent(at(8), || 0);
        assert_eq!(timers.take_due(at(15)), Some(Due::NewHandshake));
        timers.data_sent(at(20), || 0);
        timers.authenticated_received(at(21));
        assert_eq!(timers.next(), None);
    }

    #[test]
    fn a_persistent_keepalive_follows_any_traffic() {
        let mut timers = Timers { persistent_keepalive: at(25), ..Timers::default() };
        timers.authenticated_sent(at(0));
        timers.authenticated_received(at(20));
        assert_eq!(timers.take_due(at(44)), None);
        assert_eq!(timers.take_due(at(45)), Some(Due::PersistentKeepalive));
        timers.persistent_keepalive = Duration::ZERO;
        timers.authenticated_sent(at(46));
        assert_eq!(timers.next(), None);
    }
}
