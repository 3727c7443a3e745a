//! What is left of a connection after its end, so that late segments are answered and do not reach a new connection
//! (RFC 9293, section 3.6.1).

use core::time::Duration;

use crate::config::Config;
use crate::options::{Options, Timestamps};
use crate::segment::{Flags, Header, Segment};
use crate::seq::Seq;
use crate::time::Time;
use crate::timestamps::stamp;

/// How long it is kept. Twice the maximum segment lifetime would be minutes; a tunnel keeps no segment that long.
pub(crate) const TIME_WAIT: Duration = Duration::from_secs(10);

/// A connection in TIME-WAIT.
#[derive(Debug, Clone, Copy)]
pub struct TimeWait {
    /// SND.NXT.
    next: Seq,
    /// RCV.NXT.
    expected: Seq,
    /// The latest timestamp of the other side, if timestamps are used.
    recent: Option<u32>,
    timestamp_offset: u32,
    expires: Time,
}

/// What to do about a segment for a connection in TIME-WAIT.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Late {
    /// Nothing.
    Ignore,
    /// Send this header, without data.
    Answer(Header),
    /// The segment is a SYN of a new connection: forget the old one, and accept it.
    Reuse,
}

impl TimeWait {
    pub(crate) fn new(next: Seq, expected: Seq, recent: Option<u32>, config: &Config, since: Time) -> Self {
        Self { next, expected, recent, timestamp_offset: config.timestamp_offset, expires: since + TIME_WAIT }
    }

    /// Return when it is to be forgotten.
    #[must_use]
    pub const fn expires(&self) -> Time {
        self.expires
    }

    /// Judge a late segment. An RST is ignored (RFC 1337, section 3, fix 1).
    pub fn receive(&mut self, segment: &Segment<'_>, now: Time) -> Late {
        let header = &segment.header;
        if header.flags.contains(Flags::RST) {
            return Late::Ignore;
        }
        if header.flags.contains(Flags::SYN) && !header.flags.contains(Flags::ACK) && self.is_newer(header) {
            return Late::Reuse;
        }
        if segment.sequence_len() == 0 && header.seq == self.expected {
            return Late::Ignore;
        }
        if header.flags.contains(Flags::FIN) {
            self.expires = now + TIME_WAIT;
        }
        Late::Answer(self.acknowledgement(header, now))
    }

    /// Return whether a SYN can only be of a new connection: by its timestamp, or else by its sequence number
    /// (RFC 6191, section 2).
    fn is_newer(&self, header: &Header) -> bool {
        match (self.recent, header.options.timestamps) {
            (Some(recent), Some(timestamps)) if timestamps.value != recent => Seq(timestamps.value).after(Seq(recent)),
            _ => header.seq.after(self.expected),
        }
    }

    fn acknowledgement(&self, header: &Header, now: Time) -> Header {
        let value = stamp(self.timestamp_offset, now);
        Header {
            source_port: header.destination_port,
            destination_port: header.source_port,
            seq: self.next,
            ack: self.expected,
            flags: Flags::ACK,
            window: 0,
            options: Options { timestamps: self.recent.map(|echo| Timestamps { value, echo }), ..Options::default() },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(recent: Option<u32>) -> TimeWait {
        TimeWait::new(Seq(500), Seq(1000), recent, &Config::default(), Time::ZERO)
    }

    fn header(flags: Flags, seq: u32, timestamp: Option<u32>) -> Header {
        let timestamps = timestamp.map(|value| Timestamps { value, echo: 0 });
        let options = Options { timestamps, ..Options::default() };
        Header { source_port: 1, destination_port: 2, seq: Seq(seq), ack: Seq(500), flags, window: 9, options }
    }

    #[test]
    fn an_entry_is_small() {
        assert!(size_of::<TimeWait>() <= 64);
    }

    #[test]
    fn a_new_connection_is_told_from_a_late_segment() {
        let ack = |recent, header: Header| entry(recent).receive(&Segment { header, payload: &[] }, Time::ZERO);
        assert_eq!(ack(Some(7), header(Flags::SYN, 1, Some(8))), Late::Reuse, "later timestamp");
        assert!(matches!(ack(Some(7), header(Flags::SYN, 2000, Some(6))), Late::Answer(_)), "earlier timestamp");
        assert_eq!(ack(Some(7), header(Flags::SYN, 2000, Some(7))), Late::Reuse, "same timestamp, later number");
        assert_eq!(ack(None, header(Flags::SYN, 1001, None)), Late::Reuse, "later number");
        assert!(matches!(ack(None, header(Flags::SYN, 1000, None)), Late::Answer(_)), "same number");
        assert_eq!(ack(None, header(Flags::RST, 1000, None)), Late::Ignore);
        assert_eq!(ack(None, header(Flags::ACK, 1000, None)), Late::Ignore);
    }

    #[test]
    fn a_repeated_fin_is_acknowledged_and_starts_the_time_again() {
        let mut entry = entry(Some(7));
        let fin = Segment { header: header(Flags::FIN | Flags::ACK, 999, Some(8)), payload: &[] };
        let later = Time::ZERO + Duration::from_secs(9);
        let Late::Answer(answer) = entry.receive(&fin, later) else { panic!() };
        assert_eq!((answer.seq, answer.ack, answer.flags), (Seq(500), Seq(1000), Flags::ACK));
        assert_eq!(answer.options.timestamps.unwrap().echo, 7);
        assert_eq!(entry.expires(), later + TIME_WAIT);
    }
}
