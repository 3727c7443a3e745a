//! Test cases for both implementations of Poly1305, with expected results.

use poly1305::Poly1305;
use poly1305::universal_hash::KeyInit;

use crate::packet::TAG_BYTES;

/// Octets of a one-time key: r, then the pad.
pub(crate) const KEY_BYTES: usize = 32;

/// A one-time key and whole blocks.
pub(crate) struct Case {
    pub(crate) key: [u8; KEY_BYTES],
    pub(crate) blocks: Vec<[u8; TAG_BYTES]>,
}

impl Case {
    /// Return the tag computed by another implementation.
    pub(crate) fn tag(&self) -> [u8; TAG_BYTES] {
        Poly1305::new(&self.key.into()).compute_unpadded(self.blocks.as_flattened()).into()
    }
}

fn number(low: u128) -> [u8; TAG_BYTES] {
    low.to_le_bytes()
}

/// Return the cases of RFC 8439, appendix A.3, with whole blocks, which test carries and the last reduction.
pub(crate) fn edges() -> Vec<(Case, [u8; TAG_BYTES])> {
    let case = |r: u128, pad: u128, blocks: &[u128], tag: u128| {
        let mut key = [0; KEY_BYTES];
        key[..TAG_BYTES].copy_from_slice(&number(r));
        key[TAG_BYTES..].copy_from_slice(&number(pad));
        (Case { key, blocks: blocks.iter().map(|block| number(*block)).collect() }, number(tag))
    };
    let (long, ones) = (4 << 64 | 1, u128::MAX);
    let (first, second) = (0xb943_5e50_d794_35e3, 1 << 64 | 0xcd79_435e_50d7_9433);
    vec![
        case(2, 0, &[ones], 3),
        case(2, ones, &[2], 3),
        case(1, 0, &[ones, ones - 15, 0x11], 5),
        case(1, 0, &[ones, 0xfefe_fefe_fefe_fefe_fefe_fefe_fefe_fefb, 0x0101_0101_0101_0101_0101_0101_0101_0101], 0),
        case(2, 0, &[ones - 2], ones - 5),
        case(long, 0, &[first, second, 0, 1], 0x55 << 64 | 0x14),
        case(long, 0, &[first, second, 0], 0x13),
    ]
}

/// Return cases of this many blocks with all kinds of octets, and keys that give the largest and smallest products.
pub(crate) fn grid(blocks: usize) -> Vec<Case> {
    let keys = [0x00, 0xff, 0xfb, 0x03].map(|octet| [octet; KEY_BYTES]);
    let octets: [fn(usize) -> u8; 5] = [
        |_| 0xff,
        |_| 0x00,
        |at| if at < 16 { 0xfb } else { 0xff },
        |at| (at * 167 + at / 256) as u8,
        |at| !(at % 2) as u8,
    ];
    let text =
        |octet: fn(usize) -> u8| (0..blocks).map(|block| std::array::from_fn(|at| octet(16 * block + at))).collect();
    keys.iter().flat_map(|key| octets.iter().map(|octet| Case { key: *key, blocks: text(*octet) })).collect()
}
