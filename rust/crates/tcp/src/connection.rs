//! One connection: its state, and what its user may do.
//!
//! | RFC 9293 | file |
//! |---|---|
//! | 3.5, 3.10.1: open | `connection/open` |
//! | 3.10.7: segment arrives | `connection/input` |
//! | what is sent, and with which header | `connection/output` |
//! | 3.10.4 to 3.10.6: close, abort; 3.8.3, 3.8.4: user timeout, keepalive; 3.6: TIME-WAIT | `connection/lifetime` |

mod input;
mod lifetime;
mod open;
mod output;
#[cfg(test)]
mod tests;

use core::time::Duration;

use crate::acks::Acks;
use crate::challenge::FlowLimit;
use crate::config::Config;
use crate::events::Events;
use crate::receive::Receiver;
use crate::segment::{Header, Ports, Segment};
use crate::send::Sender;
use crate::seq::Seq;
use crate::status::{Event, State, Status};
use crate::time::Time;
use crate::timestamps::Recent;

/// The round-trip time that is assumed before it was measured, for the growth of the receive window.
const ASSUMED_RTT: Duration = Duration::from_millis(100);

/// The exchange of SYNs.
#[derive(Debug, Clone, Copy)]
struct Handshake {
    /// The sequence number of the own SYN.
    isn: Seq,
    /// The SYN-ACK waits for `confirm`.
    is_held: bool,
    /// A SYN or SYN-ACK is to be sent.
    is_due: bool,
    /// When it is sent again.
    deadline: Option<Time>,
    /// How often it was sent, and when last.
    attempts: u32,
    sent_at: Time,
}

/// What both sides have agreed on.
#[derive(Debug, Clone, Copy, Default)]
struct Agreed {
    /// The other side's MSS option, raised to the least value that is believed.
    mss: u16,
    /// Both scale their windows; this is the shift of the other side's.
    window_shift: Option<u8>,
    timestamps: bool,
    sack: bool,
}

/// Times that end a connection.
#[derive(Debug, Clone, Copy)]
struct Lifetime {
    /// When the last segment arrived.
    heard: Time,
    /// When something was acknowledged last, or when the wait for that began.
    progress: Time,
    /// When TIME-WAIT began.
    time_wait: Time,
    /// Keepalive probes without an answer.
    probes: u32,
    /// A keepalive probe is to be sent.
    owes_probe: bool,
}

/// One side of a connection, without a socket or a clock.
///
/// Segments of a batch are given to [`receive`](Self::receive), then [`end_batch`](Self::end_batch) decides whether to
/// acknowledge. [`take_segments`](Self::take_segments) gives what is to be sent now; it is called after each of the other
/// methods that change something. Deadlines are those of [`next_deadline`](Self::next_deadline).
#[derive(Debug)]
pub struct Connection {
    config: Config,
    ports: Ports,
    state: State,
    handshake: Handshake,
    agreed: Agreed,
    receiver: Receiver,
    sender: Sender,
    /// The latest timestamp of the other side, if timestamps are used.
    recent: Option<Recent>,
    last_ack_sent: Seq,
    acks: Acks,
    challenge_limit: FlowLimit,
    owes_challenge: bool,
    /// An RST that is to be sent.
    reset: Option<Header>,
    events: Events,
    lifetime: Lifetime,
}

impl Connection {
    /// Process a segment. Acknowledgements wait until [`end_batch`](Self::end_batch).
    pub fn receive(&mut self, segment: &Segment<'_>, now: Time) {
        self.receive_into(segment, now, &mut |_| 0);
    }

    /// End a batch of received segments: decide whether to acknowledge them now (RFC 9293, section 3.8.6.3).
    pub fn end_batch(&mut self, now: Time) {
        self.acks.end_batch(now);
    }

    /// Append bytes to the send buffer, and return how many it took: none after [`shutdown`](Self::shutdown). If it took
    /// fewer than given, [`Event::Writable`] follows.
    pub fn write(&mut self, bytes: &[u8]) -> usize {
        if self.state == State::Closed { 0 } else { self.sender.write(bytes) }
    }

    /// Return free space of the send buffer, to be filled and committed. It may be less than the whole. If it is empty,
    /// [`Event::Writable`] follows.
    pub fn write_space(&mut self) -> (&mut [u8], &mut [u8]) {
        if self.state == State::Closed { (&mut [], &mut []) } else { self.sender.write_space() }
    }

    /// Append the first `count` bytes of [`write_space`](Self::write_space) to the send buffer.
    pub fn commit_write(&mut self, count: usize) {
        self.sender.commit_write(count);
    }

    /// Return the bytes that were received in order. It may be less than the whole, but not empty while there are some.
    #[must_use]
    pub fn readable(&self) -> (&[u8], &[u8]) {
        self.receiver.readable()
    }

    /// Remove the first `count` bytes of [`readable`](Self::readable). The window opens, and the other side learns of it
    /// when it is worth a segment (RFC 9293, section 3.8.6.2.2).
    pub fn consume(&mut self, count: usize, now: Time) {
        self.receiver.consume(count, self.receive_rtt(), now);
        if self.is_synchronized() && self.receiver.owes_update() {
            self.acks.send_now();
        }
    }

    /// Return what happened, one event after the other.
    pub fn take_event(&mut self) -> Option<Event> {
        self.events.take()
    }

    /// Change the greatest payload of a segment, as when the path's MTU changed.
    pub fn set_mss(&mut self, mss: u16) {
        self.config.mss = mss;
        self.sender.set_mss(self.segment_size());
    }

    /// Change the greatest size of the buffers, in bytes. What was offered or written stays.
    pub fn set_max_buffer(&mut self, bytes: usize) {
        self.receiver.set_max_buffer(bytes.min(self.max_window()));
        self.sender.set_max_buffer(bytes);
    }

    /// Return whether a challenge ACK is to be sent (RFC 5961), so that a limit for all connections of a peer can be
    /// applied (see [`PeerLimit`](crate::challenge::PeerLimit)).
    #[must_use]
    pub const fn owes_challenge(&self) -> bool {
        self.owes_challenge
    }

    /// Send no challenge ACK, because the limit of the peer is reached.
    pub fn refuse_challenge(&mut self) {
        self.owes_challenge = false;
    }

    /// Return how many bytes [`write`](Self::write) would take.
    #[must_use]
    pub fn write_room(&self) -> usize {
        if self.state == State::Closed { 0 } else { self.sender.room() }
    }

    /// Return the memory of both buffers, in bytes.
    #[must_use]
    pub const fn memory(&self) -> usize {
        self.receiver.memory() + self.sender.memory()
    }

    /// Return whether the other side may send nothing more, because its bytes were not read.
    #[must_use]
    pub fn is_window_closed(&self) -> bool {
        self.is_synchronized() && self.receiver.window() == 0 && self.receiver.readable_len() > 0
    }

    /// Return the greatest payload of a segment that is sent, in bytes.
    #[must_use]
    pub const fn mss(&self) -> u32 {
        self.sender.mss()
    }

    /// Return the ports.
    #[must_use]
    pub const fn ports(&self) -> Ports {
        self.ports
    }

    /// Return the state.
    #[must_use]
    pub const fn state(&self) -> State {
        self.state
    }

    /// Return whether the connection is closed and nothing is left to be sent, so that it can be dropped. Bytes may still
    /// be readable.
    #[must_use]
    pub const fn is_finished(&self) -> bool {
        matches!(self.state, State::Closed) && self.reset.is_none()
    }

    /// Return a snapshot for traces and tests.
    #[must_use]
    pub fn status(&self) -> Status {
        let (congestion, counts, rtt) = (self.sender.congestion(), self.sender.counts(), self.sender.rtt());
        Status {
            state: self.state,
            mss: self.sender.mss(),
            congestion_window: congestion.window(),
            pacing_rate: congestion.pacing_rate(),
            phase: congestion.phase(),
            in_flight: self.sender.in_flight(),
            send_window: self.sender.window(),
            receive_window: self.receiver.window(),
            srtt: rtt.smoothed(),
            min_rtt: rtt.min(),
            rto: rtt.base_timeout(),
            unacknowledged: self.sender.buffered(),
            readable: self.receiver.readable_len(),
            retransmitted_segments: counts.retransmitted,
            timeouts: counts.timeouts,
        }
    }

    const fn is_synchronized(&self) -> bool {
        !matches!(self.state, State::SynSent | State::SynReceived | State::Closed)
    }

    fn receive_rtt(&self) -> Duration {
        // A queue on the path makes the round trip longer than it was in the handshake, so two are counted as one.
        self.sender.rtt().smoothed().unwrap_or(ASSUMED_RTT) * 2
    }
}
