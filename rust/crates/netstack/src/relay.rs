//! Streams between two sockets of the host: those of clients to addresses that this host dials itself.
//!
//! Nothing is held while both sides take what comes. What one side does not take at once is kept, at most one read of
//! it, and nothing more is read of the other side meanwhile.

mod attempts;
mod dialling;
mod direction;

use std::collections::VecDeque;
use std::io::IoSlice;

use crate::dial::{Dial, Failure};
use crate::poller::{Ready, Token};
use crate::relay::attempts::{Attempt, Dialling};
use crate::relay::direction::{Direction, Turn};
use crate::shared::Shared;
use crate::slab::{Id, Slab};
use crate::stream::Stream;

/// What is read of a side at once.
const READ_BYTES: usize = 64 << 10;
/// Relays that go on in one turn.
const RELAYS_PER_TURN: usize = 64;

/// The relays.
pub(crate) struct Relays {
    relays: Slab<Relay>,
    ends: Slab<End>,
    /// Relays that stopped because their turn was over.
    queue: VecDeque<Id>,
    buffer: Vec<u8>,
}

/// Whose a socket is.
struct End {
    relay: Id,
    is_client: bool,
}

enum Relay {
    Dialling(Dialling),
    Open(Open),
}

/// A relay whose outside is connected.
struct Open {
    client: Stream,
    outside: Stream,
    ends: [Id; 2],
    out: Direction,
    back: Direction,
    is_queued: bool,
}

impl Default for Relays {
    fn default() -> Self {
        Self { relays: Slab::default(), ends: Slab::default(), queue: VecDeque::new(), buffer: vec![0; READ_BYTES] }
    }
}

impl Relays {
    /// Return the number of relays, with those that are being dialled.
    pub(crate) fn len(&self) -> usize {
        self.relays.len()
    }

    /// Dial addresses of the outside, which were judged before.
    pub(crate) fn dial(&mut self, dial: Dial, shared: &mut Shared) {
        let id = self.relays.insert(Relay::Dialling(Dialling::new(dial, shared.now.boot)));
        self.start_attempt(id, shared);
    }

    /// Process an edge of a socket.
    pub(crate) fn ready(&mut self, end_id: Id, ready: Ready, shared: &mut Shared) {
        let Some(end) = self.ends.get(end_id) else { return };
        let (id, is_client) = (end.relay, end.is_client);
        match self.relays.get_mut(id) {
            Some(Relay::Dialling(_)) => self.attempt_ready(id, end_id, ready, shared),
            Some(Relay::Open(open)) => {
                if is_client {
                    open.client.note(ready);
                } else {
                    open.outside.note(ready);
                }
                self.pass(id);
            }
            None => {}
        }
    }

    /// Give a client the outside that was connected first.
    fn open(&mut self, id: Id, winner: Attempt, shared: &mut Shared) {
        let Some(Relay::Dialling(dialling)) = self.relays.remove(id) else { return };
        for attempt in &dialling.attempts {
            self.ends.remove(attempt.end);
        }
        if let Some(timer) = dialling.timer {
            shared.wheel.cancel(timer);
        }
        let Dial { client, mut caller, .. } = dialling.dial;
        let (answer, preface) = (caller.connected(winner.remote), caller.preface());
        let mut client = Stream::of_client(client, &mut *caller);
        // The stream is new and empty, so it takes a short answer whole.
        if client.write(&[IoSlice::new(&answer)]) != Ok(answer.len()) {
            self.ends.remove(winner.end);
            return;
        }
        let end = self.ends.insert(End { relay: id, is_client: true });
        let is_watched = shared.poller.add_edges(&client, Token::Relay(end)).is_ok();
        let id = self.relays.insert(Relay::Open(Open {
            client,
            outside: winner.stream,
            ends: [end, winner.end],
            out: Direction::new(preface),
            back: Direction::default(),
            is_queued: false,
        }));
        for end in [end, winner.end] {
            if let Some(end) = self.ends.get_mut(end) {
                end.relay = id;
            }
        }
        if is_watched { self.pass(id) } else { self.close(id, true) }
    }

    /// Pass what is there from each side to the other.
    fn pass(&mut self, id: Id) {
        let Some(Relay::Open(open)) = self.relays.get_mut(id) else { return };
        let out = open.out.pass(&mut open.client, &mut open.outside, &mut self.buffer);
        let back = open.back.pass(&mut open.outside, &mut open.client, &mut self.buffer);
        match (out, back) {
            (Turn::Broken, _) | (_, Turn::Broken) => self.close(id, true),
            (Turn::Ended, Turn::Ended) => self.close(id, false),
            (Turn::Over, _) | (_, Turn::Over) if !open.is_queued => {
                open.is_queued = true;
                self.queue.push_back(id);
            }
            _ => {}
        }
    }

    fn close(&mut self, id: Id, is_broken: bool) {
        let Some(Relay::Open(open)) = self.relays.remove(id) else { return };
        for end in open.ends {
            self.ends.remove(end);
        }
        if is_broken {
            open.client.reset();
            open.outside.reset();
        }
    }

    /// Return whether relays wait for their next turn.
    pub(crate) fn has_work(&self) -> bool {
        !self.queue.is_empty()
    }

    /// Go on with relays whose turn was over.
    pub(crate) fn progress(&mut self) {
        for _ in 0..RELAYS_PER_TURN.min(self.queue.len()) {
            let Some(id) = self.queue.pop_front() else { return };
            if let Some(Relay::Open(open)) = self.relays.get_mut(id) {
                open.is_queued = false;
                self.pass(id);
            }
        }
    }

    /// Tell a client why there is no connection.
    fn fail(&mut self, id: Id, failure: Failure, shared: &mut Shared) {
        let Some(Relay::Dialling(dialling)) = self.relays.remove(id) else { return };
        for attempt in &dialling.attempts {
            self.ends.remove(attempt.end);
        }
        if let Some(timer) = dialling.timer {
            shared.wheel.cancel(timer);
        }
        dialling.dial.fail(failure);
    }
}
