//! Tests of Poly1305 alone, with edge cases that packets do not reach on purpose.

use super::*;
use crate::path::Path;
use crate::poly_cases::{Case, edges, grid};

/// Return the tag of each lane, all with the same message: whole chunks if `by_chunks`, the rest block by block.
fn tags(case: &Case, by_chunks: bool) -> Vec<[u8; TAG_BYTES]> {
    if !Path::Avx2.is_available() {
        return Vec::new();
    }
    // SAFETY: it is available.
    unsafe { tags_in_lanes(case, by_chunks) }.to_vec()
}

#[target_feature(enable = "avx2")]
fn tags_in_lanes(case: &Case, by_chunks: bool) -> [[u8; TAG_BYTES]; LANES] {
    let mut key = [0; 64];
    key[..32].copy_from_slice(&case.key);
    let mut mac = Mac::new(&[row::of_chunk(&key); LANES], true);
    let mut rest = case.blocks.as_slice();
    while by_chunks && let Some((chunk, later)) = rest.split_first_chunk::<BLOCKS>() {
        mac.chunks(&[row::of_chunk(&chunk.as_flattened().try_into().unwrap()); LANES]);
        rest = later;
    }
    for block in rest {
        let [low, high] = [&block[..8], &block[8..]].map(|half| i64::from_le_bytes(half.try_into().unwrap()));
        mac.one(_mm256_set1_epi64x(low), _mm256_set1_epi64x(high), _mm256_set1_epi64x(-1));
    }
    mac.tags()
}

#[test]
fn the_edges_of_rfc_8439_appendix_a_3() {
    for (case, tag) in edges() {
        for by_chunks in [false, true] {
            assert!(tags(&case, by_chunks).iter().all(|lane| *lane == tag), "{by_chunks} of {:x?}", case.blocks);
        }
    }
}

#[test]
fn both_methods_agree_with_another_implementation() {
    for case in (1..40).flat_map(grid) {
        for by_chunks in [false, true] {
            assert!(tags(&case, by_chunks).iter().all(|lane| *lane == case.tag()), "{by_chunks} of {:x?}", case.blocks);
        }
    }
}

#[test]
fn finished_lanes_keep_their_sum() {
    if !Path::Avx2.is_available() {
        return;
    }
    #[target_feature(enable = "avx2")]
    fn uneven() -> [[u8; TAG_BYTES]; LANES] {
        let mut mac = Mac::new(&[row::of_chunk(&[3; 64]); LANES], false);
        mac.rest(&[row::of_chunk(&[7; 64]); LANES], row::of_long_words(&[0, 16, 33, 64]), 0);
        mac.tags()
    }
    // SAFETY: it is available.
    let tags = unsafe { uneven() };
    for (tag, blocks) in tags.into_iter().zip([0, 1, 3, 4]) {
        assert_eq!(tag, Case { key: [3; 32], blocks: vec![[7; TAG_BYTES]; blocks] }.tag());
    }
}
