//! The paths compared with ring: every length, every shape of a batch, forged packets among valid ones.
//!
//! The default number of cases takes seconds. `PROPTEST_CASES` sets another; from a thousand on every count of packets
//! is combined with every length.
#![allow(clippy::unwrap_used)]

use aead::{Aead, Key, Nonce, Packet, Path, TAG_BYTES};
use proptest::prelude::*;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, UnboundKey};

/// The content of one packet.
#[derive(Debug, Clone)]
struct Message {
    key: u8,
    nonce: [u8; 12],
    associated: Vec<u8>,
    text: Vec<u8>,
    /// The octet of ciphertext and tag that is changed, and its bit.
    forged: Option<(usize, u8)>,
}

impl Message {
    /// Return plain data: no associated data, WireGuard's nonce, nothing changed.
    fn numbered(counter: u64, length: usize) -> Self {
        let text = (0..length).map(|at| (at as u64 ^ counter) as u8).collect();
        let mut nonce = [0; 12];
        nonce[4..].copy_from_slice(&counter.to_le_bytes());
        Self { key: counter as u8, nonce, associated: Vec::new(), text, forged: None }
    }

    fn key(&self) -> [u8; 32] {
        std::array::from_fn(|at| self.key.wrapping_mul(31).wrapping_add(at as u8))
    }

    fn packet<'a>(&'a self, key: &'a Key, room: &'a mut [u8]) -> Packet<'a> {
        let (text, tag) = room.split_last_chunk_mut().unwrap();
        Packet { key, nonce: Nonce::from(self.nonce), associated: &self.associated, text, tag }
    }

    /// Return the result of ring.
    fn sealed(&self) -> Vec<u8> {
        let key = LessSafeKey::new(UnboundKey::new(&CHACHA20_POLY1305, &self.key()).unwrap());
        let nonce = ring::aead::Nonce::assume_unique_for_key(self.nonce);
        let mut text = self.text.clone();
        key.seal_in_place_append_tag(nonce, Aad::from(&self.associated), &mut text).unwrap();
        text
    }

    /// Return what the receiver gets.
    fn arriving(&self) -> Vec<u8> {
        let mut sealed = self.sealed();
        if let Some((at, bit)) = self.forged {
            let length = sealed.len();
            sealed[at % length] ^= 1 << (bit % 8);
        }
        sealed
    }
}

/// Seal and open all, and compare every octet.
fn verify(aead: Aead, messages: &[Message]) {
    let path = aead.path();
    let keys: Vec<Key> = messages.iter().map(|message| Key::from(message.key())).collect();
    let mut rooms: Vec<Vec<u8>> =
        messages.iter().map(|message| [&message.text[..], &[0; TAG_BYTES]].concat()).collect();
    aead.seal(messages.iter().zip(&keys).zip(&mut rooms).map(|((message, key), room)| message.packet(key, room)));
    for (at, (message, room)) in messages.iter().zip(&rooms).enumerate() {
        assert!(*room == message.sealed(), "{path} seals packet {at} of {} otherwise", messages.len());
    }

    let mut rooms: Vec<Vec<u8>> = messages.iter().map(Message::arriving).collect();
    let mut opened = Vec::new();
    let packets = messages.iter().zip(&keys).zip(&mut rooms).map(|((message, key), room)| message.packet(key, room));
    aead.open(packets, |packet| opened.push((packet.nonce, packet.text.map(|text| text.to_vec()))));
    let expected: Vec<_> = messages
        .iter()
        .map(|message| (Nonce::from(message.nonce), message.forged.is_none().then(|| message.text.clone())))
        .collect();
    assert!(opened == expected, "{path} opens {} packets otherwise", messages.len());
    for (message, room) in messages.iter().zip(&rooms) {
        let kept = message.forged.is_some() && message.text.len() > 8 && room.starts_with(&message.text);
        assert!(!kept, "{path} leaves the text of a forged packet");
    }
}

fn verify_everywhere(messages: &[Message]) {
    for path in Path::available() {
        verify(Aead::on(path).unwrap(), messages);
    }
}

fn thorough() -> bool {
    ProptestConfig::default().cases >= 1000
}

#[test]
fn every_length_and_count_agrees() {
    for length in 0..=4096 {
        let counts = if thorough() { 1..=40 } else { 1 + length % 40..=1 + length % 40 };
        for count in counts {
            let messages: Vec<_> = (0..count as u64).map(|at| Message::numbered(at * 0x1_0000_0003, length)).collect();
            verify_everywhere(&messages);
        }
    }
}

#[test]
fn each_form_agrees_at_each_length() {
    for count in [1, 3, 4, 7, 8, 16] {
        for length in 0..=2000 {
            let messages: Vec<_> = (0..count).map(|at| Message::numbered(at, length)).collect();
            verify_everywhere(&messages);
        }
    }
}

#[test]
fn the_longest_datagrams_and_longer_texts_agree() {
    for length in [65_535, 65_536, 100_000] {
        let messages: Vec<_> = (0..16).map(|at| Message::numbered(at, length - at as usize)).collect();
        verify_everywhere(&messages);
    }
}

#[test]
fn one_forged_packet_does_not_affect_the_others() {
    for place in 0..16 {
        for at in [0, 700, 1419, 1420, 1435] {
            let mut messages: Vec<_> = (0..16).map(|at| Message::numbered(at, 1420)).collect();
            messages[place].forged = Some((at, place as u8));
            verify_everywhere(&messages);
        }
    }
}

/// Return typical lengths: batches with a shorter last packet, padded packets, and any.
fn length() -> impl Strategy<Value = usize> {
    prop_oneof![Just(1420), Just(1408), (0usize..20).prop_map(|blocks| 16 * blocks), 0usize..1500, 0usize..300]
}

/// Return octets that look random. They are made from a seed, since proptest takes long to create and to shrink many.
fn octets(seed: u64, length: usize) -> Vec<u8> {
    let words =
        std::iter::successors(Some(seed | 1), |word| Some(word.wrapping_mul(0x5851_f42d_4c95_7f2d).rotate_left(23)));
    words.skip(1).map(|word| (word >> 32) as u8).take(length).collect()
}

fn message(length: impl Strategy<Value = usize>) -> impl Strategy<Value = Message> {
    let associated = prop_oneof![3 => Just(0usize), 1 => 0usize..100];
    let forged = prop::option::weighted(0.2, any::<(usize, u8)>());
    (any::<u8>(), any::<[u8; 12]>(), associated, length, any::<u64>(), forged).prop_map(
        |(key, nonce, associated, length, seed, forged)| Message {
            key,
            nonce,
            associated: octets(!seed, associated),
            text: octets(seed, length),
            forged,
        },
    )
}

proptest! {
    #[test]
    fn arbitrary_packets_agree(messages in prop::collection::vec(message(length()), 1..40)) {
        verify_everywhere(&messages);
    }

    #[test]
    fn batches_of_packets_agree(
        batch in length().prop_flat_map(|length| prop::collection::vec(message(Just(length)), 1..40)),
        end in message(length()),
    ) {
        verify_everywhere(&[batch, vec![end]].concat());
    }
}
