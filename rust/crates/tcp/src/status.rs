//! What a connection reports: events for its user, and a status for traces and tests.

use core::time::Duration;

/// The state of a connection (RFC 9293, section 3.3.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// A SYN was sent, or is to be sent.
    SynSent,
    /// A SYN was received, and the SYN-ACK is not acknowledged.
    SynReceived,
    /// Data passes both ways.
    Established,
    /// This side closed; its FIN is not acknowledged.
    FinWait1,
    /// This side closed; its FIN is acknowledged.
    FinWait2,
    /// The other side closed.
    CloseWait,
    /// Both sides closed at once; the FIN of this side is not acknowledged.
    Closing,
    /// Both sides closed, the other first; the FIN of this side is not acknowledged.
    LastAck,
    /// Both sides closed, this one first; late segments are still answered.
    TimeWait,
    /// There is no connection.
    Closed,
}

/// Why a connection was reset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reset {
    /// The other side refused the connection.
    Refused,
    /// The other side reset it.
    Peer,
}

/// What happened on a connection. Each is reported once until it happens again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// The handshake is complete.
    Connected,
    /// There are bytes to read that were not there before.
    Readable,
    /// The send buffer, which was full, has room.
    Writable,
    /// The other side closed: after the readable bytes there are no more.
    PeerClosed,
    /// The connection was reset. Nothing more can be written; the readable bytes stay.
    Reset(Reset),
    /// The other side did not answer for the user timeout. The connection is closed.
    TimedOut,
    /// Both sides closed, and everything was acknowledged.
    Closed,
}

/// A snapshot of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Status {
    /// The state.
    pub state: State,
    /// The greatest payload of a segment that is sent, in bytes.
    pub mss: u32,
    /// The congestion window, in bytes.
    pub congestion_window: u64,
    /// The pacing rate in bytes per second; `u64::MAX` if sending is not paced.
    pub pacing_rate: u64,
    /// The phase of the algorithm of congestion control.
    pub phase: &'static str,
    /// Bytes sent and neither acknowledged nor deemed lost.
    pub in_flight: u64,
    /// The window that the other side offers, in bytes.
    pub send_window: u32,
    /// The window that this side offers, in bytes.
    pub receive_window: u32,
    /// The smoothed round-trip time.
    pub srtt: Option<Duration>,
    /// The least round-trip time.
    pub min_rtt: Option<Duration>,
    /// The retransmission timeout without backoff.
    pub rto: Duration,
    /// Bytes in the send buffer, sent or not.
    pub unacknowledged: usize,
    /// Bytes in the receive buffer that can be read.
    pub readable: usize,
    /// Segments that were sent again.
    pub retransmitted_segments: u64,
    /// Retransmission timeouts.
    pub timeouts: u64,
}
