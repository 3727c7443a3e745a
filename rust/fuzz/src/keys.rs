//! The text forms of keys, compared with a plain decoder that is not constant-time.

use proto::key::{PresharedKey, PrivateKey, PublicKey};

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Parse the octets as a key of each kind.
pub fn run(octets: &[u8]) {
    let Ok(text) = std::str::from_utf8(octets) else { return };
    let (base64, hex) = (plain_base64(octets), plain_hex(octets));
    let public = PublicKey::from_base64(text).ok();
    assert_eq!(public.map(|key| *key.as_bytes()), base64);
    assert_eq!(PresharedKey::from_base64(text).ok().map(|key| *key.as_bytes()), base64);
    assert_eq!(PrivateKey::from_base64(text).ok(), base64.map(PrivateKey::from_bytes));
    assert!(public.is_none_or(|key| *key.to_base64() == text), "two texts for one key");

    let public = PublicKey::from_hex(text).ok();
    assert_eq!(public.map(|key| *key.as_bytes()), hex);
    assert_eq!(PresharedKey::from_hex(text).ok().map(|key| *key.as_bytes()), hex);
    assert_eq!(PrivateKey::from_hex(text).ok(), hex.map(PrivateKey::from_bytes));
    assert!(public.is_none_or(|key| *key.to_hex() == text), "two texts for one key");

    if let Some(bytes) = octets.first_chunk() {
        round_trip(*bytes);
    }
}

fn round_trip(bytes: [u8; 32]) {
    let key = PrivateKey::from_bytes(bytes);
    assert_eq!(PrivateKey::from_base64(&key.to_base64()).as_ref(), Ok(&key));
    assert_eq!(PrivateKey::from_hex(&key.to_hex()).as_ref(), Ok(&key));
    assert_eq!(plain_base64(key.to_base64().as_bytes()), Some(*key.as_bytes()));
    assert_eq!(plain_hex(key.to_hex().as_bytes()), Some(*key.as_bytes()));
}

/// Decode base64 of RFC 4648, section 4, for 32 octets; spare bits must be zero.
fn plain_base64(text: &[u8]) -> Option<[u8; 32]> {
    let digits = text.strip_suffix(b"=").filter(|digits| digits.len() == 43)?;
    let mut bits = Vec::new();
    for digit in digits {
        let six = BASE64.iter().position(|known| known == digit)?;
        bits.extend((0..6).rev().map(|bit| six >> bit & 1 == 1));
    }
    let (whole, spare) = bits.split_at(256);
    let bytes = whole.chunks(8).map(|bits| bits.iter().fold(0, |byte, bit| byte << 1 | u8::from(*bit)));
    spare.iter().all(|bit| !bit).then(|| bytes.collect::<Vec<_>>().try_into().ok()).flatten()
}

fn plain_hex(text: &[u8]) -> Option<[u8; 32]> {
    let digit = |octet: &u8| match octet {
        b'0'..=b'9' => Some(octet - b'0'),
        b'a'..=b'f' => Some(octet - b'a' + 10),
        _ => None,
    };
    let digits = text.iter().map(digit).collect::<Option<Vec<_>>>()?;
    let bytes: Vec<_> = digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect();
    (digits.len() == 64).then(|| bytes.try_into().ok()).flatten()
}
