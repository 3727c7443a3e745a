//! A segment arrives (RFC 9293, section 3.10.7), with the checks of RFC 5961 and RFC 7323 in their order.

use super::Connection;
use crate::options::Options;
use crate::segment::{Flags, Header, Segment};
use crate::send::Acknowledgement;
use crate::status::{Event, Reset, State};
use crate::time::Time;

impl Connection {
    /// Process a segment like [`receive`](Self::receive). Payload in order that nothing must precede is offered to `sink`
    /// at once, which returns how many bytes it took; the rest becomes readable.
    pub fn receive_into(&mut self, segment: &Segment<'_>, now: Time, sink: &mut impl FnMut(&[u8]) -> usize) {
        match self.state {
            State::Closed => {}
            State::SynSent => self.receive_in_syn_sent(segment, now),
            State::SynReceived if self.handshake.is_held => self.receive_while_held(segment),
            _ => self.receive_synchronized(segment, now, sink),
        }
    }

    /// RFC 9293, section 3.10.7.3.
    fn receive_in_syn_sent(&mut self, segment: &Segment<'_>, now: Time) {
        let header = &segment.header;
        let acknowledges = header.flags.contains(Flags::ACK);
        if acknowledges && header.ack != self.sender.next() {
            self.reset = segment.reset();
            return;
        }
        if header.flags.contains(Flags::RST) {
            if acknowledges {
                self.end(Event::Reset(Reset::Refused));
            }
            return;
        }
        if !header.flags.contains(Flags::SYN) {
            return;
        }
        self.lifetime.heard = now;
        self.agree(header.seq, &header.options, now);
        // The window of a SYN is not scaled (RFC 7323, section 2.2). Data in a SYN is left to be sent again.
        self.sender.set_window(u32::from(header.window), header.seq, self.sender.una());
        if acknowledges {
            self.establish(now);
            self.acks.send_now();
        } else {
            self.state = State::SynReceived;
            (self.handshake.is_due, self.handshake.deadline) = (true, None);
        }
    }

    /// The outside is not ready: only an end of the attempt counts, and a repeated SYN changes nothing.
    fn receive_while_held(&mut self, segment: &Segment<'_>) {
        if segment.header.flags.contains(Flags::RST) && segment.header.seq == self.receiver.next() {
            self.end(Event::Reset(Reset::Refused));
        }
    }

    /// RFC 9293, section 3.10.7.4.
    fn receive_synchronized(&mut self, segment: &Segment<'_>, now: Time, sink: &mut impl FnMut(&[u8]) -> usize) {
        let header = &segment.header;
        if self.is_repeated_syn(header) {
            if self.challenge_limit.allow(now) {
                self.handshake.is_due = true;
            }
            return;
        }
        if self.is_crossing_syn(header) {
            self.sender.set_window(u32::from(header.window), header.seq, header.ack);
            self.establish(now);
            return self.acks.send_now();
        }
        if !self.passes_timestamps(segment, now) || !self.passes_sequence(segment, now) {
            return;
        }
        if header.flags.contains(Flags::RST) {
            return self.receive_reset(header, now);
        }
        if header.flags.contains(Flags::SYN) {
            return self.challenge(now);
        }
        if !header.flags.contains(Flags::ACK) || !self.receive_acknowledgement(segment, now) {
            return;
        }
        self.update_timestamp(header, now);
        self.receive_payload(segment, now, sink);
    }

    /// Return whether this is the SYN that was answered by the SYN-ACK, which then was lost.
    fn is_repeated_syn(&self, header: &Header) -> bool {
        self.state == State::SynReceived
            && header.flags.contains(Flags::SYN)
            && !header.flags.intersects(Flags::ACK | Flags::RST)
            && header.seq + 1 == self.receiver.next()
    }

    /// Return whether this is the SYN-ACK of a side that has sent its SYN at the same time (section 3.5, figure 8).
    fn is_crossing_syn(&self, header: &Header) -> bool {
        self.state == State::SynReceived
            && header.flags.contains(Flags::SYN | Flags::ACK)
            && !header.flags.contains(Flags::RST)
            && header.seq + 1 == self.receiver.next()
            && header.ack == self.sender.next()
    }

    /// RFC 7323, section 5.3: a segment older than the latest is not acceptable; one without a timestamp is dropped
    /// (section 3.2).
    fn passes_timestamps(&mut self, segment: &Segment<'_>, now: Time) -> bool {
        let Some(recent) = self.recent else { return true };
        if segment.header.flags.contains(Flags::RST) {
            return true;
        }
        let Some(timestamps) = segment.header.options.timestamps else { return false };
        let is_old = recent.is_old(timestamps, now);
        if is_old {
            self.answer_unacceptable(segment, now);
        }
        !is_old
    }

    /// First step: the sequence number.
    fn passes_sequence(&mut self, segment: &Segment<'_>, now: Time) -> bool {
        let header = &segment.header;
        if self.receiver.is_acceptable(header.seq, segment.sequence_len()) {
            return true;
        }
        if !header.flags.contains(Flags::RST) {
            if self.state == State::TimeWait && header.flags.contains(Flags::FIN) {
                self.lifetime.time_wait = now;
            }
            self.answer_unacceptable(segment, now);
        }
        false
    }

    /// Acknowledge what is not acceptable. A duplicate of data is reported; everything else an attacker could have sent
    /// as well, so its answers are limited.
    fn answer_unacceptable(&mut self, segment: &Segment<'_>, now: Time) {
        let header = &segment.header;
        if segment.payload.is_empty() || header.flags.contains(Flags::SYN) {
            return self.challenge(now);
        }
        self.receiver.on_duplicate(header.seq, segment.payload.len());
        self.acks.on_segment(true);
    }

    /// Second step: an RST counts at exactly the expected sequence number (RFC 5961, section 3.2).
    fn receive_reset(&mut self, header: &Header, now: Time) {
        if header.seq != self.receiver.next() {
            return self.challenge(now);
        }
        match self.state {
            State::SynReceived => self.end(Event::Reset(Reset::Refused)),
            State::TimeWait => {}
            // The other side has everything and has forgotten the connection; only its acknowledgement of the FIN is lost.
            State::Closing | State::LastAck if self.sender.buffered() == 0 => self.end(Event::Closed),
            _ => self.end(Event::Reset(Reset::Peer)),
        }
    }

    /// Send a challenge ACK, unless too many were sent (RFC 5961, section 7).
    fn challenge(&mut self, now: Time) {
        self.owes_challenge |= self.challenge_limit.allow(now);
    }

    /// Fifth step: the acknowledgement. Return whether the segment counts.
    fn receive_acknowledgement(&mut self, segment: &Segment<'_>, now: Time) -> bool {
        let header = &segment.header;
        let window = u32::from(header.window) << self.agreed.window_shift.unwrap_or(0);
        if self.state == State::SynReceived {
            if header.ack != self.sender.next() {
                self.reset = segment.reset();
                return false;
            }
            self.establish(now);
            self.sender.set_window(window, header.seq, header.ack);
        }
        if !self.sender.is_believable(header.ack) {
            self.challenge(now);
            return false;
        }
        (self.lifetime.heard, self.lifetime.probes) = (now, 0);
        if header.ack.at_or_after(self.sender.una()) {
            let acknowledgement = Acknowledgement {
                seq: header.seq,
                ack: header.ack,
                window,
                sack: header.options.sack.as_slice(),
                echo: self.recent.and(header.options.timestamps).map(|timestamps| timestamps.echo),
                is_pure: segment.sequence_len() == 0,
            };
            if self.sender.on_acknowledgement(&acknowledgement, now) {
                self.on_progress(now);
            }
        }
        true
    }

    fn on_progress(&mut self, now: Time) {
        self.lifetime.progress = now;
        if self.sender.take_writable() {
            self.events.add(Event::Writable);
        }
        self.update_sent_fin();
        if self.sender.fin_is_acknowledged() {
            match self.state {
                State::FinWait1 => self.state = State::FinWait2,
                State::Closing => self.start_time_wait(now),
                State::LastAck => self.end(Event::Closed),
                _ => {}
            }
        }
    }

    fn update_timestamp(&mut self, header: &Header, now: Time) {
        let Options { timestamps: Some(timestamps), .. } = header.options else { return };
        if let Some(recent) = self.recent.as_mut().filter(|_| header.seq.at_or_before(self.last_ack_sent)) {
            recent.update(timestamps, now);
        }
    }

    /// Seventh and eighth step: the payload and the FIN.
    fn receive_payload(&mut self, segment: &Segment<'_>, now: Time, sink: &mut impl FnMut(&[u8]) -> usize) {
        let fin = segment.header.flags.contains(Flags::FIN);
        if segment.payload.is_empty() && !fin {
            return;
        }
        if self.receiver.is_closed() || self.state == State::Closed {
            return self.acks.on_segment(true);
        }
        let arrival = self.receiver.receive(segment.header.seq, segment.payload, fin, sink);
        self.acks.on_segment(arrival.urgent);
        if arrival.direct > 0 {
            self.receiver.on_passed(arrival.direct, self.receive_rtt(), now);
        }
        if arrival.readable > arrival.direct {
            self.events.add(Event::Readable);
        }
        if arrival.closed {
            self.receive_fin(now);
        }
    }

    fn receive_fin(&mut self, now: Time) {
        self.events.add(Event::PeerClosed);
        match self.state {
            State::Established => self.state = State::CloseWait,
            State::FinWait1 => self.state = State::Closing,
            State::FinWait2 => self.start_time_wait(now),
            _ => {}
        }
    }

    fn start_time_wait(&mut self, now: Time) {
        self.state = State::TimeWait;
        self.lifetime.time_wait = now;
    }
}
