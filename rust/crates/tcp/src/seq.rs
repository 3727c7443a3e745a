//! Sequence numbers and their comparison modulo 2³² (RFC 9293, section 3.4).

use core::ops::{Add, AddAssign, Sub};

/// A sequence number. Comparisons hold for numbers less than 2³¹ apart.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Seq(pub u32);

impl Seq {
    /// Return whether `self` is less than `other`.
    #[must_use]
    pub const fn before(self, other: Self) -> bool {
        (self.0.wrapping_sub(other.0) as i32) < 0
    }

    /// Return whether `self` is greater than `other`.
    #[must_use]
    pub const fn after(self, other: Self) -> bool {
        other.before(self)
    }

    /// Return whether `self` is less than or equal to `other`.
    #[must_use]
    pub const fn at_or_before(self, other: Self) -> bool {
        !other.before(self)
    }

    /// Return whether `self` is greater than or equal to `other`.
    #[must_use]
    pub const fn at_or_after(self, other: Self) -> bool {
        !self.before(other)
    }

    /// Return the greater of two numbers.
    #[must_use]
    pub const fn max(self, other: Self) -> Self {
        if self.before(other) { other } else { self }
    }

    /// Return the lesser of two numbers.
    #[must_use]
    pub const fn min(self, other: Self) -> Self {
        if other.before(self) { other } else { self }
    }
}

impl Add<u32> for Seq {
    type Output = Self;

    fn add(self, bytes: u32) -> Self {
        Self(self.0.wrapping_add(bytes))
    }
}

impl AddAssign<u32> for Seq {
    fn add_assign(&mut self, bytes: u32) {
        *self = *self + bytes;
    }
}

impl Sub<u32> for Seq {
    type Output = Self;

    fn sub(self, bytes: u32) -> Self {
        Self(self.0.wrapping_sub(bytes))
    }
}

impl Sub for Seq {
    type Output = u32;

    /// Return the distance from `other` up to `self`; the caller knows that `self` is not the lesser.
    fn sub(self, other: Self) -> u32 {
        self.0.wrapping_sub(other.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn numbers_less_than_half_the_space_apart_are_ordered(start: u32, distance in 1u32..0x8000_0000) {
            let (low, high) = (Seq(start), Seq(start) + distance);
            prop_assert!(low.before(high) && high.after(low));
            prop_assert!(low.at_or_before(high) && high.at_or_after(low));
            prop_assert!(!high.before(low) || distance == 0x8000_0000);
            prop_assert_eq!(high - low, distance);
            prop_assert_eq!(high - distance, low);
            prop_assert_eq!((low.max(high), low.min(high)), (high, low));
        }
    }

    #[test]
    fn equal_numbers_are_neither_before_nor_after() {
        let seq = Seq(u32::MAX);
        assert!(!seq.before(seq) && !seq.after(seq) && seq.at_or_before(seq) && seq.at_or_after(seq));
        assert_eq!(seq + 1, Seq(0));
    }
}
