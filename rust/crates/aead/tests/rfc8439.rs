//! The vectors of RFC 8439, on every path of this processor, alone and among other packets.
#![allow(clippy::unwrap_used)]

use aead::{Aead, Key, Nonce, Packet, Path};

/// One sealed message.
struct Vector {
    key: [u8; 32],
    nonce: [u8; 12],
    associated: Vec<u8>,
    plaintext: Vec<u8>,
    sealed: Vec<u8>,
}

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.chars().filter_map(|digit| digit.to_digit(16)).map(|digit| digit as u8).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

/// Section 2.8.2.
fn section_2_8_2() -> Vector {
    Vector {
        key: std::array::from_fn(|at| 0x80 + at as u8),
        nonce: bytes("07000000 4041424344454647").try_into().unwrap(),
        associated: bytes("50515253c0c1c2c3c4c5c6c7"),
        plaintext: b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, \
                     sunscreen would be it."
            .to_vec(),
        sealed: bytes(
            "d31a8d34648e60db7b86afbc53ef7ec2 a4aded51296e08fea9e2b5a736ee62d6 3dbea45e8ca9671282fafb69da92728b
             1a71de0a9e060b2905d6a5b67ecd3b36 92ddbd7f2d778b8c9803aee328091b58 fab324e4fad675945585808b4831d7bc
             3ff4def08e4b7a9de576d26586cec64b 6116 1ae10b594f09e26a7e902ecbd0600691",
        ),
    }
}

/// Appendix A.5.
fn appendix_a_5() -> Vector {
    Vector {
        key: bytes("1c9240a5eb55d38af333888604f6b5f0473917c1402b80099dca5cbc207075c0").try_into().unwrap(),
        nonce: bytes("000000000102030405060708").try_into().unwrap(),
        associated: bytes("f33388860000000000004e91"),
        plaintext: "Internet-Drafts are draft documents valid for a maximum of six months and may be updated, \
                    replaced, or obsoleted by other documents at any time. It is inappropriate to use Internet-Drafts \
                    as reference material or to cite them other than as /\u{201c}work in progress./\u{201d}"
            .into(),
        sealed: bytes(
            "64a0861575861af460f062c79be643bd 5e805cfd345cf389f108670ac76c8cb2 4c6cfc18755d43eea09ee94e382d26b0
             bdb7b73c321b0100d4f03b7f355894cf 332f830e710b97ce98c8a84abd0b9481 14ad176e008d33bd60f982b1ff37c855
             9797a06ef4f0ef61c186324e2b350638 3606907b6a7c02b0f9f6157b53c867e4 b9166c767b804d46a59b5216cde7a4e9
             9040c5a40433225ee282a1b0a06c523e af4534d7f83fa1155b0047718cbc546a 0d072b04b3564eea1b422273f548271a
             0bb2316053fa76991955ebd63159434e cebb4e466dae5a1073a6727627097a10 49e617d91d361094fa68f0ff77987130
             305beaba2eda04df997b714d6c6f2c29 a6ad5cb4022b02709b
             eead9d67890cbb22392336fea1851f38",
        ),
    }
}

impl Vector {
    fn packet<'a>(&'a self, key: &'a Key, room: &'a mut [u8]) -> Packet<'a> {
        let packet = Packet::numbered(key, 0, room).unwrap();
        Packet { nonce: Nonce::from(self.nonce), associated: &self.associated, ..packet }
    }
}

/// Seal and open a vector at one of `count` positions, with packets of other lengths at the others.
fn verify(aead: Aead, vector: &Vector, count: usize, place: usize) {
    let (key, other) = (Key::from(vector.key), Key::from([place as u8; 32]));
    let mut texts: Vec<Vec<u8>> = (0..count).map(|at| vec![at as u8; vector.plaintext.len() + at]).collect();
    texts[place].clone_from(&vector.plaintext);
    let mut rooms: Vec<Vec<u8>> = texts.iter().map(|text| [text.as_slice(), &[0; 16]].concat()).collect();

    let packets = rooms.iter_mut().enumerate();
    aead.seal(packets.map(|(at, room)| match at == place {
        true => vector.packet(&key, room),
        false => Packet::numbered(&other, at as u64, room).unwrap(),
    }));
    assert_eq!(rooms[place], vector.sealed, "{} sealed {place} of {count}", aead.path());

    let mut opened = Vec::new();
    let packets = rooms.iter_mut().enumerate().map(|(at, room)| match at == place {
        true => vector.packet(&key, room),
        false => Packet::numbered(&other, at as u64, room).unwrap(),
    });
    aead.open(packets, |packet| opened.push(packet.text.map(|text| text.to_vec())));
    assert_eq!(opened, texts.into_iter().map(Some).collect::<Vec<_>>(), "{} opened {count}", aead.path());
}

#[test]
fn the_vectors_hold_at_every_position_of_every_batch() {
    for path in Path::available() {
        for count in 1..=17 {
            for place in 0..count {
                verify(Aead::on(path).unwrap(), &section_2_8_2(), count, place);
                verify(Aead::on(path).unwrap(), &appendix_a_5(), count, place);
            }
        }
    }
}
