//! What is sealed or opened: one message, in place.

use subtle::ConstantTimeEq;

use crate::key::Key;

/// Octets of a tag.
pub const TAG_BYTES: usize = 16;
/// Octets of a nonce.
pub const NONCE_BYTES: usize = 12;

/// A nonce, never to be used twice with one key to seal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Nonce([u8; NONCE_BYTES]);

impl Nonce {
    /// WireGuard's (paper, section 5.4.6): four zero octets, then the counter, little-endian.
    #[must_use]
    pub fn numbered(counter: u64) -> Self {
        let mut octets = [0; NONCE_BYTES];
        octets[4..].copy_from_slice(&counter.to_le_bytes());
        Self(octets)
    }

    /// The last eight octets as WireGuard's counter.
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

/// One message and where it lies. Packets of one batch may have different keys and lengths.
pub struct Packet<'a> {
    /// The key.
    pub key: &'a Key,
    /// The nonce.
    pub nonce: Nonce,
    /// What is authenticated and not sent; empty for WireGuard's data.
    pub associated: &'a [u8],
    /// The plaintext, which becomes the ciphertext, or the other way round.
    pub text: &'a mut [u8],
    /// The tag, or room for it.
    pub tag: &'a mut [u8; TAG_BYTES],
}

impl<'a> Packet<'a> {
    /// A data packet of WireGuard: `room` holds the text and behind it the tag. `None` if it is too short for a tag.
    pub fn numbered(key: &'a Key, counter: u64, room: &'a mut [u8]) -> Option<Self> {
        let (text, tag) = room.split_last_chunk_mut()?;
        Some(Self { key, nonce: Nonce::numbered(counter), associated: &[], text, tag })
    }
}

/// What became of a packet.
pub struct Opened<'a> {
    /// The packet's nonce.
    pub nonce: Nonce,
    /// The plaintext; `None`, and what lay there is void, if the packet is not authentic.
    pub text: Option<&'a mut [u8]>,
}

/// A packet of a batch, with its position there and whether it was found authentic.
pub(crate) struct Entry<'a> {
    pub(crate) packet: Packet<'a>,
    pub(crate) place: usize,
    pub(crate) authentic: bool,
}

impl Entry<'_> {
    /// Compares the tag; a text that is not authentic is lost.
    pub(crate) fn check_tag(&mut self, tag: &[u8; TAG_BYTES]) {
        // As one number: octet by octet, which is what `subtle` does with a slice, takes longer than a short packet.
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
    fn the_counter_of_a_nonce() {
        assert_eq!(Nonce::numbered(0x0102), Nonce::from([0, 0, 0, 0, 2, 1, 0, 0, 0, 0, 0, 0]));
        assert_eq!(Nonce::numbered(u64::MAX - 7).counter(), u64::MAX - 7);
    }

    #[test]
    fn the_tag_is_behind_the_text() {
        let key = Key::from([0; 32]);
        assert!(Packet::numbered(&key, 0, &mut [0; TAG_BYTES - 1]).is_none());
        assert_eq!(Packet::numbered(&key, 0, &mut [0; TAG_BYTES + 3]).unwrap().text.len(), 3);
    }
}
