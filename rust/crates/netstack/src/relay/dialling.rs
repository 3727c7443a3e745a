//! Dials of a relay: all addresses are tried, 250 ms apart (RFC 8305, section 5), and the first that is connected wins.

use rustix::io::Errno;

use super::attempts::Attempt;
use super::{End, Relay, Relays};
use crate::dial::{ATTEMPT_DELAY, Failure};
use crate::poller::{Ready, Token};
use crate::shared::{Alarm, Shared};
use crate::slab::Id;
use crate::stream::Stream;

impl Relays {
    /// Try the next address that can be tried.
    pub(super) fn start_attempt(&mut self, id: Id, shared: &mut Shared) {
        while let Some(Relay::Dialling(dialling)) = self.relays.get_mut(id) {
            let Some(remote) = dialling.untried.pop_front() else { break };
            dialling.next_attempt = shared.now.boot + ATTEMPT_DELAY;
            let stream = match Stream::connect(remote) {
                Ok(stream) => stream,
                Err(errno) => {
                    dialling.failure = failure(errno);
                    continue;
                }
            };
            let end = self.ends.insert(End { relay: id, is_client: false });
            if shared.poller.add_edges(&stream, Token::Relay(end)).is_err() {
                self.ends.remove(end);
                dialling.failure = Failure::Limit;
                continue;
            }
            // One that is connected already is reported as writable too.
            dialling.attempts.push(Attempt { end, stream, remote });
            break;
        }
        self.wait(id, shared);
    }

    /// Set the timer of a dial, or end it if nothing is left to be tried.
    fn wait(&mut self, id: Id, shared: &mut Shared) {
        let Some(Relay::Dialling(dialling)) = self.relays.get_mut(id) else { return };
        if dialling.attempts.is_empty() && dialling.untried.is_empty() {
            let failure = dialling.failure;
            return self.fail(id, failure, shared);
        }
        let next = if dialling.untried.is_empty() { dialling.deadline } else { dialling.next_attempt };
        let timer = shared.wheel.set(Alarm::Relay(id), next.min(dialling.deadline));
        if let Some(timer) = dialling.timer.replace(timer) {
            shared.wheel.cancel(timer);
        }
    }

    /// Process the timer of a dial: try the next address, or give up.
    pub(crate) fn on_alarm(&mut self, id: Id, shared: &mut Shared) {
        let Some(Relay::Dialling(dialling)) = self.relays.get_mut(id) else { return };
        dialling.timer = None;
        if dialling.deadline <= shared.now.boot {
            return self.fail(id, Failure::TimedOut, shared);
        }
        self.start_attempt(id, shared);
    }

    /// Process an edge of an attempt.
    pub(super) fn attempt_ready(&mut self, id: Id, end: Id, ready: Ready, shared: &mut Shared) {
        let Some(Relay::Dialling(dialling)) = self.relays.get_mut(id) else { return };
        let Some(index) = dialling.attempts.iter().position(|attempt| attempt.end == end) else { return };
        let stream = &mut dialling.attempts[index].stream;
        stream.note(ready);
        let outcome = if stream.is_connecting() { stream.finish_connecting() } else { Some(Ok(())) };
        match outcome {
            None => {}
            Some(Ok(())) => {
                let winner = dialling.attempts.swap_remove(index);
                self.open(id, winner, shared);
            }
            Some(Err(errno)) => {
                dialling.attempts.swap_remove(index);
                dialling.failure = failure(errno);
                self.ends.remove(end);
                self.start_attempt(id, shared);
            }
        }
    }
}

fn failure(errno: Errno) -> Failure {
    match errno {
        Errno::CONNREFUSED => Failure::Refused,
        Errno::NETUNREACH => Failure::NetworkUnreachable,
        Errno::TIMEDOUT => Failure::TimedOut,
        Errno::ACCESS | Errno::PERM => Failure::Prohibited,
        Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM => Failure::Limit,
        _ => Failure::Unreachable,
    }
}
