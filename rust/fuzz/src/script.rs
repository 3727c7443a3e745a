//! Decodes the fuzzer's octets. Records are short and lengths are next to their data, so that a changed octet changes
//! one step and not those after it.

/// The remaining octets. Beyond their end everything is zero.
pub(crate) struct Script<'a>(pub(crate) &'a [u8]);

impl<'a> Script<'a> {
    pub(crate) fn is_over(&self) -> bool {
        self.0.is_empty()
    }

    /// Take at most `count` octets.
    pub(crate) fn take(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(count.min(self.0.len()));
        self.0 = rest;
        taken
    }

    pub(crate) fn octet(&mut self) -> u8 {
        self.take(1).first().copied().unwrap_or(0)
    }

    pub(crate) fn short(&mut self) -> u16 {
        u16::from_le_bytes([self.octet(), self.octet()])
    }
}
