//! The transcripts of an independent client (`tests/vectors/handshake.json`), octet by octet.

use std::time::Duration;

use aead::Aead;
use serde_json::Value;

use crate::cookie::Adder;
use crate::hash::Secret;
use crate::key::{PresharedKey, PrivateKey};
use crate::message::{CookieReply, Initiation, Response};
use crate::noise::{Identity, Initiated, Opened, SessionKeys};
use crate::session::Session;
use crate::timestamp::Timestamp;

struct Case(Value);

impl Case {
    fn octets(&self, field: &str) -> Vec<u8> {
        let text = self.0[field].as_str().unwrap();
        (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
    }

    fn array<const N: usize>(&self, field: &str) -> [u8; N] {
        self.octets(field).try_into().unwrap()
    }

    fn index(&self, field: &str) -> u32 {
        u32::from_le_bytes(self.array(field))
    }

    fn private(&self, field: &str) -> PrivateKey {
        PrivateKey::from_bytes(self.array(field))
    }

    fn identity(&self, side: &str) -> Identity {
        let identity = Identity::new(self.private(&format!("{side}_static_private")));
        assert_eq!(identity.public.as_bytes(), &self.array(&format!("{side}_static_public")));
        identity
    }
}

fn cases() -> Vec<Case> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../tests/vectors/handshake.json");
    let cases: Vec<Value> = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    assert!(cases.len() >= 2, "with and without a preshared key");
    cases.into_iter().map(Case).collect()
}

/// Return a message with its MACs, the first as computed by `adder`.
fn finished(message: &[u8], adder: &mut Adder) -> Vec<u8> {
    let mut message = message.to_vec();
    adder.add(&mut message, Duration::ZERO);
    message
}

#[test]
fn both_roles_reproduce_the_transcript() {
    for case in cases() {
        let (alice, bob) = (case.identity("initiator"), case.identity("responder"));
        let preshared = PresharedKey::from_bytes(case.array("preshared_key"));
        let timestamp = Timestamp(case.array("timestamp"));
        let (mut to_bob, mut to_alice) = (Adder::new(&bob.public), Adder::new(&alice.public));

        let shared = alice.private.agree(&bob.public).unwrap();
        let ephemeral = case.private("initiator_ephemeral_private");
        let (initiated, message) =
            Initiated::new(&alice, &bob.public, &shared, ephemeral, timestamp, case.index("initiator_index")).unwrap();
        assert_eq!(finished(&message.encode(), &mut to_bob), case.octets("message1"));

        let opened = Opened::new(&bob, Initiation::parse(&case.octets("message1")).unwrap()).unwrap();
        assert_eq!(opened.initiator, alice.public);
        let consumed = opened.prove(&shared).unwrap();
        assert_eq!(consumed.timestamp, timestamp);
        let ephemeral = case.private("responder_ephemeral_private");
        let (bobs, message) = consumed.respond(&preshared, &ephemeral, case.index("responder_index")).unwrap();
        assert_eq!(finished(&message.encode(), &mut to_alice), case.octets("message2"));

        let alices = initiated.finish(&alice, &preshared, &Response::parse(&case.octets("message2")).unwrap()).unwrap();
        assert_eq!(*alices.sending, case.array("initiator_send_key"));
        assert_eq!(*alices.receiving, case.array("initiator_receive_key"));
        assert_eq!((&alices.sending, &alices.receiving), (&bobs.receiving, &bobs.sending));
    }
}

#[test]
fn the_cookie_of_the_transcript_gives_its_mac2() {
    for case in cases() {
        let mut to_bob = Adder::new(&case.identity("responder").public);
        let message = finished(&case.octets("message1"), &mut to_bob);
        assert!(to_bob.receive(&CookieReply::parse(&case.octets("cookie_reply")).unwrap(), Duration::ZERO));
        assert_eq!(finished(&message, &mut to_bob), case.octets("message1_with_mac2"));
    }
}

#[test]
fn transport_messages_reproduce_the_transcript() {
    for case in cases() {
        let (ours, theirs) = (case.index("initiator_index"), case.index("responder_index"));
        let keys = SessionKeys {
            sending: Secret::from(&case.array("initiator_send_key")),
            receiving: Secret::from(&case.array("initiator_receive_key")),
        };
        let mut session = Session::new(keys, ours, theirs, true, Duration::ZERO);
        let mut keepalive = [0; 32];
        session.seal_batch(Aead::fastest(), &mut keepalive, 32);
        assert_eq!(keepalive, case.array("transport_keepalive"));
        let mut packet = [0; 64];
        packet[16..44].copy_from_slice(&case.octets("packet"));
        session.seal_batch(Aead::fastest(), &mut packet, 64);
        assert_eq!(packet, case.array("transport_packet"));
        let mut answer = case.octets("transport_answer");
        let mut results = None;
        session.open_batch(Aead::fastest(), &mut answer, 64, Duration::ZERO, |opened| results = Some(opened));
        let plaintext = &answer[results.unwrap().unwrap()];
        assert_eq!(&plaintext[..28], case.octets("packet"));
        assert_eq!(plaintext[28..], [0; 4]);
    }
}
