//! The sessions of one peer, so that a new one takes over with no packet lost (section 6.3).
//!
//! The initiator uses a session from the moment it has derived it. The responder waits: only the first packet under it
//! shows that the initiator has derived it too. What was under way with the old session still arrives.

use std::time::Duration;

use crate::session::Session;

/// At most three sessions.
#[derive(Default)]
pub(crate) struct Keypairs {
    current: Option<Box<Session>>,
    previous: Option<Box<Session>>,
    /// Ours as a responder, unconfirmed.
    next: Option<Box<Session>>,
}

impl Keypairs {
    /// Takes in a session just derived. Local indices that are no longer in use go to `retired`.
    pub(crate) fn add(&mut self, session: Session, retired: &mut impl FnMut(u32)) {
        let new = Some(Box::new(session));
        if new.as_ref().is_some_and(|session| session.initiator) {
            // A pending one as responder is fresher than the current one: the far end may be using it already.
            let displaced = match self.next.take() {
                Some(next) => {
                    retire(self.current.take(), retired);
                    Some(next)
                }
                None => self.current.take(),
            };
            retire(std::mem::replace(&mut self.previous, displaced), retired);
            self.current = new;
        } else {
            retire(std::mem::replace(&mut self.next, new), retired);
            retire(self.previous.take(), retired);
        }
    }

    /// The session to send with at `boot`.
    pub(crate) fn sending(&mut self, boot: Duration) -> Option<&mut Session> {
        self.current.as_deref_mut().filter(|session| session.may_send(boot))
    }

    /// The session that is sent with, be it still good or not.
    pub(crate) fn current(&self) -> Option<&Session> {
        self.current.as_deref()
    }

    /// The session that a packet with this index is of.
    pub(crate) fn by_index(&mut self, index: u32) -> Option<&mut Session> {
        [&mut self.current, &mut self.previous, &mut self.next]
            .into_iter()
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
        retire(std::mem::replace(&mut self.previous, old), retired);
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
        for session in [self.current.take(), self.previous.take(), self.next.take()] {
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
    use crate::noise::SessionKeys;
    use zeroize::Zeroizing;

    fn session(index: u32, initiator: bool) -> Session {
        let keys = SessionKeys { sending: Zeroizing::new([1; 32]), receiving: Zeroizing::new([2; 32]) };
        Session::new(keys, index, 0, initiator, Duration::ZERO)
    }

    fn indices(keypairs: &Keypairs) -> [u32; 3] {
        [&keypairs.previous, &keypairs.current, &keypairs.next].map(|s| s.as_ref().map_or(0, |s| s.local_index))
    }

    #[test]
    fn a_responder_waits_for_the_first_packet() {
        let (mut keypairs, mut retired) = (Keypairs::default(), Vec::new());
        let mut retire = |index| retired.push(index);
        keypairs.add(session(1, false), &mut retire);
        assert!(keypairs.sending(Duration::ZERO).is_none());
        assert!(keypairs.confirm(1, &mut retire));
        assert!(!keypairs.confirm(1, &mut retire));
        keypairs.add(session(2, false), &mut retire);
        assert_eq!(indices(&keypairs), [0, 1, 2]);
        keypairs.confirm(2, &mut retire);
        assert_eq!(indices(&keypairs), [1, 2, 0]);
        assert!(keypairs.by_index(1).is_some(), "late packets still open");
        keypairs.add(session(3, false), &mut retire);
        assert_eq!((indices(&keypairs), retired), ([0, 2, 3], vec![1]));
    }

    #[test]
    fn an_initiator_sends_at_once_and_keeps_what_may_be_in_use() {
        let (mut keypairs, mut retired) = (Keypairs::default(), Vec::new());
        let mut retire = |index| retired.push(index);
        keypairs.add(session(1, true), &mut retire);
        keypairs.add(session(2, true), &mut retire);
        assert_eq!(indices(&keypairs), [1, 2, 0]);
        keypairs.add(session(3, false), &mut retire);
        keypairs.add(session(4, true), &mut retire);
        assert_eq!(indices(&keypairs), [3, 4, 0]);
        keypairs.clear(&mut retire);
        assert_eq!(retired, [1, 2, 4, 3]);
    }
}
