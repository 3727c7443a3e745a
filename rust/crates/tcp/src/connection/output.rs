//! What is sent: RST, SYN, data, acknowledgements.
//!
//! Segments of data carry no SACK blocks, so that those of a batch are equal; an acknowledgement with blocks is sent
//! before them as a segment of its own.

use super::Connection;
use crate::options::{Options, Timestamps};
use crate::segment::{Flags, Header};
use crate::seq::Seq;
use crate::status::State;
use crate::time::Time;
use crate::timestamps::stamp;

impl Connection {
    /// Give up to `max` segments to `send`, the payload in two parts. If it gives that many, there may be more.
    pub fn take_segments(&mut self, max: usize, now: Time, send: &mut impl FnMut(&Header, (&[u8], &[u8]))) {
        let mut left = max;
        if left > 0
            && let Some(reset) = self.reset.take()
        {
            send(&reset, (&[], &[]));
            left -= 1;
        }
        match self.state {
            State::Closed => {}
            State::SynSent | State::SynReceived => self.send_syn(left, now, send),
            _ => self.send_synchronized(left, now, send),
        }
    }

    fn send_syn(&mut self, left: usize, now: Time, send: &mut impl FnMut(&Header, (&[u8], &[u8]))) {
        if !self.handshake.is_due || left == 0 {
            return;
        }
        let is_answer = self.state == State::SynReceived;
        let flags = if is_answer { Flags::SYN | Flags::ACK } else { Flags::SYN };
        let timestamps = if is_answer { self.agreed.timestamps } else { self.config.timestamps };
        let options = Options { timestamps: timestamps.then(|| self.timestamps(now)), ..self.syn_options() };
        let window = self.receiver.offer_unscaled();
        let ack = if is_answer { self.receiver.next() } else { Seq(0) };
        send(&self.header(self.handshake.isn, ack, flags, window, options), (&[], &[]));
        self.on_syn_sent(now);
    }

    fn send_synchronized(&mut self, mut left: usize, now: Time, send: &mut impl FnMut(&Header, (&[u8], &[u8]))) {
        let was_waiting = self.sender.is_waiting();
        if self.lifetime.owes_probe && left > 0 {
            self.lifetime.owes_probe = false;
            self.send_empty(self.sender.next() - 1, now, send);
            left -= 1;
        }
        if self.acks.is_pending() && self.receiver.has_sack_blocks() && self.agreed.sack && left > 0 {
            self.send_empty(self.sender.next(), now, send);
            left -= 1;
        }
        left = self.send_data(left, now, send);
        if (self.acks.is_pending() || self.owes_challenge) && left > 0 {
            self.send_empty(self.sender.next(), now, send);
        }
        self.update_sent_fin();
        if !was_waiting && self.sender.is_waiting() {
            self.lifetime.progress = now;
        }
    }

    /// Send data, and return how many segments may still be sent.
    fn send_data(&mut self, mut left: usize, now: Time, send: &mut impl FnMut(&Header, (&[u8], &[u8]))) -> usize {
        let stamp = self.stamp(now);
        while left > 0 {
            let Some(transmission) = self.sender.next_transmission(stamp, now) else {
                self.sender.watch_window(now);
                self.sender.note_idle();
                break;
            };
            let mut flags = Flags::ACK;
            if transmission.push {
                flags |= Flags::PSH;
            }
            if transmission.fin {
                flags |= Flags::FIN;
            }
            let header = self.acknowledging_header(transmission.seq, flags, now);
            send(&header, self.sender.payload(&transmission));
            left -= 1;
        }
        left
    }

    /// Send a segment without data.
    fn send_empty(&mut self, seq: Seq, now: Time, send: &mut impl FnMut(&Header, (&[u8], &[u8]))) {
        let mut header = self.acknowledging_header(seq, Flags::ACK, now);
        if self.agreed.sack {
            header.options.sack = self.receiver.sack_blocks();
        }
        send(&header, (&[], &[]));
        self.owes_challenge = false;
    }

    /// Return a header with the current acknowledgement and window, and record that it is sent.
    fn acknowledging_header(&mut self, seq: Seq, flags: Flags, now: Time) -> Header {
        let options =
            Options { timestamps: self.agreed.timestamps.then(|| self.timestamps(now)), ..Options::default() };
        let window = self.receiver.offer();
        self.last_ack_sent = self.receiver.next();
        self.acks.on_sent();
        self.header(seq, self.last_ack_sent, flags, window, options)
    }

    pub(super) fn header(&self, seq: Seq, ack: Seq, flags: Flags, window: u16, options: Options) -> Header {
        Header { source_port: self.ports.local, destination_port: self.ports.remote, seq, ack, flags, window, options }
    }

    fn timestamps(&self, now: Time) -> Timestamps {
        Timestamps { value: self.stamp(now), echo: self.recent.map_or(0, |recent| recent.value()) }
    }

    fn stamp(&self, now: Time) -> u32 {
        stamp(self.config.timestamp_offset, now)
    }

    /// Follow the FIN of this side in the state.
    pub(super) fn update_sent_fin(&mut self) {
        if self.sender.fin_is_sent() {
            self.state = match self.state {
                State::Established => State::FinWait1,
                State::CloseWait => State::LastAck,
                state => state,
            };
        }
    }
}
