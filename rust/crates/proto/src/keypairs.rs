//! The sessions of one peer, so that a new one replaces the old one without loss of packets (section 6.3).
//!
//! The initiator uses a session as soon as it is derived. The responder waits for the first packet of the session,
//! which shows that the initiator has derived it too. Packets in flight of the old session are still accepted.

use std::time::Duration;

use crate::session::Session;

/// Previous sessions that are kept. Three, for when both sides start at the same moment: then each sends with a session
/// of its own, two new ones replace these two, and packets of all are still in flight.
const PREVIOUS: usize = 3;

/// At most five sessions; usually two. Expired ones are removed when others are added.
#[derive(Default)]
pub(crate) struct Keypairs {
    current: Option<Box<Session>>,
    /// Newest first.
    previous: [Option<Box<Session>>; PREVIOUS],
    /// Ours as a responder, unconfirmed.
    next: Option<Box<Session>>,
}

impl Keypairs {
    /// Add a session that we started: it is used from now on. Local indices that are no longer in use go to `retired`.
    pub(crate) fn add_as_initiator(&mut self, session: Session, retired: &mut impl FnMut(u32)) {
        let boot = session.born();
        let old = self.current.replace(Box::new(session));
        self.demote(old, retired);
        // Both sides started at once: the peer sends with the session that it started.
        let pending = self.next.take();
        self.demote(pending, retired);
        self.retire_expired(boot, retired);
    }

    /// Add a session that the peer started: it is used once confirmed.
    pub(crate) fn add_as_responder(&mut self, session: Session, retired: &mut impl FnMut(u32)) {
        let boot = session.born();
        retire(self.next.replace(Box::new(session)), retired);
        self.retire_expired(boot, retired);
    }

    /// Drop the previous sessions that can open nothing any more.
    fn retire_expired(&mut self, boot: Duration, retired: &mut impl FnMut(u32)) {
        for slot in &mut self.previous {
            if slot.as_ref().is_some_and(|session| session.expired(boot)) {
                retire(slot.take(), retired);
            }
        }
    }

    fn demote(&mut self, session: Option<Box<Session>>, retired: &mut impl FnMut(u32)) {
        if session.is_some() {
            self.previous.rotate_right(1);
            retire(std::mem::replace(&mut self.previous[0], session), retired);
        }
    }

    /// Return the session to send `packets` with at `boot`.
    pub(crate) fn sending(&mut self, packets: u64, boot: Duration) -> Option<&mut Session> {
        self.current.as_deref_mut().filter(|session| session.may_send(packets, boot))
    }

    /// Return the session that is sent with, even if it has expired.
    pub(crate) fn current(&self) -> Option<&Session> {
        self.current.as_deref()
    }

    /// Return the session of a packet with this index.
    pub(crate) fn by_index(&mut self, index: u32) -> Option<&mut Session> {
        [&mut self.current, &mut self.next]
            .into_iter()
            .chain(&mut self.previous)
            .filter_map(Option::as_deref_mut)
            .find(|session| session.local_index == index)
    }

    /// Record an authentic packet of the session of `index`. Return true if it confirms the pending session, which
    /// becomes the current one.
    pub(crate) fn confirm(&mut self, index: u32, retired: &mut impl FnMut(u32)) -> bool {
        if self.next.as_ref().is_none_or(|next| next.local_index != index) {
            return false;
        }
        let old = std::mem::replace(&mut self.current, self.next.take());
        self.demote(old, retired);
        true
    }

    /// Stop sending with these keys; packets in flight are still accepted.
    pub(crate) fn stop_sending(&mut self) {
        for session in [&mut self.current, &mut self.next].into_iter().flatten() {
            session.stop_sending();
        }
    }

    /// Drop all sessions.
    pub(crate) fn clear(&mut self, retired: &mut impl FnMut(u32)) {
        let Self { current, previous: [a, b, c], next } = std::mem::take(self);
        for session in [current, a, b, c, next] {
            retire(session, retired);
        }
    }
}

fn retire(session: Option<Box<Session>>, retired: &mut impl FnMut(u32)) {
    if let Some(session) = session {
        retired(session.local_index);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::Secret;
    use crate::noise::SessionKeys;

    fn session(index: u32, initiator: bool) -> Session {
        let keys = SessionKeys { sending: Secret::from(&[1; 32]), receiving: Secret::from(&[2; 32]) };
        Session::new(keys, index, 0, initiator, Duration::ZERO)
    }

    /// Return the previous ones, oldest first; the current; the next.
    fn indices(keypairs: &Keypairs) -> [u32; 5] {
        let [a, b, c] = &keypairs.previous;
        [c, b, a, &keypairs.current, &keypairs.next].map(|s| s.as_ref().map_or(0, |s| s.local_index))
    }

    #[test]
    fn a_responder_waits_for_the_first_packet() {
        let (mut keypairs, mut retired) = (Keypairs::default(), Vec::new());
        let mut retire = |index| retired.push(index);
        keypairs.add_as_responder(session(1, false), &mut retire);
        assert!(keypairs.sending(1, Duration::ZERO).is_none());
        assert!(keypairs.confirm(1, &mut retire));
        assert!(!keypairs.confirm(1, &mut retire));
        keypairs.add_as_responder(session(2, false), &mut retire);
        assert_eq!(indices(&keypairs), [0, 0, 0, 1, 2]);
        keypairs.add_as_responder(session(3, false), &mut retire);
        keypairs.confirm(3, &mut retire);
        assert_eq!(indices(&keypairs), [0, 0, 1, 3, 0]);
        assert!(keypairs.by_index(1).is_some(), "late packets still open");
        for index in 4..7 {
            keypairs.add_as_responder(session(index, false), &mut retire);
            keypairs.confirm(index, &mut retire);
        }
        assert_eq!((indices(&keypairs), retired), ([3, 4, 5, 6, 0], vec![2, 1]));
    }

    #[test]
    fn an_initiator_sends_at_once_and_keeps_sessions_in_use() {
        let (mut keypairs, mut retired) = (Keypairs::default(), Vec::new());
        let mut retire = |index| retired.push(index);
        keypairs.add_as_initiator(session(1, true), &mut retire);
        keypairs.add_as_initiator(session(2, true), &mut retire);
        keypairs.add_as_responder(session(3, false), &mut retire);
        keypairs.add_as_initiator(session(4, true), &mut retire);
        assert_eq!(indices(&keypairs), [1, 2, 3, 4, 0]);
        keypairs.clear(&mut retire);
        assert_eq!(retired, [4, 3, 2, 1]);
    }
}
