//! One connection.

use crate::config::Config;
use crate::segment::{Header, Ports, Segment};
use crate::status::{Event, State, Status};
use crate::time::Time;
use core::time::Duration;

/// One side of a connection, without a socket or a clock.
///
/// Segments of a batch are given to [`receive`](Self::receive), then [`end_batch`](Self::end_batch) decides whether to
/// acknowledge. [`take_segments`](Self::take_segments) gives what is to be sent now; it is called after each of the other
/// methods that change something. Deadlines are those of `next_deadline`.
#[derive(Debug)]
pub struct Connection {
    config: Config,
    ports: Ports,
    state: State,
}

impl Connection {
    /// Start a connection: its SYN is to be taken.
    #[must_use]
    pub fn connect(config: &Config, ports: Ports, _isn: u32, _now: Time) -> Self {
        Self { config: config.clone(), ports, state: State::SynSent }
    }

    /// Answer a SYN: the SYN-ACK is to be taken after [`confirm`](Self::confirm). `None` if the segment is no SYN.
    #[must_use]
    pub fn accept(config: &Config, syn: &Segment<'_>, _isn: u32, _now: Time) -> Option<Self> {
        let ports = Ports { local: syn.header.destination_port, remote: syn.header.source_port };
        Some(Self { config: config.clone(), ports, state: State::SynReceived })
    }

    /// Let the SYN-ACK be sent.
    pub fn confirm(&mut self, _now: Time) {}

    /// Let an RST be sent instead of the SYN-ACK.
    pub fn refuse(&mut self) {}

    /// Process a segment. Acknowledgements wait until [`end_batch`](Self::end_batch).
    pub fn receive(&mut self, _segment: &Segment<'_>, _now: Time) {}

    /// End a batch of received segments.
    pub fn end_batch(&mut self, _now: Time) {}

    /// Give up to `max` segments to `send`, the payload in two parts.
    pub fn take_segments(&mut self, _max: usize, _now: Time, _send: &mut impl FnMut(&Header, (&[u8], &[u8]))) {}

    /// Return when [`on_deadline`](Self::on_deadline) or [`take_segments`](Self::take_segments) is to be called at the
    /// latest.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Time> {
        None
    }

    /// Process the timers that have expired.
    pub fn on_deadline(&mut self, _now: Time) {}

    /// Append bytes to the send buffer, and return how many it took.
    pub fn write(&mut self, _bytes: &[u8]) -> usize {
        0
    }

    /// Return the free space of the send buffer, to be filled and committed. It may be less than the whole.
    pub fn write_space(&mut self) -> (&mut [u8], &mut [u8]) {
        (&mut [], &mut [])
    }

    /// Append the first `count` bytes of [`write_space`](Self::write_space) to the send buffer.
    pub fn commit_write(&mut self, _count: usize) {}

    /// Return the bytes that were received in order. It may be less than the whole.
    #[must_use]
    pub fn readable(&self) -> (&[u8], &[u8]) {
        (&[], &[])
    }

    /// Remove the first `count` bytes of [`readable`](Self::readable).
    pub fn consume(&mut self, _count: usize, _now: Time) {}

    /// Close this side after everything that was written (FIN).
    pub fn shutdown(&mut self) {}

    /// Reset the connection (RST).
    pub fn abort(&mut self) {}

    /// Return what happened, one event after the other.
    pub fn take_event(&mut self) -> Option<Event> {
        None
    }

    /// Change the greatest payload of a segment, as when the path's MTU changed.
    pub fn set_mss(&mut self, mss: u16) {
        self.config.mss = mss;
    }

    /// Return a snapshot for traces and tests.
    #[must_use]
    pub fn status(&self) -> Status {
        Status {
            state: self.state,
            mss: u32::from(self.config.mss),
            congestion_window: 0,
            pacing_rate: u64::MAX,
            phase: "",
            in_flight: 0,
            send_window: u32::from(self.ports.remote),
            receive_window: 0,
            srtt: None,
            min_rtt: None,
            rto: Duration::from_secs(1),
            unacknowledged: 0,
            readable: 0,
            retransmitted_segments: 0,
            timeouts: 0,
        }
    }
}
