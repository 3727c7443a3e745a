//! Project Wycheproof's ChaCha20-Poly1305 vectors, on every path of this processor: edge cases of Poly1305 and forgeries.
#![allow(clippy::unwrap_used)]

use aead::{Aead, Key, Nonce, Packet, Path, TAG_BYTES};
use wycheproof::TestResult;
use wycheproof::aead::{Test, TestName, TestSet};

/// Return the vectors whose nonces and tags have the sizes of this crate.
fn vectors() -> Vec<Test> {
    let set = TestSet::load(TestName::ChaCha20Poly1305).unwrap();
    let ours = set.test_groups.into_iter().filter(|group| group.nonce_size == 96 && group.tag_size == 128);
    let tests: Vec<Test> = ours.flat_map(|group| group.tests).collect();
    assert!(tests.len() > 200, "only {} vectors", tests.len());
    tests
}

fn key(test: &Test) -> Key {
    Key::from(<[u8; 32]>::try_from(test.key.as_ref()).unwrap())
}

fn nonce(test: &Test) -> Nonce {
    Nonce::from(<[u8; 12]>::try_from(test.nonce.as_ref()).unwrap())
}

/// Seal all plaintexts, each `times` times in a row.
fn sealed(aead: Aead, tests: &[Test], times: usize) -> Vec<(Vec<u8>, [u8; TAG_BYTES])> {
    let keys: Vec<Key> = tests.iter().map(key).collect();
    let of = |at: usize| &tests[at / times];
    let mut rooms: Vec<_> = (0..tests.len() * times).map(|at| (of(at).pt.to_vec(), [0; TAG_BYTES])).collect();
    aead.seal(rooms.iter_mut().enumerate().map(|(at, (text, tag))| Packet {
        key: &keys[at / times],
        nonce: nonce(of(at)),
        associated: &of(at).aad,
        text,
        tag,
    }));
    rooms
}

/// Open all ciphertexts in the same way.
fn opened(aead: Aead, tests: &[Test], times: usize) -> Vec<Option<Vec<u8>>> {
    let keys: Vec<Key> = tests.iter().map(key).collect();
    let of = |at: usize| &tests[at / times];
    let mut rooms: Vec<(Vec<u8>, [u8; TAG_BYTES])> =
        (0..tests.len() * times).map(|at| (of(at).ct.to_vec(), of(at).tag.as_ref().try_into().unwrap())).collect();
    let mut opened = Vec::new();
    let packets = rooms.iter_mut().enumerate().map(|(at, (text, tag))| Packet {
        key: &keys[at / times],
        nonce: nonce(of(at)),
        associated: &of(at).aad,
        text,
        tag,
    });
    aead.open(packets, |packet| opened.push(packet.text.map(|text| text.to_vec())));
    opened
}

#[test]
fn valid_vectors_are_reproduced_and_forged_ones_rejected() {
    let tests = vectors();
    for path in Path::available() {
        let aead = Aead::on(path).unwrap();
        for times in [1, 3, 4, 8, 16] {
            let (made, taken) = (sealed(aead, &tests, times), opened(aead, &tests, times));
            for (at, (made, taken)) in made.into_iter().zip(taken).enumerate() {
                let test = &tests[at / times];
                let whole = (test.ct.to_vec(), <[u8; TAG_BYTES]>::try_from(test.tag.as_ref()).unwrap());
                let valid = test.result == TestResult::Valid;
                assert_eq!(made == whole, valid, "{path}: vector {} sealed {times} times", test.tc_id);
                assert_eq!(
                    taken,
                    valid.then(|| test.pt.to_vec()),
                    "{path}: vector {} opened {times} times",
                    test.tc_id
                );
            }
        }
    }
}
