//! One packet, by ring.

use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, Tag, UnboundKey};

use crate::key::Key;
use crate::packet::Packet;

/// Seal one packet in place.
pub fn seal(mut packet: Packet<'_>) {
    seal_in_place(&mut packet);
}

/// Open one packet in place; `None` if it is not authentic, and its buffer is then undefined.
#[must_use]
pub fn open<'a>(mut packet: Packet<'a>) -> Option<&'a mut [u8]> {
    open_in_place(&mut packet).then_some(packet.text)
}

pub(crate) fn seal_in_place(packet: &mut Packet<'_>) {
    let (nonce, associated) = (nonce(packet), Aad::from(packet.associated));
    match key(packet.key).seal_in_place_separate_tag(nonce, associated, packet.text) {
        Ok(tag) => packet.tag.copy_from_slice(tag.as_ref()),
        Err(_) => unreachable!("ring refuses only texts of 256 GiB and more"),
    }
}

/// Return false if the packet is not authentic; its text is then undefined.
pub(crate) fn open_in_place(packet: &mut Packet<'_>) -> bool {
    let (nonce, associated, tag) = (nonce(packet), Aad::from(packet.associated), Tag::from(*packet.tag));
    key(packet.key).open_in_place_separate_tag(nonce, associated, tag, packet.text, 0..).is_ok()
}

/// Created for each packet: that takes a nanosecond, and ring's key schedule has 544 octets that it does not wipe.
fn key(key: &Key) -> LessSafeKey {
    match UnboundKey::new(&CHACHA20_POLY1305, key.octets()) {
        Ok(key) => LessSafeKey::new(key),
        Err(_) => unreachable!("a ChaCha20-Poly1305 key has 32 octets"),
    }
}

fn nonce(packet: &Packet<'_>) -> Nonce {
    Nonce::assume_unique_for_key(*packet.nonce.octets())
}
