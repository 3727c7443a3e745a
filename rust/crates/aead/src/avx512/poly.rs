//! Poly1305 (RFC 8439, section 2.5): eight sums in lockstep, one in each 64-bit lane.
//!
//! A number has three limbs of 44, 44 and 42 bits. VPMADD52 multiplies limbs below 2^52 and adds the lower or the upper
//! 52 bits of the product to 64 bits. Bounds: a block, or a block plus the sum so far, stays below 2^46 in each limb,
//! powers of r below 2^45, twenty times those below 2^50. The largest sums have five times three products in a limb:
//! their lower halves add up to less than 15 * 2^52, their upper halves to less than 15 * 2^44. Nothing overflows.

use core::arch::x86_64::*;

use crate::avx512::{row, transpose};
use crate::lanes::CHUNK;
use crate::packet::TAG_BYTES;

const LIMB: i64 = (1 << 44) - 1;
const TOP_LIMB: i64 = (1 << 42) - 1;

/// Number of lanes, one for each code or for a part of it.
pub(super) const LANES: usize = 8;
/// Blocks of 16 octets in a chunk.
pub(super) const BLOCKS: usize = 4;
/// Powers of r that [`Mac::pairs`] needs; [`Mac::chunks`] needs [`BLOCKS`] of them.
pub(super) const ALL_POWERS: usize = 5;

/// A number below about 2^131 in each lane.
type Number = [__m512i; 3];

/// A power of r, and its upper limbs times 20, by which an overflow of 2^132 is reduced, as 2^130 = 5.
#[derive(Clone, Copy)]
pub(super) struct Power {
    limbs: Number,
    folded: [__m512i; 2],
}

/// A sum of products before carries: the lower and the upper 52 bits.
struct Sum {
    low: Number,
    high: Number,
}

/// The partial codes of eight messages.
pub(super) struct Mac {
    /// r, r^2, r^3, r^4 and r^8.
    powers: [Power; ALL_POWERS],
    /// How many of them are computed.
    made: usize,
    sum: Number,
    pad: [__m512i; 2],
}

impl Mac {
    /// Take the one-time keys (RFC 8439, section 2.6), the first 32 octets of each row, and compute this many `powers`.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    pub(super) fn new(keys: &[__m512i; LANES], powers: usize) -> Self {
        let [low, high, pad_low, pad_high, ..] = transpose::long_words(keys);
        let low = _mm512_and_si512(low, _mm512_set1_epi64(0x0fff_fffc_0fff_ffff));
        let high = _mm512_and_si512(high, _mm512_set1_epi64(0x0fff_fffc_0fff_fffc));
        let r = Power::new(limbs(low, high));
        let mut mac =
            Self { powers: [r; ALL_POWERS], made: powers, sum: [_mm512_setzero_si512(); 3], pad: [pad_low, pad_high] };
        if powers > 1 {
            mac.powers[1] = r.times(&r);
            mac.powers[2] = mac.powers[1].times(&r);
            mac.powers[3] = mac.powers[1].times(&mac.powers[1]);
        }
        if powers > BLOCKS {
            mac.powers[4] = mac.powers[3].times(&mac.powers[3]);
        }
        mac
    }

    /// Overwrite the keys.
    #[inline]
    #[target_feature(enable = "avx512f")]
    pub(super) fn wipe(&mut self) {
        for power in &mut self.powers {
            row::wipe(&mut power.limbs);
            row::wipe(&mut power.folded);
        }
        row::wipe(&mut self.sum);
        row::wipe(&mut self.pad);
    }

    /// Add a whole chunk of each message.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    pub(super) fn chunks(&mut self, rows: &[__m512i; LANES]) {
        self.sum = self.with_chunks(&transpose::long_words(rows));
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    fn with_chunks(&self, words: &[__m512i; 2 * BLOCKS]) -> Number {
        let mut sum = Sum::later_blocks(words, &self.powers);
        sum.add_product(add(self.sum, block(words[0], words[1])), &self.powers[3]);
        sum.carried()
    }

    /// Add two chunks of each of four messages: the first in lanes 0 to 3, the second in lanes 4 to 7. The sum is then
    /// in two parts.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    pub(super) fn pairs(&mut self, rows: &[__m512i; LANES]) {
        let words = transpose::long_words(rows);
        let mut sum = Sum::later_blocks(&words, &self.powers);
        sum.add_product(block(words[0], words[1]), &self.powers[3]);
        sum.add_product(self.sum, &self.powers[4]);
        self.sum = sum.carried();
    }

    /// Combine the parts of a sum in lanes 4 to 7: the first chunk of each pair has yet to be multiplied by r^4, once
    /// for the four blocks of the second.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    pub(super) fn combine(&mut self) {
        let mut product = Sum::zero();
        product.add_product(self.sum, &self.powers[3]);
        for (limb, first) in self.sum.iter_mut().zip(product.carried()) {
            let first = _mm512_shuffle_i64x2::<0x44>(first, first);
            *limb = _mm512_maskz_add_epi64(0xf0, *limb, first);
        }
    }

    /// Add what each message has from octet `at` on, up to a chunk: `rows`, padded with zeros, of messages that end
    /// after `lengths` octets.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    pub(super) fn rest(&mut self, rows: &[__m512i; LANES], lengths: __m512i, at: usize) {
        let words = transpose::long_words(rows);
        // Which messages continue is public: it depends only on their lengths.
        let live = beyond(lengths, at);
        if self.made >= BLOCKS && live == beyond(lengths, at + CHUNK - 1) {
            return self.replace(self.with_chunks(&words), live);
        }
        for (number, pair) in words.as_chunks().0.iter().enumerate() {
            let [low, high] = *pair;
            let live = beyond(lengths, at + number * TAG_BYTES);
            if live != 0 {
                self.one(low, high, live);
            }
        }
    }

    /// Add a block to the messages of `live` lanes.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    pub(super) fn one(&mut self, low: __m512i, high: __m512i, live: __mmask8) {
        let mut sum = Sum::zero();
        sum.add_product(add(self.sum, block(low, high)), &self.powers[0]);
        self.replace(sum.carried(), live);
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    fn replace(&mut self, sum: Number, live: __mmask8) {
        for (limb, next) in self.sum.iter_mut().zip(sum) {
            *limb = _mm512_mask_mov_epi64(*limb, live, next);
        }
    }

    /// Return the tags, after a last block by [`Mac::one`]: the sum modulo 2^130 - 5, plus the pad, modulo 2^128.
    #[inline]
    #[target_feature(enable = "avx512f")]
    pub(super) fn tags(&self) -> [[u8; TAG_BYTES]; LANES] {
        let [low, high] = long_words(reduced(self.sum));
        let low = _mm512_add_epi64(low, self.pad[0]);
        let carry = _mm512_cmplt_epu64_mask(low, self.pad[0]);
        let high = _mm512_add_epi64(high, self.pad[1]);
        let high = _mm512_mask_add_epi64(high, carry, high, _mm512_set1_epi64(1));
        let (mut even, mut odd) = ([0; 64], [0; 64]);
        row::to_chunk(_mm512_unpacklo_epi64(low, high), &mut even);
        row::to_chunk(_mm512_unpackhi_epi64(low, high), &mut odd);
        let (even, odd) = (even.as_chunks().0, odd.as_chunks().0);
        std::array::from_fn(|lane| if lane % 2 == 0 { even[lane / 2] } else { odd[lane / 2] })
    }
}

impl Power {
    #[inline]
    #[target_feature(enable = "avx512f")]
    fn new(limbs: Number) -> Self {
        let twenty = |limb| _mm512_add_epi64(_mm512_slli_epi64::<4>(limb), _mm512_slli_epi64::<2>(limb));
        Self { limbs, folded: [twenty(limbs[1]), twenty(limbs[2])] }
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    fn times(&self, other: &Self) -> Self {
        let mut sum = Sum::zero();
        sum.add_product(self.limbs, other);
        Self::new(sum.carried())
    }
}

impl Sum {
    #[inline]
    #[target_feature(enable = "avx512f")]
    fn zero() -> Self {
        let zero = [_mm512_setzero_si512(); 3];
        Self { low: zero, high: zero }
    }

    /// Start with the last three blocks of a chunk, whose products do not depend on the previous chunk.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    fn later_blocks(words: &[__m512i; 2 * BLOCKS], powers: &[Power; ALL_POWERS]) -> Self {
        let mut sum = Self::zero();
        for number in 1..BLOCKS {
            sum.add_product(block(words[2 * number], words[2 * number + 1]), &powers[BLOCKS - 1 - number]);
        }
        sum
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    fn add_product(&mut self, number: Number, power: &Power) {
        let Power { limbs: [r0, r1, r2], folded: [s1, s2] } = *power;
        for (limb, factors) in [[r0, s2, s1], [r1, r0, s2], [r2, r1, r0]].into_iter().enumerate() {
            for (digit, factor) in number.into_iter().zip(factors) {
                self.low[limb] = _mm512_madd52lo_epu64(self.low[limb], digit, factor);
                self.high[limb] = _mm512_madd52hi_epu64(self.high[limb], digit, factor);
            }
        }
    }

    /// Carry until the limbs have 44 (the second a little more) and 42 bits. Upper halves have the weight 2^52: they
    /// are shifted by eight bits into the limb above, by ten from the top.
    #[inline]
    #[target_feature(enable = "avx512f")]
    fn carried(self) -> Number {
        let (limb, top_limb) = (_mm512_set1_epi64(LIMB), _mm512_set1_epi64(TOP_LIMB));
        let ([l0, l1, l2], [h0, h1, h2]) = (self.low, self.high);
        let carry = _mm512_add_epi64(_mm512_srli_epi64::<44>(l0), _mm512_slli_epi64::<8>(h0));
        let l1 = _mm512_add_epi64(l1, carry);
        let carry = _mm512_add_epi64(_mm512_srli_epi64::<44>(l1), _mm512_slli_epi64::<8>(h1));
        let l2 = _mm512_add_epi64(l2, carry);
        let carry = _mm512_add_epi64(_mm512_srli_epi64::<42>(l2), _mm512_slli_epi64::<10>(h2));
        let l0 = _mm512_add_epi64(_mm512_and_si512(l0, limb), times_five(carry));
        let l1 = _mm512_add_epi64(_mm512_and_si512(l1, limb), _mm512_srli_epi64::<44>(l0));
        [_mm512_and_si512(l0, limb), l1, _mm512_and_si512(l2, top_limb)]
    }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn times_five(number: __m512i) -> __m512i {
    _mm512_add_epi64(number, _mm512_slli_epi64::<2>(number))
}

#[inline]
#[target_feature(enable = "avx512f")]
fn add(a: Number, b: Number) -> Number {
    [_mm512_add_epi64(a[0], b[0]), _mm512_add_epi64(a[1], b[1]), _mm512_add_epi64(a[2], b[2])]
}

/// Return the lanes whose length is greater.
#[inline]
#[target_feature(enable = "avx512f")]
fn beyond(lengths: __m512i, at: usize) -> __mmask8 {
    _mm512_cmpgt_epu64_mask(lengths, _mm512_set1_epi64(at as i64))
}

/// Return 128 bits as limbs.
#[inline]
#[target_feature(enable = "avx512f")]
fn limbs(low: __m512i, high: __m512i) -> Number {
    let limb = _mm512_set1_epi64(LIMB);
    let middle = _mm512_or_si512(_mm512_srli_epi64::<44>(low), _mm512_slli_epi64::<20>(high));
    [_mm512_and_si512(low, limb), _mm512_and_si512(middle, limb), _mm512_srli_epi64::<24>(high)]
}

/// Return limbs as 128 bits; bits above are dropped.
#[inline]
#[target_feature(enable = "avx512f")]
fn long_words([l0, l1, l2]: Number) -> [__m512i; 2] {
    [
        _mm512_or_si512(l0, _mm512_slli_epi64::<44>(l1)),
        _mm512_or_si512(_mm512_srli_epi64::<20>(l1), _mm512_slli_epi64::<24>(l2)),
    ]
}

/// Return a whole block: 16 octets and the bit 2^128. The text is padded with zeros to whole blocks (RFC 8439, section
/// 2.8).
#[inline]
#[target_feature(enable = "avx512f")]
fn block(low: __m512i, high: __m512i) -> Number {
    let [l0, l1, l2] = limbs(low, high);
    [l0, l1, _mm512_or_si512(l2, _mm512_set1_epi64(1 << 40))]
}

/// Return the representative below 2^130 - 5 of the result of [`Mac::one`], without a branch.
#[inline]
#[target_feature(enable = "avx512f")]
fn reduced([l0, l1, l2]: Number) -> Number {
    let (limb, top_limb) = (_mm512_set1_epi64(LIMB), _mm512_set1_epi64(TOP_LIMB));
    // Only the second limb can be slightly too large, so the number is below twice 2^130 - 5.
    let l2 = _mm512_add_epi64(l2, _mm512_srli_epi64::<44>(l1));
    let l1 = _mm512_and_si512(l1, limb);
    // Subtract 2^130 - 5 where the result is not negative: where adding 5 reaches 2^130.
    let m0 = _mm512_add_epi64(l0, _mm512_set1_epi64(5));
    let m1 = _mm512_add_epi64(l1, _mm512_srli_epi64::<44>(m0));
    let m2 = _mm512_add_epi64(l2, _mm512_srli_epi64::<44>(m1));
    let reached = _mm512_test_epi64_mask(m2, _mm512_set1_epi64(TOP_LIMB + 1));
    [
        _mm512_mask_and_epi64(l0, reached, m0, limb),
        _mm512_mask_and_epi64(l1, reached, m1, limb),
        _mm512_mask_and_epi64(l2, reached, m2, top_limb),
    ]
}

#[cfg(test)]
mod tests;
