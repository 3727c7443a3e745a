//! Tests of Poly1305 alone, with edge cases that packets do not reach on purpose.

use super::*;
use crate::poly_cases::{Case, edges, grid};

fn mac(case: &Case) -> Mac {
    let words = case.key.as_chunks().0;
    Mac::new(std::array::from_fn(|word| u64::from_le_bytes(words[word])))
}

/// Return the tag of a message, and whether the sum stayed within its bounds.
fn tag(case: &Case) -> ([u8; TAG_BYTES], bool) {
    let (mut mac, mut bounded) = (mac(case), true);
    for block in &case.blocks {
        mac.block(u128::from_le_bytes(*block));
        bounded &= mac.top <= 4;
    }
    (mac.tag(), bounded)
}

#[test]
fn the_edges_of_rfc_8439_appendix_a_3() {
    for (case, expected) in edges() {
        assert_eq!(tag(&case), (expected, true), "{:x?}", case.blocks);
    }
}

#[test]
fn it_agrees_with_another_implementation() {
    for case in (1..40).flat_map(grid) {
        assert_eq!(tag(&case), (case.tag(), true), "{:x?}", case.blocks);
    }
}

#[test]
fn the_last_block_is_padded_with_zeros() {
    let case = Case { key: [3; 32], blocks: vec![[7; TAG_BYTES]; 3] };
    let mut padded = mac(&case);
    padded.update(&[[7; TAG_BYTES], [7; TAG_BYTES]].as_flattened()[..TAG_BYTES + 9]);
    let mut last = [7; TAG_BYTES];
    last[9..].fill(0);
    assert_eq!(padded.tag(), Case { key: [3; 32], blocks: vec![[7; TAG_BYTES], last] }.tag());
}

#[test]
fn nothing_is_left_of_a_key_that_is_wiped() {
    let mut mac = mac(&Case { key: [0xff; 32], blocks: Vec::new() });
    mac.update(&[7; 40]);
    mac.zeroize();
    assert_eq!((mac.r, mac.folded, mac.low, mac.top, mac.pad), ([0; 2], 0, 0, 0, 0));
}
