//! Grouping of the packets of a batch by their lengths.

use crate::path::Path;

/// Packets that are grouped together.
pub(crate) const BATCH: usize = 16;
/// The longest text processed in lockstep: no datagram is longer.
const LONGEST: usize = 65_535;

/// How packets are processed: so many in lockstep, or one alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Sixteen,
    Eight,
    Four,
    Single,
}

/// A form costs the same however few of its lanes are used: it pays off from this number of packets.
type From = (Form, usize);

/// The forms that pay off for texts of up to this size, the largest first.
type Rule = (usize, &'static [From]);

/// Measured against each other and against ring (`examples/speed.rs`), on processors of two vendors: a form is used where
/// it loses on neither. At 1420 octets, in units of a packet of ring, a group of sixteen costs 7.4 and 9.6, one of eight
/// 3.8 and 4.9, one of four 2.1 and 2.7 (Intel family 6 model 207, AMD family 25).
const AVX512: &[Rule] = &[
    (79, &[(Form::Sixteen, 10), (Form::Eight, 3)]),
    (639, &[(Form::Sixteen, 11), (Form::Eight, 5), (Form::Four, 4)]),
    (LONGEST, &[(Form::Sixteen, 14), (Form::Eight, 6), (Form::Four, 4)]),
];

/// Measured, too. What is saved is ring's work for a packet before its first block and after its last; per block ring
/// is as fast. Where a group gains less than a twentieth, ring is kept: processors differ by that much. Eight texts above
/// two kibibytes do not stay in the first-level cache.
const AVX2: &[Rule] = &[
    (95, &[(Form::Eight, 5), (Form::Four, 3)]),
    (383, &[(Form::Eight, 6), (Form::Four, 4)]),
    (1024, &[(Form::Eight, 7), (Form::Four, 4)]),
    (2048, &[(Form::Eight, 8)]),
];

/// Return the form for the first packets of the rest of a batch, and how many of them it takes. There is at least one
/// length, and they are in descending order.
pub(crate) fn next_group(path: Path, mut lengths: impl Iterator<Item = usize> + Clone) -> (Form, usize) {
    let longest = lengths.next().unwrap_or_default();
    let rules = match path {
        Path::Avx512 => AVX512,
        Path::Avx2 => AVX2,
        Path::Ring => &[],
    };
    let Some((_, forms)) = rules.iter().find(|(most, _)| longest <= *most) else {
        return (Form::Single, 1);
    };
    let count = 1 + lengths.clone().count();
    let alike = 1 + lengths.take_while(|length| 4 * blocks(*length) >= 3 * blocks(longest)).count();
    let form = forms.iter().find(|(_, least)| alike >= *least).map_or(Form::Single, |(form, _)| *form);
    // Shorter packets in the remaining lanes cost nothing more.
    (form, count.min(form.lanes()))
}

impl Form {
    pub(crate) const fn lanes(self) -> usize {
        match self {
            Self::Sixteen => 16,
            Self::Eight => 8,
            Self::Four => 4,
            Self::Single => 1,
        }
    }
}

/// Return the cost of a packet: the blocks of its text, one for its Poly1305 key, and about one for the rest.
const fn blocks(length: usize) -> usize {
    length.div_ceil(64) + 2
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Return the groups of a batch.
    fn groups(path: Path, lengths: &[usize]) -> Vec<(Form, usize)> {
        let mut groups = Vec::new();
        let mut rest = lengths;
        while !rest.is_empty() {
            let (form, count) = next_group(path, rest.iter().copied());
            groups.push((form, count));
            rest = &rest[count..];
        }
        groups
    }

    #[test]
    fn a_batch_and_its_shorter_last_packet_form_one_group() {
        let mut batch = [1420; 16];
        batch[15] = 90;
        assert_eq!(groups(Path::Avx512, &batch), [(Form::Sixteen, 16)]);
        assert_eq!(groups(Path::Avx2, &[1420; 16]), [(Form::Eight, 8); 2]);
        assert_eq!(groups(Path::Avx512, &[1420; 13]), [(Form::Eight, 8), (Form::Four, 4), (Form::Single, 1)]);
    }

    #[test]
    fn short_packets_are_not_grouped_with_a_few_long_ones() {
        let mut lengths = [60; 16];
        lengths[0] = 1420;
        assert_eq!(groups(Path::Avx512, &[[1420; 4], [60; 4]].concat()), [(Form::Four, 4), (Form::Eight, 4)]);
        assert_eq!(groups(Path::Avx512, &lengths), [(Form::Single, 1), (Form::Sixteen, 15)]);
        assert_eq!(groups(Path::Avx2, &lengths), [(Form::Single, 1), (Form::Eight, 8), (Form::Eight, 7)]);
    }

    #[test]
    fn packets_without_a_gain_are_processed_alone() {
        assert_eq!(next_group(Path::Ring, [60; 16].into_iter()), (Form::Single, 1));
        assert_eq!(next_group(Path::Avx2, [1420; 7].into_iter()), (Form::Single, 1));
        assert_eq!(next_group(Path::Avx2, [2049; 16].into_iter()), (Form::Single, 1));
        assert_eq!(next_group(Path::Avx512, [LONGEST + 1; 16].into_iter()), (Form::Single, 1));
    }
}
