//! A packet to be sealed or opened in place.

use subtle::ConstantTimeEq;

use crate::key::Key;

/// Size of a tag.
pub const TAG_BYTES: usize = 16;
/// Size of a nonce.
pub const NONCE_BYTES: usize = 12;

/// A nonce, which must not be used twice to seal with one key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Nonce([u8; NONCE_BYTES]);

impl Nonce {
    /// Return the nonce of WireGuard (paper, section 5.4.6): four zero octets, then the counter, little-endian.
    #[must_use]
    pub fn numbered(counter: u64) -> Self {
        let mut octets = [0; NONCE_BYTES];
        octets[4..].copy_from_slice(&counter.to_le_bytes());
        Self(octets)
    }

    /// Return the last eight octets as WireGuard's counter.
    #[must_use]
    pub fn counter(&self) -> u64 {
        self.0[4..].iter().rev().fold(0, |counter, octet| counter << 8 | u64::from(*octet))
    }

    pub(crate) const fn octets(&self) -> &[u8; NONCE_BYTES] {
        &self.0
    }
}

impl From<[u8; NONCE_BYTES]> for Nonce {
    fn from(octets: [u8; NONCE_BYTES]) -> Self {
        Self(octets)
    }
}

/// One packet and its buffers. Packets of one batch may have different keys and lengths.
pub struct Packet<'a> {
    /// The key.
    pub key: &'a Key,
    /// The nonce.
    pub nonce: Nonce,
    /// The associated data, authenticated and not sent; empty for WireGuard's data.
    pub associated: &'a [u8],
    /// The plaintext, which is replaced by the ciphertext, or vice versa.
    pub text: &'a mut [u8],
    /// The tag, or space for it.
    pub tag: &'a mut [u8; TAG_BYTES],
}

impl<'a> Packet<'a> {
    /// Return a data packet of WireGuard: `room` holds the text followed by the tag. `None` if it is too short for a
    /// tag.
    pub fn numbered(key: &'a Key, counter: u64, room: &'a mut [u8]) -> Option<Self> {
        let (text, tag) = room.split_last_chunk_mut()?;
        Some(Self { key, nonce: Nonce::numbered(counter), associated: &[], text, tag })
    }
}

/// The result of opening a packet.
pub struct Opened<'a> {
    /// The packet's nonce.
    pub nonce: Nonce,
    /// The plaintext; `None` if the packet is not authentic, and its buffer is then undefined.
    pub text: Option<&'a mut [u8]>,
}

/// A packet of a batch, with its position there and whether it was found authentic.
pub(crate) struct Entry<'a> {
    pub(crate) packet: Packet<'a>,
    pub(crate) place: usize,
    pub(crate) authentic: bool,
}

impl Entry<'_> {
    /// Compare the tag; a text that is not authentic is erased.
    pub(crate) fn check_tag(&mut self, tag: &[u8; TAG_BYTES]) {
        // Compared as one number: octet by octet, as `subtle` compares a slice, takes longer than a short packet.
        self.authentic = u128::from_ne_bytes(*self.packet.tag).ct_eq(&u128::from_ne_bytes(*tag)).into();
        if !self.authentic {
            self.packet.text.fill(0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nonce_holds_the_counter() {
        assert_eq!(Nonce::numbered(0x0102), Nonce::from([0, 0, 0, 0, 2, 1, 0, 0, 0, 0, 0, 0]));
        assert_eq!(Nonce::numbered(u64::MAX - 7).counter(), u64::MAX - 7);
    }

    #[test]
    fn the_tag_follows_the_text() {
        let key = Key::from([0; 32]);
        assert!(Packet::numbered(&key, 0, &mut [0; TAG_BYTES - 1]).is_none());
        assert_eq!(Packet::numbered(&key, 0, &mut [0; TAG_BYTES + 3]).unwrap().text.len(), 3);
    }
}
