//! The options of a segment: maximum segment size, window scale, timestamps, selective acknowledgement.
//!
//! Other kinds are skipped (RFC 9293, section 3.1). An option whose length is wrong for its kind makes the whole list
//! malformed, because nothing after it can be trusted.

use crate::seq::Seq;

/// The greatest shift of a window (RFC 7323, section 2.3).
pub const MAX_WINDOW_SHIFT: u8 = 14;
/// The greatest size of all options, in bytes.
pub const MAX_OPTIONS: usize = 40;

const END: u8 = 0;
const NO_OPERATION: u8 = 1;
const MAXIMUM_SEGMENT_SIZE: u8 = 2;
const WINDOW_SCALE: u8 = 3;
const SACK_PERMITTED: u8 = 4;
const SACK: u8 = 5;
const TIMESTAMPS: u8 = 8;

/// The timestamps option (RFC 7323, section 3.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timestamps {
    /// The sender's clock (TSval).
    pub value: u32,
    /// The most recent value of the other side (TSecr).
    pub echo: u32,
}

/// A range of received bytes, from `start` up to but not including `end`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SackBlock {
    /// The first sequence number of the range.
    pub start: Seq,
    /// The sequence number after the range.
    pub end: Seq,
}

/// Up to four blocks of a selective acknowledgement (RFC 2018, section 3).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SackBlocks {
    blocks: [SackBlock; 4],
    len: u8,
}

impl SackBlocks {
    /// Append a block, unless there are four.
    pub fn push(&mut self, block: SackBlock) {
        if let Some(slot) = self.blocks.get_mut(usize::from(self.len)) {
            *slot = block;
            self.len += 1;
        }
    }

    /// Return the blocks in the order of the option.
    #[must_use]
    pub fn as_slice(&self) -> &[SackBlock] {
        &self.blocks[..usize::from(self.len)]
    }

    /// Return whether there is no block.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Keep the first `count` blocks.
    pub fn truncate(&mut self, count: usize) {
        self.len = self.len.min(u8::try_from(count).unwrap_or(u8::MAX));
    }
}

/// The options of a segment that are understood.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Options {
    /// The greatest payload that the sender of the SYN accepts, in bytes.
    pub mss: Option<u16>,
    /// The shift of the windows of the sender of the SYN.
    pub window_scale: Option<u8>,
    /// Whether the sender of the SYN understands selective acknowledgements.
    pub sack_permitted: bool,
    /// The clocks of both sides.
    pub timestamps: Option<Timestamps>,
    /// What was received out of order.
    pub sack: SackBlocks,
}

impl Options {
    /// Parse the bytes between the fixed header and the payload. `None` if they are malformed.
    #[must_use]
    pub fn parse(mut bytes: &[u8]) -> Option<Self> {
        let mut options = Self::default();
        while let [kind, rest @ ..] = bytes {
            bytes = match *kind {
                END => break,
                NO_OPERATION => rest,
                kind => {
                    let (&length, _) = rest.split_first()?;
                    let (option, following) = bytes.split_at_checked(usize::from(length))?;
                    options.set(kind, option.get(2..)?)?;
                    following
                }
            };
        }
        Some(options)
    }

    fn set(&mut self, kind: u8, value: &[u8]) -> Option<()> {
        match kind {
            MAXIMUM_SEGMENT_SIZE => self.mss = Some(u16::from_be_bytes(value.try_into().ok()?)),
            WINDOW_SCALE => {
                let &[shift] = value else { return None };
                self.window_scale = Some(shift.min(MAX_WINDOW_SHIFT));
            }
            SACK_PERMITTED => self.sack_permitted = value.is_empty().then_some(true)?,
            SACK => {
                let (blocks, []) = value.as_chunks::<8>() else { return None };
                for block in blocks {
                    self.sack.push(SackBlock { start: Seq(be32(block, 0)), end: Seq(be32(block, 4)) });
                }
            }
            TIMESTAMPS => {
                let value: &[u8; 8] = value.try_into().ok()?;
                self.timestamps = Some(Timestamps { value: be32(value, 0), echo: be32(value, 4) });
            }
            _ => {}
        }
        Some(())
    }

    /// Return the size of the options in bytes, a multiple of four.
    #[must_use]
    pub fn encoded_len(&self) -> usize {
        let mut writer = Writer { bytes: [0; MAX_OPTIONS], len: 0 };
        self.write(&mut writer);
        writer.len
    }

    /// Return the options as they stand in a segment, and their size. SACK blocks that do not fit are left out.
    #[must_use]
    pub fn encode(&self) -> ([u8; MAX_OPTIONS], usize) {
        let mut writer = Writer { bytes: [0; MAX_OPTIONS], len: 0 };
        self.write(&mut writer);
        (writer.bytes, writer.len)
    }

    fn write(&self, writer: &mut Writer) {
        if let Some(mss) = self.mss {
            let [high, low] = mss.to_be_bytes();
            writer.put(&[MAXIMUM_SEGMENT_SIZE, 4, high, low]);
        }
        if let Some(shift) = self.window_scale {
            writer.put(&[NO_OPERATION, WINDOW_SCALE, 3, shift]);
        }
        if self.sack_permitted {
            writer.put(&[NO_OPERATION, NO_OPERATION, SACK_PERMITTED, 2]);
        }
        if let Some(Timestamps { value, echo }) = self.timestamps {
            writer.put(&[NO_OPERATION, NO_OPERATION, TIMESTAMPS, 10]);
            writer.put(&value.to_be_bytes());
            writer.put(&echo.to_be_bytes());
        }
        let blocks = self.sack.as_slice();
        let blocks = &blocks[..blocks.len().min(writer.room().saturating_sub(4) / 8)];
        if !blocks.is_empty() {
            writer.put(&[NO_OPERATION, NO_OPERATION, SACK, 2 + 8 * blocks.len() as u8]);
            for block in blocks {
                writer.put(&block.start.0.to_be_bytes());
                writer.put(&block.end.0.to_be_bytes());
            }
        }
    }
}

/// The bytes of options; what is put is at most what fits by the sizes of the options above.
struct Writer {
    bytes: [u8; MAX_OPTIONS],
    len: usize,
}

impl Writer {
    const fn room(&self) -> usize {
        MAX_OPTIONS - self.len
    }

    fn put(&mut self, bytes: &[u8]) {
        if let Some(slot) = self.bytes.get_mut(self.len..self.len + bytes.len()) {
            slot.copy_from_slice(bytes);
            self.len += bytes.len();
        }
    }
}

fn be32(bytes: &[u8; 8], at: usize) -> u32 {
    u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}
