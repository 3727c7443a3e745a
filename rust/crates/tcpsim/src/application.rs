//! What an application does with its connection: sends a stream, reads the other one, and closes.

use core::time::Duration;

use tcp::Time;

use crate::pattern;

/// A socket as an application sees it.
pub trait Socket {
    /// Write bytes, and return how many were taken.
    fn write(&mut self, bytes: &[u8]) -> usize;
    /// Give the bytes that can be read, at most `max`, to `take`, and remove them.
    fn read(&mut self, max: usize, now: Time, take: &mut dyn FnMut(&[u8]));
    /// Close for writing.
    fn shutdown(&mut self);
    /// Return whether the other side closed and everything was read.
    fn is_at_end(&self) -> bool;
    /// Return whether bytes can be written.
    fn is_open(&self) -> bool;
}

/// When an application closes for writing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Close {
    /// After it has written everything, though it still reads (half-close).
    WhenWritten,
    /// After it has written everything and the other side has closed.
    AfterPeer,
}

/// What an application does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Which stream is written; the other side's plan has the stream that is read.
    pub stream: u8,
    /// How many bytes are written.
    pub bytes: u64,
    /// How many bytes are written at once.
    pub write: usize,
    /// How many bytes are read at once.
    pub read: usize,
    /// How long the application waits between two turns. If it is zero, a turn follows each event.
    pub pause: Duration,
    /// When it closes.
    pub close: Close,
}

impl Plan {
    /// Return the plan of an application that writes as fast as it can, reads at once and closes when it has written.
    #[must_use]
    pub const fn new(stream: u8, bytes: u64) -> Self {
        Self { stream, bytes, write: 64 << 10, read: usize::MAX, pause: Duration::ZERO, close: Close::WhenWritten }
    }
}

/// An application.
#[derive(Debug)]
pub struct Application {
    plan: Plan,
    read_stream: u8,
    written: u64,
    received: u64,
    is_closed: bool,
    peer_closed: bool,
    next_turn: Time,
    buffer: Vec<u8>,
}

impl Application {
    /// Start an application that reads `read_stream`.
    #[must_use]
    pub fn new(plan: Plan, read_stream: u8) -> Self {
        let buffer = vec![0; plan.write];
        Self {
            plan,
            read_stream,
            written: 0,
            received: 0,
            is_closed: false,
            peer_closed: false,
            next_turn: Time::ZERO,
            buffer,
        }
    }

    /// Return how many bytes were written.
    #[must_use]
    pub const fn written(&self) -> u64 {
        self.written
    }

    /// Return how many bytes were received.
    #[must_use]
    pub const fn received(&self) -> u64 {
        self.received
    }

    /// Return the plan.
    #[must_use]
    pub const fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Return whether everything was written and closed, and the other side's close was seen.
    #[must_use]
    pub const fn is_done(&self) -> bool {
        self.is_closed && self.peer_closed
    }

    /// Return whether everything was read and the other side's close was seen.
    #[must_use]
    pub const fn is_at_end(&self) -> bool {
        self.peer_closed
    }

    /// Return when the application has its next turn whatever arrives.
    #[must_use]
    pub fn next_turn(&self) -> Option<Time> {
        (!self.plan.pause.is_zero() && !self.is_done()).then_some(self.next_turn)
    }

    /// Count and check bytes that were received outside of a turn.
    ///
    /// # Panics
    /// They are not those that follow in the stream.
    #[expect(clippy::panic, reason = "the judgement of a test")]
    pub fn take(&mut self, bytes: &[u8]) {
        assert!(!self.peer_closed, "{} bytes after the end of the stream", bytes.len());
        if let Some(offset) = pattern::first_difference(self.read_stream, self.received, bytes) {
            panic!("the byte at offset {offset} of stream {} is not the one that was sent", self.read_stream);
        }
        self.received += bytes.len() as u64;
    }

    /// Read, write and close as the plan says, unless the application pauses.
    pub fn turn(&mut self, socket: &mut impl Socket, now: Time) {
        if now < self.next_turn {
            return;
        }
        self.next_turn = now + self.plan.pause;
        let max = self.plan.read;
        socket.read(max, now, &mut |bytes| self.take(bytes));
        self.peer_closed |= socket.is_at_end();
        if socket.is_open() {
            self.write(socket);
        }
    }

    fn write(&mut self, socket: &mut impl Socket) {
        while self.written < self.plan.bytes {
            let len = (self.plan.bytes - self.written).min(self.buffer.len() as u64) as usize;
            pattern::fill(self.plan.stream, self.written, &mut self.buffer[..len]);
            let taken = socket.write(&self.buffer[..len]);
            self.written += taken as u64;
            if taken < len || !self.plan.pause.is_zero() {
                break;
            }
        }
        let may_close = self.plan.close == Close::WhenWritten || self.peer_closed;
        if self.written == self.plan.bytes && may_close && !self.is_closed {
            self.is_closed = true;
            socket.shutdown();
        }
    }
}
