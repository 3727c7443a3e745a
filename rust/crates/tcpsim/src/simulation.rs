//! Two hosts, a link for each direction, and the time.

use core::time::Duration;

use tcp::Time;

use crate::host::Host;
use crate::link::Link;
use crate::monitor::Monitor;

/// Steps without progress of time after which a host is deemed to be in an endless loop.
const MAX_STEPS_AT_ONCE: u32 = 10_000;

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Both connections have ended.
    Ended,
    /// Nothing is under way and no timer runs, though a connection has not ended.
    Deadlock,
    /// The time is over.
    TimeOver,
}

/// Two hosts and the links between them.
#[derive(Debug)]
pub struct Simulation<A, B> {
    /// The first host.
    pub left: A,
    /// The second host.
    pub right: B,
    /// The link from the first to the second host, and the one back.
    pub links: [Link; 2],
    /// What checks the packets.
    pub monitor: Monitor,
    now: Time,
    steps_at_once: u32,
}

impl<A: Host, B: Host> Simulation<A, B> {
    /// Connect two hosts.
    #[must_use]
    pub const fn new(left: A, right: B, links: [Link; 2], monitor: Monitor) -> Self {
        Self { left, right, links, monitor, now: Time::ZERO, steps_at_once: 0 }
    }

    /// Return the time.
    #[must_use]
    pub const fn now(&self) -> Time {
        self.now
    }

    /// Return whether both connections have ended.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.left.has_ended() && self.right.has_ended()
    }

    /// Run until both connections have ended, at most for a time.
    pub fn run(&mut self, limit: Duration) -> Outcome {
        self.run_until(limit, |simulation| simulation.has_ended())
    }

    /// Run until a condition holds, at most for a time.
    pub fn run_until(&mut self, limit: Duration, condition: impl Fn(&Self) -> bool) -> Outcome {
        let end = self.now + limit;
        self.exchange();
        while !condition(self) {
            match self.next_event() {
                None => return Outcome::Deadlock,
                Some(next) if next > end => {
                    self.now = end;
                    return Outcome::TimeOver;
                }
                Some(next) => self.advance(next),
            }
            self.exchange();
        }
        Outcome::Ended
    }

    fn next_event(&self) -> Option<Time> {
        let links = self.links.iter().map(Link::next_arrival);
        links.chain([self.left.next_deadline(), self.right.next_deadline()]).flatten().min()
    }

    fn advance(&mut self, next: Time) {
        if next > self.now {
            (self.now, self.steps_at_once) = (next, 0);
        }
        self.steps_at_once += 1;
        assert!(self.steps_at_once < MAX_STEPS_AT_ONCE, "a host has a deadline that stays in the past");
    }

    /// Deliver what has arrived, process the timers that have expired, and take what is to be sent.
    fn exchange(&mut self) {
        let [to_right, to_left] = &mut self.links;
        drive(&mut self.left, 0, to_left, to_right, &mut self.monitor, self.now);
        drive(&mut self.right, 1, to_right, to_left, &mut self.monitor, self.now);
    }
}

fn drive(
    host: &mut impl Host,
    number: usize,
    incoming: &mut Link,
    outgoing: &mut Link,
    monitor: &mut Monitor,
    now: Time,
) {
    let mut is_batch = false;
    while let Some(packet) = incoming.receive(now) {
        monitor.on_received(number, &packet);
        host.receive(&packet, now);
        is_batch = true;
    }
    if is_batch {
        host.end_batch(now);
    }
    if host.next_deadline().is_some_and(|deadline| deadline <= now) {
        host.on_deadline(now);
    }
    host.transmit(now, &mut |packet| {
        monitor.on_sent(number, packet);
        outgoing.send(packet, now);
    });
}
