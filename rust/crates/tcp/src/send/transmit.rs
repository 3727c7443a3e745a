//! What is sent next: probes, then what was lost, then new data and the FIN.

use super::{Fin, FirstRetransmission, Sender, TailProbe, Transmission};
use crate::scoreboard::Sent;
use crate::time::Time;

impl Sender {
    /// Return the next segment that may be sent now. `stamp` is the timestamp that goes with it.
    pub(crate) fn next_transmission(&mut self, stamp: u32, now: Time) -> Option<Transmission> {
        self.timers.release = None;
        if self.owes_window_probe {
            self.owes_window_probe = false;
            if let Some(probe) = self.window_probe(now) {
                return Some(probe);
            }
        }
        if self.owes_tail_probe {
            self.owes_tail_probe = false;
            if let Some(probe) = self.send_tail_probe(now) {
                return Some(probe);
            }
        }
        if let Some((number, sent)) = self.board.next_lost() {
            return self.may_retransmit(&sent, now).then(|| self.retransmit(number, &sent, stamp, now));
        }
        let transmission = self.next_new()?;
        let len = u64::from(transmission.len) + u64::from(transmission.fin);
        (self.fits(len) && self.is_released(now)).then(|| self.send_new(transmission, now))
    }

    /// Return the payload of a segment, in two parts.
    pub(crate) fn payload(&self, transmission: &Transmission) -> (&[u8], &[u8]) {
        let offset = if transmission.seq.before(self.una) { 0 } else { transmission.seq - self.una };
        self.ring.slices(offset as usize, transmission.len as usize)
    }

    /// Record that there was nothing more to send although there was room for it.
    pub(crate) fn note_idle(&mut self) {
        let in_flight = self.in_flight();
        let has_room = in_flight < self.congestion.window() && self.timers.release.is_none();
        if has_room && self.board.lost() == 0 && self.unsent() < self.negotiated.mss {
            self.congestion.set_app_limited(in_flight);
        }
    }

    /// Return the bytes that were never sent.
    fn unsent(&self) -> u32 {
        let sent = self.next - self.una - u32::from(self.fin == Fin::Sent && self.una != self.next);
        (self.ring.len() as u32).saturating_sub(sent)
    }

    /// Return what the window still allows, in bytes.
    fn usable_window(&self) -> u32 {
        let edge = self.una + self.window;
        if edge.after(self.next) { edge - self.next } else { 0 }
    }

    /// Return whether the congestion window has room. A segment always may be sent when nothing is on its way.
    fn fits(&self, len: u64) -> bool {
        let in_flight = self.in_flight();
        in_flight == 0 || in_flight + len <= self.congestion.window()
    }

    /// Return whether pacing allows a segment now; if not, remember when it does.
    fn is_released(&mut self, now: Time) -> bool {
        let is_released = self.pacer.is_released(now);
        self.timers.release = (!is_released).then(|| self.pacer.next_release());
        is_released
    }

    /// Return the pacing rate in bytes per second: at least a segment in a round trip, whatever the path was found to carry.
    fn pacing_rate(&self) -> u64 {
        let least = self.rtt.smoothed().map_or(0, |smoothed| {
            let nanoseconds = u64::try_from(smoothed.as_nanos()).unwrap_or(u64::MAX).max(1);
            u64::from(self.negotiated.mss) * 1_000_000_000 / nanoseconds
        });
        self.congestion.pacing_rate().max(least)
    }

    fn may_retransmit(&mut self, sent: &Sent, now: Time) -> bool {
        // Beyond a window that became smaller only the first segment is repeated, as a probe.
        let is_within = sent.end.at_or_before(self.una + self.window) || sent.start == self.una;
        if self.owes_retransmission {
            return is_within;
        }
        is_within && self.fits(u64::from(sent.len())) && self.is_released(now)
    }

    fn retransmit(&mut self, number: u64, sent: &Sent, stamp: u32, now: Time) -> Transmission {
        self.owes_retransmission = false;
        self.counts.retransmitted += 1;
        if let Some(episode) = &mut self.episode {
            episode.first.get_or_insert(FirstRetransmission { stamp, end: sent.end });
            episode.retransmitted += 1;
        }
        let len = u64::from(sent.len());
        let state = self.congestion.on_send(len, self.board.in_flight(), now);
        self.board.on_retransmit(number, now, state);
        self.after_send(len, now);
        self.as_transmission(sent)
    }

    fn as_transmission(&self, sent: &Sent) -> Transmission {
        let fin = self.fin == Fin::Sent && sent.end == self.next;
        Transmission { seq: sent.start, len: sent.len() - u32::from(fin), fin, push: true }
    }

    /// Return the next segment of new data, or the FIN. `None` if there is none, or if it would be needlessly small
    /// (RFC 9293, section 3.8.6.2.1; Nagle's algorithm is off, so the last segment is never held back).
    fn next_new(&mut self) -> Option<Transmission> {
        if self.fin == Fin::Sent {
            return None;
        }
        let (unsent, usable) = (self.unsent(), self.usable_window());
        let len = unsent.min(usable).min(self.negotiated.mss);
        let fin = self.fin == Fin::Queued && len == unsent && len < usable;
        let is_last = len == unsent;
        if len == 0 && !fin {
            return None;
        }
        let is_worth_it = len == self.negotiated.mss || is_last || len >= self.max_window / 2;
        is_worth_it.then_some(Transmission { seq: self.next, len, fin, push: is_last })
    }

    fn send_new(&mut self, transmission: Transmission, now: Time) -> Transmission {
        let in_flight = self.board.in_flight();
        if in_flight == 0 && now - self.last_sent > self.rtt.base_timeout() {
            self.congestion.on_idle_restart(now);
        }
        let end = self.next + transmission.len + u32::from(transmission.fin);
        let len = u64::from(end - self.next);
        let state = self.congestion.on_send(len, in_flight, now);
        self.board.push(self.next, end, now, state);
        self.next = end;
        self.window_probed = None;
        if transmission.fin {
            self.fin = Fin::Sent;
        }
        self.clear_persist();
        self.after_send(len, now);
        self.set_tail_probe_timer(now);
        transmission
    }

    fn after_send(&mut self, len: u64, now: Time) {
        self.last_sent = now;
        self.pacer.on_send(len, self.pacing_rate(), self.congestion.quantum(), now);
        if self.timers.retransmission.is_none() {
            self.restart_retransmission_timer(now);
        }
    }

    /// Send a probe for a loss at the tail: new data if the window allows it, else the last segment
    /// (RFC 8985, section 7.3).
    fn send_tail_probe(&mut self, now: Time) -> Option<Transmission> {
        let end = self.next;
        if let Some(new) = self.next_new() {
            self.tail_probe = Some(TailProbe { end: end + new.len, is_retransmission: false });
            return Some(self.send_new(new, now));
        }
        let (number, sent) = self.board.last_in_flight()?;
        self.tail_probe = Some(TailProbe { end, is_retransmission: true });
        self.counts.retransmitted += 1;
        let state = self.congestion.on_send(u64::from(sent.len()), self.board.in_flight(), now);
        self.board.on_retransmit(number, now, state);
        self.after_send(u64::from(sent.len()), now);
        Some(self.as_transmission(&sent))
    }

    /// Schedule a zero-window probe if data waits for a window while nothing is on its way.
    pub(crate) fn watch_window(&mut self, now: Time) {
        let waits = self.board.is_empty() && (self.unsent() > 0 || self.fin == Fin::Queued);
        if waits && self.timers.persist.is_none() && self.next_new().is_none() {
            self.set_persist_timer(now);
        }
    }

    /// Forget the zero-window probes, because the window is open.
    pub(super) fn clear_persist(&mut self) {
        (self.timers.persist, self.timers.persist_count) = (None, 0);
        self.owes_window_probe = false;
    }

    /// Return a zero-window probe: what a small window allows, or one byte, or the FIN, beyond it
    /// (RFC 9293, section 3.8.6.1). The byte is not recorded as sent, so that it does not count as lost.
    fn window_probe(&mut self, now: Time) -> Option<Transmission> {
        let (unsent, usable) = (self.unsent(), self.usable_window());
        if !self.board.is_empty() || (unsent == 0 && self.fin != Fin::Queued) {
            return None;
        }
        let len = unsent.min(usable).min(self.negotiated.mss);
        if len > 0 {
            let count = self.timers.persist_count;
            let sent = self.send_new(Transmission { seq: self.next, len, fin: false, push: true }, now);
            self.timers.persist_count = count;
            return Some(sent);
        }
        self.window_probed = Some(now);
        Some(Transmission { seq: self.next, len: unsent.min(1), fin: unsent == 0, push: true })
    }
}
