//! Poly1305 (RFC 8439, section 2.5): four sums in lockstep, one in each 64-bit lane.
//!
//! A number has five limbs of 26 bits; VPMULUDQ multiplies the lower 32 bits of each lane. Bounds: a block plus the sum
//! so far stays below 2^28 in each limb, powers of r below 2^27, five times those below 2^30. A limb of a sum has four
//! times five products, together less than 20 * 2^58, so that nothing overflows 64 bits.

use core::arch::x86_64::*;

use crate::avx2::row::{self, Row};
use crate::avx2::transpose::long_words;
use crate::lanes::CHUNK;
use crate::packet::TAG_BYTES;

/// Number of lanes, one for each code.
pub(super) const LANES: usize = 4;
/// Blocks of 16 octets in a chunk.
const BLOCKS: usize = 4;
const LIMB: i64 = (1 << 26) - 1;

/// A number below about 2^131 in each lane.
type Number = [__m256i; 5];

/// A power of r, and its upper limbs times 5, by which an overflow of 2^130 is reduced.
#[derive(Clone, Copy)]
struct Power {
    limbs: Number,
    folded: [__m256i; 4],
}

/// A sum of products before carries.
struct Sum(Number);

/// The partial codes of four messages.
pub(super) struct Mac {
    /// r, r^2, r^3, r^4; only r unless `long`.
    powers: [Power; BLOCKS],
    long: bool,
    sum: Number,
    pad: [__m256i; 2],
}

impl Mac {
    /// Take the one-time keys (RFC 8439, section 2.6), the first half of each row. [`Mac::chunks`] may be called only
    /// if `long`.
    #[inline]
    #[target_feature(enable = "avx2")]
    pub(super) fn new(keys: &[Row; LANES], long: bool) -> Self {
        let [low, high, pad_low, pad_high] = long_words(keys.map(|[key, _]| key));
        let low = _mm256_and_si256(low, _mm256_set1_epi64x(0x0fff_fffc_0fff_ffff));
        let high = _mm256_and_si256(high, _mm256_set1_epi64x(0x0fff_fffc_0fff_fffc));
        let r = Power::new(limbs(low, high));
        let mut powers = [r; BLOCKS];
        if long {
            powers[1] = r.times(&r);
            powers[2] = powers[1].times(&r);
            powers[3] = powers[1].times(&powers[1]);
        }
        Self { powers, long, sum: [_mm256_setzero_si256(); 5], pad: [pad_low, pad_high] }
    }

    /// Overwrite the keys.
    #[inline]
    #[target_feature(enable = "avx2")]
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
    #[target_feature(enable = "avx2")]
    pub(super) fn chunks(&mut self, rows: &[Row; LANES]) {
        self.sum = self.with_chunks(rows);
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn with_chunks(&self, rows: &[Row; LANES]) -> Number {
        let [third, third_high, fourth, fourth_high] = long_words(rows.map(|[_, row]| row));
        let mut sum = Sum::zero();
        sum.add_product(block(fourth, fourth_high), &self.powers[0]);
        sum.add_product(block(third, third_high), &self.powers[1]);
        let [first, first_high, second, second_high] = long_words(rows.map(|[row, _]| row));
        sum.add_product(block(second, second_high), &self.powers[2]);
        sum.add_product(add(self.sum, block(first, first_high)), &self.powers[3]);
        sum.carried()
    }

    /// Add what each message has from octet `at` on, up to a chunk: `rows`, padded with zeros, of messages that end
    /// after `lengths` octets.
    #[inline]
    #[target_feature(enable = "avx2")]
    pub(super) fn rest(&mut self, rows: &[Row; LANES], lengths: __m256i, at: usize) {
        // Which messages continue is public: it depends only on their lengths.
        let live = beyond(lengths, at);
        let ending = _mm256_xor_si256(live, beyond(lengths, at + CHUNK - 1));
        if self.long && _mm256_testz_si256(ending, ending) == 1 {
            return self.replace(self.with_chunks(rows), live);
        }
        for half in 0..2 {
            let words = long_words(rows.map(|row| row[half]));
            for (number, pair) in words.as_chunks().0.iter().enumerate() {
                let [low, high] = *pair;
                let live = beyond(lengths, at + (2 * half + number) * TAG_BYTES);
                if _mm256_testz_si256(live, live) == 0 {
                    self.one(low, high, live);
                }
            }
        }
    }

    /// Add a block to the messages of `live` lanes, whose bits are all set.
    #[inline]
    #[target_feature(enable = "avx2")]
    pub(super) fn one(&mut self, low: __m256i, high: __m256i, live: __m256i) {
        let mut sum = Sum::zero();
        sum.add_product(add(self.sum, block(low, high)), &self.powers[0]);
        self.replace(sum.carried(), live);
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn replace(&mut self, sum: Number, live: __m256i) {
        for (limb, next) in self.sum.iter_mut().zip(sum) {
            *limb = _mm256_blendv_epi8(*limb, next, live);
        }
    }

    /// Return the tags: the sum modulo 2^130 - 5, plus the pad, modulo 2^128.
    #[inline]
    #[target_feature(enable = "avx2")]
    pub(super) fn tags(&self) -> [[u8; TAG_BYTES]; LANES] {
        let [l0, l1, l2, l3, l4] = reduced(self.sum);
        let low = or(l0, or(_mm256_slli_epi64::<26>(l1), _mm256_slli_epi64::<52>(l2)));
        let high = or(_mm256_srli_epi64::<12>(l2), or(_mm256_slli_epi64::<14>(l3), _mm256_slli_epi64::<40>(l4)));
        let low = _mm256_add_epi64(low, self.pad[0]);
        let high = _mm256_add_epi64(high, self.pad[1]);
        // All ones, that is minus one, where the lower half has wrapped.
        let high = _mm256_sub_epi64(high, less(low, self.pad[0]));
        let mut tags = [0; LANES * TAG_BYTES];
        row::to_chunk([_mm256_unpacklo_epi64(low, high), _mm256_unpackhi_epi64(low, high)], &mut tags);
        // Each 128 bits of a register are one tag: lanes 0 and 2, then 1 and 3.
        let tags = tags.as_chunks().0;
        [tags[0], tags[2], tags[1], tags[3]]
    }
}

impl Power {
    #[inline]
    #[target_feature(enable = "avx2")]
    fn new(limbs: Number) -> Self {
        let [_, l1, l2, l3, l4] = limbs;
        Self { limbs, folded: [times_five(l1), times_five(l2), times_five(l3), times_five(l4)] }
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn times(&self, other: &Self) -> Self {
        let mut sum = Sum::zero();
        sum.add_product(self.limbs, other);
        Self::new(sum.carried())
    }
}

impl Sum {
    #[inline]
    #[target_feature(enable = "avx2")]
    fn zero() -> Self {
        Self([_mm256_setzero_si256(); 5])
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn add_product(&mut self, number: Number, power: &Power) {
        let Power { limbs: [r0, r1, r2, r3, r4], folded: [s1, s2, s3, s4] } = *power;
        let rows = [
            [r0, s4, s3, s2, s1],
            [r1, r0, s4, s3, s2],
            [r2, r1, r0, s4, s3],
            [r3, r2, r1, r0, s4],
            [r4, r3, r2, r1, r0],
        ];
        for (limb, factors) in self.0.iter_mut().zip(rows) {
            for (digit, factor) in number.into_iter().zip(factors) {
                *limb = _mm256_add_epi64(*limb, _mm256_mul_epu32(digit, factor));
            }
        }
    }

    /// Carry in two chains at once, until limbs have 26 bits or a little more.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn carried(self) -> Number {
        let mut number = self.0;
        for from in [0, 3, 1, 4, 2, 0, 3] {
            carry(&mut number, from);
        }
        number
    }
}

/// Carry from one limb to the next, and from the last, times five, to the first.
#[inline]
#[target_feature(enable = "avx2")]
fn carry(number: &mut Number, from: usize) {
    let over = _mm256_srli_epi64::<26>(number[from]);
    number[from] = _mm256_and_si256(number[from], _mm256_set1_epi64x(LIMB));
    let (to, over) = if from == 4 { (0, times_five(over)) } else { (from + 1, over) };
    number[to] = _mm256_add_epi64(number[to], over);
}

#[inline]
#[target_feature(enable = "avx2")]
fn times_five(number: __m256i) -> __m256i {
    _mm256_add_epi64(number, _mm256_slli_epi64::<2>(number))
}

#[inline]
#[target_feature(enable = "avx2")]
fn or(a: __m256i, b: __m256i) -> __m256i {
    _mm256_or_si256(a, b)
}

/// Return all ones where `a < b`, as unsigned numbers.
#[inline]
#[target_feature(enable = "avx2")]
fn less(a: __m256i, b: __m256i) -> __m256i {
    let sign = _mm256_set1_epi64x(i64::MIN);
    _mm256_cmpgt_epi64(_mm256_xor_si256(b, sign), _mm256_xor_si256(a, sign))
}

#[inline]
#[target_feature(enable = "avx2")]
fn add(a: Number, b: Number) -> Number {
    std::array::from_fn(|limb| _mm256_add_epi64(a[limb], b[limb]))
}

/// Return all ones in lanes whose length is greater. Lengths are below 2^63.
#[inline]
#[target_feature(enable = "avx2")]
fn beyond(lengths: __m256i, at: usize) -> __m256i {
    _mm256_cmpgt_epi64(lengths, _mm256_set1_epi64x(at as i64))
}

/// Return 128 bits as limbs.
#[inline]
#[target_feature(enable = "avx2")]
fn limbs(low: __m256i, high: __m256i) -> Number {
    let middle = or(_mm256_srli_epi64::<52>(low), _mm256_slli_epi64::<12>(high));
    let parts = [low, _mm256_srli_epi64::<26>(low), middle, _mm256_srli_epi64::<14>(high)];
    let [l0, l1, l2, l3] = parts.map(|part| _mm256_and_si256(part, _mm256_set1_epi64x(LIMB)));
    [l0, l1, l2, l3, _mm256_srli_epi64::<40>(high)]
}

/// Return a whole block: 16 octets and the bit 2^128. The text is padded with zeros to whole blocks (RFC 8439, section
/// 2.8).
#[inline]
#[target_feature(enable = "avx2")]
fn block(low: __m256i, high: __m256i) -> Number {
    let [l0, l1, l2, l3, l4] = limbs(low, high);
    [l0, l1, l2, l3, or(l4, _mm256_set1_epi64x(1 << 24))]
}

/// Return the representative below 2^130 - 5 of the result of [`Sum::carried`], without a branch.
#[inline]
#[target_feature(enable = "avx2")]
fn reduced(mut number: Number) -> Number {
    // Each limb is at most slightly too large, so the number is below twice 2^130 - 5.
    for from in [0, 1, 2, 3] {
        carry(&mut number, from);
    }
    // Subtract 2^130 - 5 where the result is not negative: where adding 5 reaches 2^130.
    let mut more = number;
    more[0] = _mm256_add_epi64(more[0], _mm256_set1_epi64x(5));
    for from in [0, 1, 2, 3] {
        carry(&mut more, from);
    }
    let reached = _mm256_cmpgt_epi64(more[4], _mm256_set1_epi64x(LIMB));
    more[4] = _mm256_and_si256(more[4], _mm256_set1_epi64x(LIMB));
    std::array::from_fn(|limb| _mm256_blendv_epi8(number[limb], more[limb], reached))
}

#[cfg(test)]
mod tests;
