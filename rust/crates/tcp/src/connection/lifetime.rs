//! The end of a connection, by its user, by silence, or after TIME-WAIT.

use core::time::Duration;

use super::Connection;
use crate::options::Options;
use crate::segment::Flags;
use crate::seq::Seq;
use crate::status::{Event, State};
use crate::time::Time;
use crate::time_wait::{TIME_WAIT, TimeWait};

/// How long data may stay without an acknowledgement (RFC 9293, section 3.8.3).
const USER_TIMEOUT: Duration = Duration::from_secs(120);
/// The same while the other side's window is closed: its application may be slow.
const ZERO_WINDOW_TIMEOUT: Duration = Duration::from_secs(15 * 60);
/// After how long without a segment the other side is asked whether it is there (section 3.8.4).
const KEEPALIVE_IDLE: Duration = Duration::from_secs(120);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(15);
const KEEPALIVE_PROBES: u32 = 3;
/// How long a side that has closed waits without a segment for the other to close.
const FIN_WAIT_2: Duration = Duration::from_secs(60);

impl Connection {
    /// Close this side after everything that was written (FIN). The other side may go on to send.
    pub fn shutdown(&mut self) {
        self.sender.close();
    }

    /// Reset the connection: an RST is to be taken, and nothing is readable or writable any more.
    pub fn abort(&mut self) {
        self.receiver.clear();
        match self.state {
            State::Closed => {}
            State::SynReceived => self.refuse(),
            _ => self.reset_and_end(Event::Closed),
        }
    }

    /// Answer the SYN by an RST instead of a SYN-ACK.
    pub fn refuse(&mut self) {
        if self.state != State::SynReceived {
            return;
        }
        let seq = if self.handshake.attempts > 0 { self.handshake.isn + 1 } else { Seq(0) };
        self.reset = Some(self.header(seq, self.receiver.next(), Flags::RST | Flags::ACK, 0, Options::default()));
        self.end(Event::Closed);
    }

    /// Return what a connection in TIME-WAIT leaves, so that the connection itself can be dropped.
    #[must_use]
    pub fn time_wait(&self) -> Option<TimeWait> {
        (self.state == State::TimeWait && !self.acks.is_owed()).then(|| {
            let recent = self.recent.map(|recent| recent.value());
            TimeWait::new(self.sender.next(), self.receiver.next(), recent, &self.config, self.lifetime.time_wait)
        })
    }

    /// Return when [`on_deadline`](Self::on_deadline) and then [`take_segments`](Self::take_segments) are to be called at
    /// the latest.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Time> {
        if self.state == State::Closed {
            return None;
        }
        let deadlines =
            [self.sender.next_deadline(), self.acks.deadline(), self.handshake.deadline, self.lifetime_deadline()];
        deadlines.into_iter().flatten().min()
    }

    /// Process the timers that have expired.
    pub fn on_deadline(&mut self, now: Time) {
        if self.state == State::Closed {
            return;
        }
        self.on_handshake_deadline(now);
        self.acks.on_deadline(now);
        if self.is_synchronized() {
            self.sender.on_deadline(now);
        }
        if self.lifetime_deadline().is_some_and(|deadline| deadline <= now) {
            self.on_lifetime_deadline();
        }
    }

    fn lifetime_deadline(&self) -> Option<Time> {
        let lifetime = &self.lifetime;
        match self.state {
            State::Closed => None,
            State::SynReceived if self.handshake.is_held => None,
            State::SynSent | State::SynReceived => Some(lifetime.progress + USER_TIMEOUT),
            State::TimeWait => Some(lifetime.time_wait + TIME_WAIT),
            State::FinWait2 => Some(lifetime.heard + FIN_WAIT_2),
            _ if self.sender.is_waiting() => {
                let is_shut = self.sender.window() == 0;
                Some(lifetime.progress + if is_shut { ZERO_WINDOW_TIMEOUT } else { USER_TIMEOUT })
            }
            _ => Some(lifetime.heard.max(lifetime.progress) + KEEPALIVE_IDLE + KEEPALIVE_INTERVAL * lifetime.probes),
        }
    }

    fn on_lifetime_deadline(&mut self) {
        let may_probe = matches!(self.state, State::Established | State::CloseWait) && !self.sender.is_waiting();
        if self.state == State::TimeWait {
            self.end(Event::Closed);
        } else if may_probe && self.lifetime.probes < KEEPALIVE_PROBES {
            self.lifetime.probes += 1;
            self.lifetime.owes_probe = true;
        } else {
            self.reset_and_end(Event::TimedOut);
        }
    }

    /// End the connection, and tell the other side if it ever had it.
    fn reset_and_end(&mut self, event: Event) {
        if self.is_synchronized() && self.state != State::TimeWait {
            let flags = Flags::RST | Flags::ACK;
            self.reset = Some(self.header(self.sender.next(), self.receiver.next(), flags, 0, Options::default()));
        }
        self.end(event);
    }

    /// End the connection for good. What was received stays readable.
    pub(super) fn end(&mut self, event: Event) {
        self.state = State::Closed;
        self.sender.clear();
        self.handshake.deadline = None;
        self.owes_challenge = false;
        self.events.add(event);
    }
}
