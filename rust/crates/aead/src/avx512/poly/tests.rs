//! Tests of Poly1305 alone, with edge cases that packets do not reach on purpose.

use super::*;
use crate::path::Path;
use crate::poly_cases::{Case, edges, grid};

/// How blocks are added.
#[derive(Debug, Clone, Copy)]
enum Way {
    /// One by one.
    Ones,
    /// Four at a time, the rest one by one.
    Chunks,
    /// Eight at a time in two lanes, the rest one by one.
    Pairs,
}

const WAYS: [Way; 3] = [Way::Ones, Way::Chunks, Way::Pairs];

/// Return the tag of each lane, all with the same message.
fn tags(case: &Case, way: Way) -> Vec<[u8; TAG_BYTES]> {
    if !Path::Avx512.is_available() {
        return Vec::new();
    }
    // SAFETY: it is available.
    unsafe { tags_in_lanes(case, way) }
}

#[target_feature(enable = "avx512f,avx512bw,avx512ifma")]
fn tags_in_lanes(case: &Case, way: Way) -> Vec<[u8; TAG_BYTES]> {
    let mut mac = Mac::new(&[row::of_part(&case.key); LANES], ALL_POWERS);
    let mut rest = case.blocks.as_slice();
    let mut lanes = 0..LANES;
    match way {
        Way::Ones => {}
        Way::Chunks => {
            while let Some((chunk, later)) = rest.split_first_chunk::<BLOCKS>()
                && !later.is_empty()
            {
                mac.chunks(&[row::of_part(chunk.as_flattened()); LANES]);
                rest = later;
            }
        }
        Way::Pairs => {
            while let Some((pair, later)) = rest.split_first_chunk::<{ 2 * BLOCKS }>()
                && !later.is_empty()
            {
                let [first, second] =
                    [&pair[..BLOCKS], &pair[BLOCKS..]].map(|chunk| row::of_part(chunk.as_flattened()));
                mac.pairs(&[first, first, first, first, second, second, second, second]);
                rest = later;
            }
            mac.combine();
            lanes = LANES / 2..LANES;
        }
    }
    for block in rest {
        let [low, high] = [&block[..8], &block[8..]].map(|half| i64::from_le_bytes(half.try_into().unwrap()));
        mac.one(_mm512_set1_epi64(low), _mm512_set1_epi64(high), !0);
    }
    mac.tags()[lanes].to_vec()
}

#[test]
fn the_edges_of_rfc_8439_appendix_a_3() {
    for (case, tag) in edges() {
        assert_eq!(case.tag(), tag);
        for way in WAYS {
            assert!(tags(&case, way).iter().all(|lane| *lane == tag), "{way:?} of {:x?}", case.blocks);
        }
    }
}

#[test]
fn every_method_agrees_with_another_implementation() {
    for case in (1..40).flat_map(grid) {
        for way in WAYS {
            assert!(tags(&case, way).iter().all(|lane| *lane == case.tag()), "{way:?} of {:x?}", case.blocks);
        }
    }
}

#[test]
fn finished_lanes_keep_their_sum() {
    if !Path::Avx512.is_available() {
        return;
    }
    #[target_feature(enable = "avx512f,avx512bw,avx512ifma")]
    fn uneven() -> [[u8; TAG_BYTES]; LANES] {
        let mut mac = Mac::new(&[row::of_part(&[3; 32]); LANES], 1);
        let lengths = row::of_long_words(&[0, 1, 16, 17, 33, 48, 49, 64]);
        mac.rest(&[row::of_part(&[7; 64]); LANES], lengths, 0);
        mac.tags()
    }
    // SAFETY: it is available.
    let tags = unsafe { uneven() };
    for (tag, blocks) in tags.into_iter().zip([0, 1, 1, 2, 3, 3, 4, 4]) {
        assert_eq!(tag, Case { key: [3; 32], blocks: vec![[7; TAG_BYTES]; blocks] }.tag());
    }
}
