//! One direction of a relay.

use std::io::IoSlice;

use crate::stream::{Read, Stream};

/// Bytes that are passed in one turn.
const TURN_BYTES: usize = 256 << 10;
/// What a read counts at least: of octets behind the framing of a client nothing is passed on.
const MIN_READ_BYTES: usize = 1024;

/// What a turn has come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// An edge follows.
    Wait,
    /// There may be more.
    Over,
    /// The end of the source was passed on.
    Ended,
    /// A side is broken.
    Broken,
}

/// One direction of a relay.
#[derive(Debug, Default)]
pub(super) struct Direction {
    /// What the sink did not take yet.
    unsent: Vec<u8>,
    source_ended: bool,
    shut_down: bool,
}

impl Direction {
    /// Return a direction in which these octets go first.
    pub(super) fn new(unsent: Vec<u8>) -> Self {
        Self { unsent, ..Self::default() }
    }

    /// Pass what is there, and the end of it.
    pub(super) fn pass(&mut self, source: &mut Stream, sink: &mut Stream, buffer: &mut [u8]) -> Turn {
        let mut left = TURN_BYTES;
        loop {
            if self.shut_down {
                return Turn::Ended;
            }
            if !self.unsent.is_empty() {
                match sink.write(&[IoSlice::new(&self.unsent)]) {
                    Ok(sent) => drop(self.unsent.drain(..sent)),
                    Err(_) => return Turn::Broken,
                }
            }
            if !self.unsent.is_empty() {
                return Turn::Wait;
            }
            if self.source_ended {
                self.shut_down = true;
                sink.shut_down();
                return Turn::Ended;
            }
            if !source.is_readable() {
                return Turn::Wait;
            }
            if left == 0 {
                return Turn::Over;
            }
            match source.read((&mut *buffer, &mut [])) {
                Read::Bytes(count) => {
                    left = left.saturating_sub(count.max(MIN_READ_BYTES));
                    match sink.write(&[IoSlice::new(&buffer[..count])]) {
                        Ok(sent) => self.unsent = buffer[sent..count].to_vec(),
                        Err(_) => return Turn::Broken,
                    }
                }
                Read::Wait => return Turn::Wait,
                Read::End => self.source_ended = true,
                Read::Broken => return Turn::Broken,
            }
        }
    }
}
