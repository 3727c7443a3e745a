//! The sending half of a connection: what is sent when, and what becomes of it.
//!
//! | rule | file |
//! |---|---|
//! | RFC 9293, 3.8.6: window, zero-window probes, silly-window avoidance; 3.10.4: data and FIN in order | `send/transmit` |
//! | RFC 5681, 6582, 6675, 8985: acknowledgements, loss, recovery; RFC 3522: spurious retransmission | `send/acknowledge` |
//! | RFC 6298, RFC 8985, section 7: timeout, tail loss probe | `send/timers` |

mod acknowledge;
mod timers;
mod transmit;

use core::time::Duration;

use crate::congestion::{Algorithm, Congestion};
use crate::growth::Growth;
use crate::options::SackBlock;
use crate::pace::Pacer;
use crate::pool::Pool;
use crate::rack::Rack;
use crate::ring::Ring;
use crate::rtt::Rtt;
use crate::scoreboard::Scoreboard;
use crate::seq::Seq;
use crate::time::Time;

/// The parts of a segment that concern the sending half.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Acknowledgement<'a> {
    /// The sequence number of the segment.
    pub(crate) seq: Seq,
    /// The acknowledgement number.
    pub(crate) ack: Seq,
    /// The window in bytes.
    pub(crate) window: u32,
    /// The blocks of a selective acknowledgement.
    pub(crate) sack: &'a [SackBlock],
    /// The timestamp that is echoed.
    pub(crate) echo: Option<u32>,
    /// Whether the segment has neither data nor a FIN.
    pub(crate) is_pure: bool,
}

/// A segment to be sent now. It is recorded as sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Transmission {
    /// The sequence number of the first byte.
    pub(crate) seq: Seq,
    /// The size of the payload in bytes.
    pub(crate) len: u32,
    /// Whether the FIN follows the payload.
    pub(crate) fin: bool,
    /// Whether nothing is left to send after it.
    pub(crate) push: bool,
}

/// How far this side is with closing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fin {
    /// More may be written.
    Open,
    /// The FIN follows the data.
    Queued,
    /// The FIN was sent.
    Sent,
}

/// A time in which the congestion window is reduced because of a loss.
#[derive(Debug, Clone, Copy)]
struct Episode {
    /// SND.NXT at its beginning; its acknowledgement ends the recovery.
    point: Seq,
    /// Whether the recovery is over. Then the episode only waits for the proof that it was spurious.
    is_over: bool,
    /// The first segment that was sent again.
    first: Option<FirstRetransmission>,
    /// Segments sent again.
    retransmitted: u32,
    /// How many of them the other side reported as duplicates.
    duplicates: u32,
}

/// The first retransmission of an episode (RFC 3522, section 3.2, step 2).
#[derive(Debug, Clone, Copy)]
struct FirstRetransmission {
    /// Its timestamp.
    stamp: u32,
    /// The sequence number after the segment.
    end: Seq,
}

/// A tail loss probe that is not acknowledged (RFC 8985, section 7.1).
#[derive(Debug, Clone, Copy)]
struct TailProbe {
    /// SND.NXT when it was sent.
    end: Seq,
    /// Whether it was sent before.
    is_retransmission: bool,
}

/// Deadlines.
#[derive(Debug, Clone, Copy, Default)]
struct Timers {
    retransmission: Option<Time>,
    tail_probe: Option<Time>,
    reordering: Option<Time>,
    persist: Option<Time>,
    /// Zero-window probes since the window was open.
    persist_count: u32,
    /// When pacing releases the next segment, while one waits for that.
    release: Option<Time>,
}

/// What the handshake has found for sending.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Negotiated {
    /// The greatest payload of a segment, options deducted, in bytes.
    pub(crate) mss: u32,
    /// Whether selective acknowledgements are used.
    pub(crate) sack: bool,
}

/// Counts for traces.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Counts {
    /// Segments sent again.
    pub(crate) retransmitted: u64,
    /// Retransmission timeouts.
    pub(crate) timeouts: u64,
}

/// The sending half. It begins with the first byte of data, after the SYN.
#[derive(Debug)]
pub(crate) struct Sender {
    ring: Ring,
    growth: Growth,
    /// Whether a writer found the buffer full.
    is_blocked: bool,
    fin: Fin,
    /// SND.UNA.
    una: Seq,
    /// SND.NXT.
    next: Seq,
    /// SND.WND in bytes, with the segment by which it was set (SND.WL1, SND.WL2).
    window: u32,
    window_seq: Seq,
    window_ack: Seq,
    /// The greatest window that was offered.
    max_window: u32,
    negotiated: Negotiated,
    board: Scoreboard,
    rtt: Rtt,
    rack: Rack,
    congestion: Congestion,
    algorithm: Algorithm,
    episode: Option<Episode>,
    /// One segment may be sent again beyond the congestion window (RFC 6298, section 5.4; RFC 6675, section 5, step 4.3).
    owes_retransmission: bool,
    /// Duplicate acknowledgements in a row, for a connection without selective acknowledgements.
    duplicate_acks: u64,
    tail_probe: Option<TailProbe>,
    /// Whether a probe is to be sent.
    owes_tail_probe: bool,
    owes_window_probe: bool,
    /// When one byte beyond the window was sent that is not in the scoreboard.
    window_probed: Option<Time>,
    timers: Timers,
    pacer: Pacer,
    last_sent: Time,
    counts: Counts,
}

impl Sender {
    /// Create the half of a connection whose data starts with the sequence number `next`. Nothing may be sent before the
    /// other side has offered a window.
    pub(crate) fn new(
        pool: Pool,
        growth: Growth,
        next: Seq,
        negotiated: Negotiated,
        algorithm: Algorithm,
        now: Time,
    ) -> Self {
        Self {
            ring: Ring::new(pool),
            growth,
            is_blocked: false,
            fin: Fin::Open,
            una: next,
            next,
            window: 0,
            window_seq: Seq(0),
            window_ack: next,
            max_window: 0,
            negotiated,
            board: Scoreboard::default(),
            rtt: Rtt::new(now),
            rack: Rack::default(),
            congestion: Congestion::new(algorithm, negotiated.mss, now),
            algorithm,
            episode: None,
            owes_retransmission: false,
            duplicate_acks: 0,
            tail_probe: None,
            owes_tail_probe: false,
            owes_window_probe: false,
            window_probed: None,
            timers: Timers::default(),
            pacer: Pacer::default(),
            last_sent: now,
            counts: Counts::default(),
        }
    }

    /// Begin to send: the handshake is complete. `rtt` is the round-trip time of the SYN, unless it was sent twice.
    pub(crate) fn establish(&mut self, negotiated: Negotiated, rtt: Option<Duration>, now: Time) {
        self.negotiated = negotiated;
        self.congestion = Congestion::new(self.algorithm, negotiated.mss, now);
        self.congestion.set_selective_acks(negotiated.sack);
        match rtt {
            Some(rtt) => {
                self.rtt.sample(rtt, now);
                self.congestion.on_handshake(rtt, now);
            }
            None => self.rtt.syn_was_lost(),
        }
    }

    /// Set the window that the other side offers, from a segment of the handshake.
    pub(crate) fn set_window(&mut self, window: u32, seq: Seq, ack: Seq) {
        (self.window, self.window_seq, self.window_ack) = (window, seq, ack);
        self.max_window = self.max_window.max(window);
    }

    /// Change the greatest payload of a segment. What is in flight and larger is cut when it is sent again.
    pub(crate) fn set_mss(&mut self, mss: u32) {
        if mss < self.negotiated.mss {
            self.board.cut(mss);
        }
        self.negotiated.mss = mss;
        self.congestion.set_mss(mss);
    }

    /// Append bytes, and return how many there was room for.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> usize {
        let count = bytes.len().min(self.room());
        self.ring.write(&bytes[..count]);
        self.is_blocked |= count < bytes.len();
        count
    }

    /// Return free space, to be filled and committed.
    pub(crate) fn write_space(&mut self) -> (&mut [u8], &mut [u8]) {
        let room = self.room();
        self.is_blocked |= room == 0;
        self.ring.space(room)
    }

    /// Append the first `count` bytes of the space.
    pub(crate) fn commit_write(&mut self, count: usize) {
        let count = count.min(self.room());
        self.ring.commit(count);
    }

    /// Return the memory of the buffer, in bytes.
    pub(crate) const fn memory(&self) -> usize {
        self.ring.memory()
    }

    /// Return the free space, in bytes: none after the end was written.
    pub(crate) fn room(&self) -> usize {
        if self.fin == Fin::Open { self.growth.limit().saturating_sub(self.ring.len()) } else { 0 }
    }

    /// Return whether a writer who was refused may write again: there is room for a quarter of the buffer.
    pub(crate) fn take_writable(&mut self) -> bool {
        let writable = self.is_blocked && self.room() >= (self.growth.limit() / 4).max(1);
        self.is_blocked &= !writable;
        writable
    }

    /// Change the greatest size of the buffer.
    pub(crate) fn set_max_buffer(&mut self, bytes: usize) {
        self.growth.set_max(bytes);
    }

    /// Send a FIN after everything that was written.
    pub(crate) fn close(&mut self) {
        if self.fin == Fin::Open {
            self.fin = Fin::Queued;
        }
    }

    /// Return whether the FIN was sent.
    pub(crate) fn fin_is_sent(&self) -> bool {
        self.fin == Fin::Sent
    }

    /// Return whether the FIN was acknowledged.
    pub(crate) fn fin_is_acknowledged(&self) -> bool {
        self.fin == Fin::Sent && self.una == self.next
    }

    /// Return whether something waits for an acknowledgement, or for a window.
    pub(crate) fn is_waiting(&self) -> bool {
        !self.board.is_empty() || self.timers.persist.is_some()
    }

    /// Drop everything that was not sent or not acknowledged.
    pub(crate) fn clear(&mut self) {
        self.ring.clear();
        self.board = Scoreboard::default();
        self.timers = Timers::default();
        (self.owes_tail_probe, self.owes_window_probe) = (false, false);
    }

    /// Return SND.UNA.
    pub(crate) const fn una(&self) -> Seq {
        self.una
    }

    /// Return SND.NXT.
    pub(crate) const fn next(&self) -> Seq {
        self.next
    }

    /// Return the window that the other side offers, in bytes.
    pub(crate) const fn window(&self) -> u32 {
        self.window
    }

    /// Return the estimate of the round-trip time.
    pub(crate) const fn rtt(&self) -> &Rtt {
        &self.rtt
    }

    /// Return the congestion control.
    pub(crate) const fn congestion(&self) -> &Congestion {
        &self.congestion
    }

    /// Return the counts.
    pub(crate) const fn counts(&self) -> Counts {
        self.counts
    }

    /// Return how many bytes are in the buffer.
    pub(crate) const fn buffered(&self) -> usize {
        self.ring.len()
    }

    /// Return the greatest payload of a segment, in bytes.
    pub(crate) const fn mss(&self) -> u32 {
        self.negotiated.mss
    }

    /// Return the bytes on their way. Without selective acknowledgements each duplicate acknowledgement says that a
    /// segment has left the path (RFC 5681, section 3.2).
    pub(crate) fn in_flight(&self) -> u64 {
        self.board.in_flight().saturating_sub(self.duplicate_acks * u64::from(self.negotiated.mss))
    }

    fn in_recovery(&self) -> bool {
        self.episode.is_some_and(|episode| !episode.is_over)
    }
}
