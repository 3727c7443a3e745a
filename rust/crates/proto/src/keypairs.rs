//! The sessions of one peer, so that a new one takes over with no packet lost (section 6.3).
//!
//! The initiator uses a session from the moment it has derived it. The responder waits: only the first packet under it
//! shows that the initiator has derived it too. What was under way with the old session still arrives.

use std::time::Duration;

use crate::session::Session;

/// Sessions kept that were in use before the current one. Three, for when both sides start at the same moment: then each
/// sends under a session of its own, two new ones displace these two, and packets of all are still under way.
const PREVIOUS: usize = 3;

/// At most five sessions; two in the usual case. Expired ones go when others come.
#[derive(Default)]
pub(crate) struct Keypairs {
    current: Option<Box<Session>>,
    /// Newest first.
    previous: [Option<Box<Session>>; PREVIOUS],
    /// Ours as a responder, unconfirmed.
    next: Option<Box<Session>>,
}

impl Keypairs {
    /// Takes in a session that we began: it is used from now on. Local indices that are no longer in use go to `retired`.
    pub(crate) fn add_as_initiator(&mut self, session: Session, retired: &mut impl FnMut(u32)) {
        let boot = session.born();
        let old = self.current.replace(Box::new(session));
        self.demote(old, retired);
        // Both sides began at once: the far end sends under the one that it began.
        let pending = self.next.take();
        self.demote(pending, retired);
        self.retire_expired(boot, retired);
    }

    /// Takes in a session that the far end began: it is used once confirmed.
    pub(crate) fn add_as_responder(&mut self, session: Session, retired: &mut impl FnMut(u32)) {
        let boot = session.born();
        retire(self.next.replace(Box::new(session)), retired);
        self.retire_expired(boot, retired);
    }

    /// A previous session that can open nothing any more has no reason to keep its keys.
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

    /// The session to send `packets` with at `boot`.
    pub(crate) fn sending(&mut self, packets: u64, boot: Duration) -> Option<&mut Session> {
        self.current.as_deref_mut().filter(|session| session.may_send(packets, boot))
    }

    /// The session that is sent with, be it still good or not.
    pub(crate) fn current(&self) -> Option<&Session> {
        self.current.as_deref()
    }

    /// The session that a packet with this index is of.
    pub(crate) fn by_index(&mut self, index: u32) -> Option<&mut Session> {
        [&mut self.current, &mut self.next]
            .into_iter()
            .chain(&mut self.previous)
            .filter_map(Option::as_deref_mut)
            .find(|session| session.local_index == index)
    }

    /// An authentic packet came under the session of `index`. True if it confirms the pending session, which is now
    /// the current one.
    pub(crate) fn confirm(&mut self, index: u32, retired: &mut impl FnMut(u32)) -> bool {
        if self.next.as_ref().is_none_or(|next| next.local_index != index) {
            return false;
        }
        let old = std::mem::replace(&mut self.current, self.next.take());
        self.demote(old, retired);
        true
    }

    /// Nothing more is sent with these keys; what is under way may still arrive.
    pub(crate) fn stop_sending(&mut self) {
        for session in [&mut self.current, &mut self.next].into_iter().flatten() {
            session.stop_sending();
        }
    }

    /// Wipes all.
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

    /// The previous ones, oldest first; the current; the next.
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
    fn an_initiator_sends_at_once_and_keeps_what_may_be_in_use() {
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
