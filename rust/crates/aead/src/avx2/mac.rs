//! Poly1305 (RFC 8439, section 2.5) of one message, in integer registers: their multipliers are idle while vectors
//! compute key stream.
//!
//! A sum has 130 bits and a little more: `low`, and `top`, which is at most 4 between two blocks. Bounds: the halves of r
//! are below 2^60 and `folded` below 2^60.4, so that a sum of two products stays below 2^126, and what goes into the
//! top below 2^63.4.

use zeroize::Zeroize;

use crate::packet::TAG_BYTES;

/// The partial code of a message.
#[derive(Clone, Copy, Zeroize)]
pub(super) struct Mac {
    r: [u64; 2],
    /// The upper half of r, a multiple of 4, times 5/4: 2^130 is 5.
    folded: u64,
    low: u128,
    top: u64,
    pad: u128,
}

impl Mac {
    /// Take a one-time key (RFC 8439, section 2.6) of four words, little-endian.
    #[inline]
    pub(super) fn new([low, high, pad_low, pad_high]: [u64; 4]) -> Self {
        let r = [low & 0x0fff_fffc_0fff_ffff, high & 0x0fff_fffc_0fff_fffc];
        let pad = u128::from(pad_high) << 64 | u128::from(pad_low);
        Self { r, folded: r[1] + (r[1] >> 2), low: 0, top: 0, pad }
    }

    /// Add a block.
    #[inline(always)]
    pub(super) fn block(&mut self, block: u128) {
        let (low, carry) = self.low.overflowing_add(block);
        let (h0, h1, h2) = (low as u64, (low >> 64) as u64, self.top + 1 + u64::from(carry));
        let first = wide(h0, self.r[0]) + wide(h1, self.folded);
        let second = wide(h0, self.r[1]) + wide(h1, self.r[0]) + u128::from(h2 * self.folded) + (first >> 64);
        let top = h2 * self.r[0] + (second >> 64) as u64;
        let low = second << 64 | u128::from(first as u64);
        // Five times what is above 2^130: `top & !3` is four times it.
        let (low, carry) = low.overflowing_add(u128::from((top & !3) + (top >> 2)));
        (self.low, self.top) = (low, (top & 3) + u64::from(carry));
    }

    /// Add octets, padded with zeros to whole blocks (RFC 8439, section 2.8).
    #[inline]
    pub(super) fn update(&mut self, octets: &[u8]) {
        let (blocks, rest) = octets.as_chunks();
        blocks.iter().for_each(|block| self.block(u128::from_le_bytes(*block)));
        if !rest.is_empty() {
            let mut last = [0; TAG_BYTES];
            last[..rest.len()].copy_from_slice(rest);
            self.block(u128::from_le_bytes(last));
        }
    }

    /// Return the tag: the sum modulo 2^130 - 5, plus the pad, modulo 2^128.
    #[inline]
    pub(super) fn tag(&self) -> [u8; TAG_BYTES] {
        // Twice, since the first carry may leave a top of 4.
        let (low, top) = folded(folded((self.low, self.top)));
        // Subtract 2^130 - 5 where the result is not negative: where adding 5 reaches 2^130. By a mask, not by a branch.
        let (more, carry) = low.overflowing_add(5);
        let reached = u128::from((top + u64::from(carry)) >> 2).wrapping_neg();
        let sum = (more & reached) | (low & !reached);
        sum.wrapping_add(self.pad).to_le_bytes()
    }
}

/// Reduce what is above 2^130.
#[inline]
fn folded((low, top): (u128, u64)) -> (u128, u64) {
    let (low, carry) = low.overflowing_add(u128::from((top & !3) + (top >> 2)));
    (low, (top & 3) + u64::from(carry))
}

#[inline(always)]
fn wide(a: u64, b: u64) -> u128 {
    u128::from(a) * u128::from(b)
}

#[cfg(test)]
mod tests;
