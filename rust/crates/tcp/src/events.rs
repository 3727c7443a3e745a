//! The events of a connection that its user has not taken.

use crate::status::{Event, Reset};

/// Events, each at most once, in the order in which they are taken.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Events {
    connected: bool,
    readable: bool,
    writable: bool,
    peer_closed: bool,
    reset: Option<Reset>,
    timed_out: bool,
    closed: bool,
}

impl Events {
    /// Record an event.
    pub(crate) fn add(&mut self, event: Event) {
        match event {
            Event::Connected => self.connected = true,
            Event::Readable => self.readable = true,
            Event::Writable => self.writable = true,
            Event::PeerClosed => self.peer_closed = true,
            Event::Reset(reason) => self.reset = Some(reason),
            Event::TimedOut => self.timed_out = true,
            Event::Closed => self.closed = true,
        }
    }

    /// Take the next event: bytes come before the end of them.
    pub(crate) fn take(&mut self) -> Option<Event> {
        let flags = [
            (&mut self.connected, Event::Connected),
            (&mut self.readable, Event::Readable),
            (&mut self.writable, Event::Writable),
            (&mut self.peer_closed, Event::PeerClosed),
        ];
        if let Some((flag, event)) = flags.into_iter().find(|(flag, _)| **flag) {
            *flag = false;
            return Some(event);
        }
        if let Some(reason) = self.reset.take() {
            return Some(Event::Reset(reason));
        }
        if core::mem::take(&mut self.timed_out) {
            return Some(Event::TimedOut);
        }
        core::mem::take(&mut self.closed).then_some(Event::Closed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_event_is_taken_once_and_bytes_come_before_the_end() {
        let mut events = Events::default();
        for event in [Event::Closed, Event::PeerClosed, Event::Readable, Event::Readable, Event::Reset(Reset::Peer)] {
            events.add(event);
        }
        let taken: Vec<_> = core::iter::from_fn(|| events.take()).collect();
        assert_eq!(taken, [Event::Readable, Event::PeerClosed, Event::Reset(Reset::Peer), Event::Closed]);
    }
}
