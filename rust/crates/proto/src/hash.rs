//! The symbols of section 5.4: HASH, MAC, HMAC and KDF over BLAKE2s (RFC 7693), and AEAD (RFC 8439).

use aead::{Key, Packet};
use blake2::digest::consts::U16;
use blake2::digest::{KeyInit, Mac as _};
use blake2::{Blake2s256, Blake2sMac, Digest};
use hmac::SimpleHmac;
pub(crate) use keymem::Secret;

/// Size of a hash and of a symmetric key.
pub(crate) const HASH_BYTES: usize = 32;
/// Size of a message authentication code.
pub(crate) const MAC_BYTES: usize = 16;
/// Size of the AEAD tag.
pub(crate) const TAG_BYTES: usize = 16;

pub(crate) type Hash = [u8; HASH_BYTES];
pub(crate) type Mac = [u8; MAC_BYTES];

/// Compute Hash(a || b).
pub(crate) fn hash(a: &[u8], b: &[u8]) -> Hash {
    Blake2s256::new().chain_update(a).chain_update(b).finalize().into()
}

/// Compute Mac(key, input): keyed BLAKE2s with 16 octets of output. The key has at most 32 octets.
pub(crate) fn mac(key: &[u8], input: &[u8]) -> Mac {
    match Blake2sMac::<U16>::new_from_slice(key) {
        Ok(mac) => mac.chain_update(input).finalize().into_bytes().into(),
        Err(_) => unreachable!("every key of the protocol has 16 or 32 octets"),
    }
}

fn hmac(key: &[u8], a: &[u8], b: &[u8]) -> Secret {
    match SimpleHmac::<Blake2s256>::new_from_slice(key) {
        Ok(mac) => Secret::take(mac.chain_update(a).chain_update(b).finalize().into_bytes().as_mut()),
        Err(_) => unreachable!("HMAC takes a key of any length"),
    }
}

/// Compute Kdf_n(key, input): the HKDF of RFC 5869 with n outputs.
pub(crate) fn kdf<const N: usize>(key: &Hash, input: &[u8]) -> [Secret; N] {
    let extracted = hmac(key, input, &[]);
    let mut outputs = std::array::from_fn(|_| Secret::default());
    let mut previous: &[u8] = &[];
    for (count, output) in (1u8..).zip(outputs.iter_mut()) {
        *output = hmac(&*extracted, previous, &[count]);
        previous = &**output;
    }
    outputs
}

/// Compute Aead(key, counter, plaintext, associated) in place. The last 16 octets of `text` are space for the tag.
pub(crate) fn seal_in_place(key: &Key, counter: u64, associated: &[u8], text: &mut [u8]) {
    if let Some(packet) = Packet::numbered(key, counter, text) {
        aead::seal(Packet { associated, ..packet });
    }
}

/// Open in place; the plaintext is all but the last 16 octets. `None`, and `text` is undefined, if it is not authentic.
pub(crate) fn open_in_place<'a>(
    key: &Key,
    counter: u64,
    associated: &[u8],
    text: &'a mut [u8],
) -> Option<&'a mut [u8]> {
    let plaintext = text.len().checked_sub(TAG_BYTES)?;
    let packet = Packet::numbered(key, counter, text)?;
    aead::open(Packet { associated, ..packet })?;
    Some(&mut text[..plaintext])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blake2s_of_rfc_7693_appendix_b() {
        assert_eq!(hash(b"ab", b"c")[..8], [0x50, 0x8c, 0x5e, 0x8c, 0x32, 0x7c, 0x14, 0xe2]);
    }

    #[test]
    fn outputs_of_the_kdf_form_a_chain() {
        let [a, b, c] = kdf(&[1; 32], b"input");
        assert_eq!([a.clone(), b.clone()], kdf(&[1; 32], b"input"));
        assert_ne!(b, c);
        assert_ne!(a, b);
    }

    #[test]
    fn aead_of_rfc_8439_appendix_a_5() {
        // The nonce of that vector starts with zeros, as ours do.
        let key: [u8; 32] =
            decode("1c9240a5eb55d38af333888604f6b5f0473917c1402b80099dca5cbc207075c0").try_into().unwrap();
        let mut text = decode(
            "64a0861575861af460f062c79be643bd5e805cfd345cf389f108670ac76c8cb24c6cfc18755d43eea09ee94e382d26b0bdb7b73c321b0100d4f03b7f355894cf332f830e710b97ce98c8a84abd0b948114ad176e008d33bd60f982b1ff37c8559797a06ef4f0ef61c186324e2b3506383606907b6a7c02b0f9f6157b53c867e4b9166c767b804d46a59b5216cde7a4e99040c5a40433225ee282a1b0a06c523eaf4534d7f83fa1155b0047718cbc546a0d072b04b3564eea1b422273f548271a0bb2316053fa76991955ebd63159434ecebb4e466dae5a1073a6727627097a1049e617d91d361094fa68f0ff77987130305beaba2eda04df997b714d6c6f2c29a6ad5cb4022b02709beead9d67890cbb22392336fea1851f38",
        );
        let associated = decode("f33388860000000000004e91");
        let counter = u64::from_le_bytes([1, 2, 3, 4, 5, 6, 7, 8]);
        let opened = open_in_place(&Key::from(key), counter, &associated, &mut text).unwrap();
        assert!(opened.starts_with(b"Internet-Drafts are draft documents valid for a maximum of six months"));
    }

    fn decode(hex: &str) -> Vec<u8> {
        (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
    }
}
