//! A capture of the packets inside the tunnel, written as pcapng to a stream.
//!
//! The packet thread never waits for who reads it: what the stream does not take is kept up to 4 MiB, and packets beyond
//! that are left out and counted.

use std::os::fd::OwnedFd;
use std::time::Duration;

use proto::clock::Now;
use rustix::io::Errno;
use rustix::net::{SendFlags, send};

use crate::pcapng::{self, Direction};

/// Octets that are kept while the stream takes none.
const MAX_PENDING: usize = 4 << 20;
/// Room for the block that the capture ends with.
const END_BYTES: usize = 64;

/// The bounds of a capture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The size of the whole, in octets.
    pub octets: u64,
    /// How long it lasts.
    pub duration: Duration,
}

impl Default for Limits {
    /// Return 100 MB and ten minutes.
    fn default() -> Self {
        Self { octets: 100_000_000, duration: Duration::from_secs(600) }
    }
}

/// A capture.
#[derive(Debug)]
pub(crate) struct Capture {
    stream: OwnedFd,
    pending: Vec<u8>,
    /// Octets of `pending` that were written.
    written: usize,
    /// Octets that may still be recorded.
    left: u64,
    pub(crate) ends: Duration,
    received: u64,
    dropped: u64,
    /// Nothing more is recorded; it is over once everything is written.
    is_ended: bool,
}

impl Capture {
    /// Begin a capture that is written to a stream, which never waits.
    pub(crate) fn new(name: &str, stream: OwnedFd, limits: Limits, now: Now) -> Self {
        let mut pending = Vec::new();
        pcapng::begin(name, &mut pending);
        let left = limits.octets.saturating_sub((pending.len() + END_BYTES) as u64);
        let ends = now.boot.saturating_add(limits.duration);
        Self { stream, pending, written: 0, left, ends, received: 0, dropped: 0, is_ended: false }
    }

    /// Return the descriptor.
    pub(crate) fn stream(&self) -> &OwnedFd {
        &self.stream
    }

    /// Record a packet. One that does not fit into what is left of the whole ends the capture.
    pub(crate) fn record(&mut self, direction: Direction, octets: &[u8], now: Now) {
        if self.is_ended {
            return;
        }
        self.received += 1;
        let size = pcapng::packet_bytes(octets.len());
        if size as u64 > self.left {
            self.dropped += 1;
            return self.end(now);
        }
        if self.pending.len() - self.written + size > MAX_PENDING {
            self.dropped += 1;
            return;
        }
        self.left -= size as u64;
        pcapng::packet(direction, now.unix, octets, &mut self.pending);
    }

    /// End the capture: what was recorded is still written.
    pub(crate) fn end(&mut self, now: Now) {
        if !std::mem::replace(&mut self.is_ended, true) {
            pcapng::end(now.unix, self.received, self.dropped, &mut self.pending);
        }
    }

    /// Write what the stream takes. Return false once the capture is over.
    pub(crate) fn flush(&mut self) -> bool {
        while self.written < self.pending.len() {
            match send(&self.stream, &self.pending[self.written..], SendFlags::NOSIGNAL | SendFlags::DONTWAIT) {
                Ok(count) => self.written += count,
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => {
                    self.pending.drain(..self.written);
                    self.written = 0;
                    return true;
                }
                Err(_) => return false,
            }
        }
        self.pending.clear();
        self.written = 0;
        !self.is_ended
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;
    use std::os::unix::net::UnixStream;

    const START: Now = Now { boot: Duration::ZERO, unix: Duration::ZERO };

    fn capture(octets: u64) -> (Capture, UnixStream) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        let limits = Limits { octets, ..Limits::default() };
        (Capture::new("wg0", ours.into(), limits, START), theirs)
    }

    #[test]
    fn a_capture_ends_before_it_is_larger_than_it_may_be() {
        let (mut capture, mut reader) = capture(5000);
        for _ in 0..10 {
            capture.record(Direction::Inbound, &[0; 1000], START);
        }
        assert!(!capture.flush());
        drop(capture);
        let mut octets = Vec::new();
        reader.read_to_end(&mut octets).unwrap();
        assert!((4000..=5000).contains(&octets.len()), "{}", octets.len());
    }

    #[test]
    fn a_reader_that_stops_costs_bounded_memory_and_the_packets_left_out_are_counted() {
        let (mut capture, mut reader) = capture(1 << 30);
        for _ in 0..10_000 {
            capture.record(Direction::Outbound, &[0; 1000], START);
            assert!(capture.flush());
        }
        assert!(capture.pending.len() <= MAX_PENDING);
        assert!(capture.dropped > 0 && capture.received == 10_000);
        capture.end(START);
        let reading = std::thread::spawn(move || {
            let mut octets = Vec::new();
            reader.read_to_end(&mut octets).map(|_| octets)
        });
        while capture.flush() {
            std::thread::yield_now();
        }
        let dropped = capture.dropped;
        drop(capture);
        let octets = reading.join().unwrap().unwrap();
        let packets = octets.len() / pcapng::packet_bytes(1000);
        assert_eq!(packets as u64 + dropped, 10_000);
    }
}
