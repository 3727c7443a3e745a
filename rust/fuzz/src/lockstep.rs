//! Packets of any lengths, keys and associated data, some of them forged, are sealed and opened together, and compared
//! with the result of ring for each.

use aead::{Aead, Key, Nonce, Packet, TAG_BYTES};
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, UnboundKey};

use crate::path::chosen;
use crate::script::Script;

/// Packets of one run: more than two batches of sixteen.
const MOST: usize = 40;

struct Message {
    key: [u8; 32],
    nonce: [u8; 12],
    associated: Vec<u8>,
    text: Vec<u8>,
    /// The octet of ciphertext and tag that is changed, and how.
    forged: Option<(usize, u8)>,
}

/// Run with an AEAD path and descriptions of packets.
pub fn run(octets: &[u8]) {
    let mut script = Script(octets);
    let aead = chosen(script.octet());
    let mut messages: Vec<Message> = Vec::new();
    while messages.len() < MOST && !script.is_over() {
        let message = Message::read(&mut script, messages.len());
        messages.push(message);
    }
    let sealed = sealed(aead, &messages);
    for (message, sealed) in messages.iter().zip(&sealed) {
        assert_eq!(*sealed, message.by_ring());
    }
    check_opening(aead, &messages, sealed);
}

impl Message {
    fn read(script: &mut Script<'_>, number: usize) -> Self {
        let (variant, length) = (script.octet(), usize::from(script.short()) % 4097);
        let associated = if variant & 1 == 1 { script.octet().into() } else { 0 };
        let forged = (variant & 6 == 6).then(|| (usize::from(script.short()), script.octet() | 1));
        let taken = script.take(usize::from(variant >> 5));
        let mut text = taken.to_vec();
        text.resize(length, variant ^ number as u8);
        let mut nonce = [variant; 12];
        nonce[11] = number as u8;
        Self { key: [variant >> 3; 32], nonce, associated: vec![variant; associated], text, forged }
    }

    fn by_ring(&self) -> Vec<u8> {
        let key = LessSafeKey::new(UnboundKey::new(&CHACHA20_POLY1305, &self.key).expect("a key of its length"));
        let nonce = ring::aead::Nonce::assume_unique_for_key(self.nonce);
        let mut text = self.text.clone();
        key.seal_in_place_append_tag(nonce, Aad::from(&self.associated), &mut text).expect("shorter than 256 GiB");
        text
    }

    fn packet<'a>(&'a self, key: &'a Key, room: &'a mut [u8]) -> Packet<'a> {
        let (text, tag) = room.split_last_chunk_mut().expect("room for the tag");
        Packet { key, nonce: Nonce::from(self.nonce), associated: &self.associated, text, tag }
    }
}

fn keys(messages: &[Message]) -> Vec<Key> {
    messages.iter().map(|message| Key::from(message.key)).collect()
}

fn sealed(aead: Aead, messages: &[Message]) -> Vec<Vec<u8>> {
    let keys = keys(messages);
    let mut rooms: Vec<_> = messages.iter().map(|message| [&message.text[..], &[0; TAG_BYTES]].concat()).collect();
    aead.seal(messages.iter().zip(&keys).zip(&mut rooms).map(|((message, key), room)| message.packet(key, room)));
    rooms
}

fn check_opening(aead: Aead, messages: &[Message], mut rooms: Vec<Vec<u8>>) {
    for (message, room) in messages.iter().zip(&mut rooms) {
        let length = room.len();
        message.forged.iter().for_each(|(at, change)| room[at % length] ^= change);
    }
    let keys = keys(messages);
    let mut opened = Vec::new();
    let packets = messages.iter().zip(&keys).zip(&mut rooms).map(|((message, key), room)| message.packet(key, room));
    aead.open(packets, |packet| opened.push(packet.text.map(|text| text.to_vec())));
    let expected = messages.iter().map(|message| message.forged.is_none().then(|| message.text.clone()));
    assert_eq!(opened, expected.collect::<Vec<_>>());
}
