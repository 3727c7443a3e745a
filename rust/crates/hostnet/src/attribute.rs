//! Netlink attributes (struct nlattr): length, kind, value, padded to four octets; the value of a nest consists of
//! attributes.

use netlink_packet_core::NLA_F_NESTED;
use zeroize::Zeroizing;

/// The most octets of a message's body. Lengths of attributes have 16 bits; the send buffer holds 208 KiB.
pub(crate) const BODY_BYTES: usize = 32 << 10;
/// Size of an attribute's length and kind.
pub(crate) const HEAD_BYTES: usize = 4;

/// The body of a message, zeroized when dropped, and never grown, so that no copy is left behind.
pub(crate) struct Writer(Zeroizing<Vec<u8>>);

/// The start of a nest whose length is not known yet.
#[derive(Clone, Copy)]
pub(crate) struct Nest(usize);

impl Writer {
    /// Create a body that starts with a header of its protocol.
    pub(crate) fn new(header: [u8; 4]) -> Self {
        let mut octets = Zeroizing::new(Vec::with_capacity(BODY_BYTES));
        octets.extend(header);
        Self(octets)
    }

    pub(crate) fn octets(&self) -> &[u8] {
        &self.0
    }

    /// Return how many octets can still be written.
    pub(crate) fn room(&self) -> usize {
        BODY_BYTES.saturating_sub(self.0.len())
    }

    pub(crate) fn put(&mut self, kind: u16, value: &[u8]) {
        let begin = self.begin(kind);
        self.0.extend_from_slice(value);
        self.end(begin);
    }

    /// Write a string with its terminating zero.
    pub(crate) fn put_text(&mut self, kind: u16, text: &str) {
        let begin = self.begin(kind);
        self.0.extend_from_slice(text.as_bytes());
        self.0.push(0);
        self.end(begin);
    }

    pub(crate) fn begin_nest(&mut self, kind: u16) -> Nest {
        self.begin(kind | NLA_F_NESTED)
    }

    /// End the nested attribute.
    pub(crate) fn end(&mut self, Nest(begin): Nest) {
        let length = (self.0.len() - begin) as u16;
        self.0[begin..begin + 2].copy_from_slice(&length.to_ne_bytes());
        let padded = self.0.len().next_multiple_of(4);
        self.0.resize(padded, 0);
    }

    fn begin(&mut self, kind: u16) -> Nest {
        let begin = self.0.len();
        self.0.extend([0, 0]);
        self.0.extend(kind.to_ne_bytes());
        Nest(begin)
    }
}
