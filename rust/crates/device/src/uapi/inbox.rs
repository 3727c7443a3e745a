//! Lines and messages read from a stream, in a zeroized buffer of bounded size.

use std::io::{self, Read};

use rustix::io::Errno;
use zeroize::{Zeroize, Zeroizing};

use super::zeroizing::regrow;

/// Size of a line without its end. The longest valid one has 92; wireguard-go allows 65,536.
pub const MAX_LINE_BYTES: usize = 1024;

/// Size of a message. 100,000 peers with every key set and five allowed IPs each need about 60 MB; more is a mistake or
/// an attempt to exhaust the memory of the process.
pub const MAX_MESSAGE_BYTES: usize = 64 << 20;

/// Size of the buffer of an idle connection.
const QUIET_BYTES: usize = 16 << 10;

/// Why no message was read.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReadError {
    #[error("line too long: at most {MAX_LINE_BYTES} octets")]
    LongLine,
    #[error("message too long: at most {MAX_MESSAGE_BYTES} octets")]
    LongMessage,
    #[error("connection closed within a message; a message ends with an empty line")]
    Cut,
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl ReadError {
    /// Return the errno of the response.
    pub(super) fn errno(&self) -> i32 {
        match self {
            Self::LongLine | Self::LongMessage => Errno::MSGSIZE.raw_os_error(),
            Self::Cut => Errno::PROTO.raw_os_error(),
            Self::Io(error) => error.raw_os_error().unwrap_or(Errno::IO.raw_os_error()),
        }
    }
}

/// The octets received and not yet consumed are at `taken..filled`.
pub(super) struct Inbox<R> {
    stream: R,
    buffer: Zeroizing<Vec<u8>>,
    taken: usize,
    filled: usize,
}

impl<R: Read> Inbox<R> {
    pub(super) fn new(stream: R) -> Self {
        Self { stream, buffer: Zeroizing::new(vec![0; QUIET_BYTES]), taken: 0, filled: 0 }
    }

    /// Consume one line without its end; `None` when the stream has ended between two lines.
    pub(super) fn line(&mut self) -> Result<Option<&[u8]>, ReadError> {
        let start = self.taken;
        match self.line_end(start) {
            Ok(end) => {
                self.taken = end + 1;
                Ok(Some(&self.buffer[start..end]))
            }
            Err(ReadError::Cut) if self.filled == start => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Consume all lines up to the empty one, each with its end.
    pub(super) fn body(&mut self) -> Result<&[u8], ReadError> {
        let start = self.taken;
        let mut next = start;
        loop {
            let end = self.line_end(next)?;
            if end == next {
                self.taken = end + 1;
                return Ok(&self.buffer[start..end]);
            }
            next = end + 1;
        }
    }

    /// Zeroize what has been consumed, and free the memory of a large message.
    pub(super) fn forget(&mut self) {
        self.buffer.copy_within(self.taken..self.filled, 0);
        let left = self.filled - self.taken;
        self.buffer[left..self.filled].zeroize();
        (self.taken, self.filled) = (0, left);
        if self.buffer.len() > QUIET_BYTES && left <= QUIET_BYTES {
            let mut quiet = Zeroizing::new(vec![0; QUIET_BYTES]);
            quiet[..left].copy_from_slice(&self.buffer[..left]);
            self.buffer = quiet;
        }
    }

    /// Return where the line that starts at `start` ends, reading more until it does.
    fn line_end(&mut self, start: usize) -> Result<usize, ReadError> {
        let mut seen = start;
        loop {
            if let Some(length) = self.buffer[seen..self.filled].iter().position(|octet| *octet == b'\n') {
                let end = seen + length;
                return if end - start > MAX_LINE_BYTES { Err(ReadError::LongLine) } else { Ok(end) };
            }
            seen = self.filled;
            if seen - start > MAX_LINE_BYTES {
                return Err(ReadError::LongLine);
            }
            self.fill()?;
        }
    }

    /// Read at least one octet.
    fn fill(&mut self) -> Result<(), ReadError> {
        if self.filled == self.buffer.len() {
            if self.filled - self.taken >= MAX_MESSAGE_BYTES {
                return Err(ReadError::LongMessage);
            }
            let capacity = (2 * self.buffer.len()).min(self.taken + MAX_MESSAGE_BYTES);
            regrow(&mut self.buffer, capacity);
        }
        let count = loop {
            match self.stream.read(&mut self.buffer[self.filled..]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => break other?,
            }
        };
        self.filled += count;
        if count == 0 { Err(ReadError::Cut) } else { Ok(()) }
    }
}
