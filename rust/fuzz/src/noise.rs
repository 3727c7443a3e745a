//! A second initiator of the handshake (sections 5.4.1 to 5.4.5) without rules: any timestamp, any counter, any
//! plaintext. It shares no code with the one under test except ring, which is fast.

use blake2::Blake2s256;
use hmac::{KeyInit, Mac as _, SimpleHmac};
use proto::key::PublicKey;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use x25519_dalek::{PublicKey as Point, StaticSecret};

use crate::forgery::{add_mac1, hash};

type Key = [u8; 32];

/// A first message whose response is pending.
pub(crate) struct Initiator {
    chain: Key,
    hash: Key,
    ephemeral: StaticSecret,
    secret: StaticSecret,
}

/// Keys of a session, and the index that the peer selected.
pub(crate) struct Keys {
    sending: Key,
    receiver: u32,
}

impl Initiator {
    /// Create a first message to the holder of `responder`.
    pub(crate) fn start(
        secret: [u8; 32],
        responder: &PublicKey,
        ephemeral: [u8; 32],
        timestamp: [u8; 12],
        sender: u32,
    ) -> (Self, Vec<u8>) {
        let (secret, ephemeral) = (StaticSecret::from(secret), StaticSecret::from(ephemeral));
        let their = Point::from(*responder.as_bytes());
        let chain = hash(b"Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s", b"");
        let start = hash(&hash(&chain, b"WireGuard v1 zx2c4 Jason@zx2c4.com"), responder.as_bytes());
        let mut us = Self { chain, hash: start, ephemeral, secret };
        let mut message = [&[1, 0, 0, 0][..], &sender.to_le_bytes()].concat();
        message.extend(us.mix_ephemeral(Point::from(&us.ephemeral).to_bytes()));
        let key = us.mix(us.ephemeral.diffie_hellman(&their).as_bytes());
        message.extend(us.seal(&key, Point::from(&us.secret).as_bytes()));
        let key = us.mix(us.secret.diffie_hellman(&their).as_bytes());
        message.extend(us.seal(&key, &timestamp));
        message.resize(148, 0);
        add_mac1(responder, &mut message);
        (us, message)
    }

    /// Process the second message, without a preshared key.
    pub(crate) fn finish(mut self, response: &[u8]) -> Option<Keys> {
        let (head, rest) = response.split_at_checked(12)?;
        let (ephemeral, rest) = rest.split_first_chunk::<32>()?;
        self.mix_ephemeral(*ephemeral);
        let their = Point::from(*ephemeral);
        self.mix(self.ephemeral.diffie_hellman(&their).as_bytes());
        self.mix(self.secret.diffie_hellman(&their).as_bytes());
        let [chain, tau, key] = kdf(&self.chain, &[0; 32]);
        self.hash = hash(&self.hash, &tau);
        let mut tag = rest.get(..16)?.to_vec();
        aead(&key).open_in_place(nonce(0), Aad::from(&self.hash), &mut tag).ok()?;
        let [sending, _, _] = kdf(&chain, &[]);
        Some(Keys { sending, receiver: u32::from_le_bytes(*head.get(4..)?.first_chunk()?) })
    }

    fn mix_ephemeral(&mut self, public: Key) -> Key {
        [self.chain, _, _] = kdf(&self.chain, &public);
        self.hash = hash(&self.hash, &public);
        public
    }

    fn mix(&mut self, input: &[u8]) -> Key {
        let [chain, key, _] = kdf(&self.chain, input);
        self.chain = chain;
        key
    }

    fn seal(&mut self, key: &Key, plaintext: &[u8]) -> Vec<u8> {
        let sealed = encrypt(key, 0, plaintext, &self.hash);
        self.hash = hash(&self.hash, &sealed);
        sealed
    }
}

impl Keys {
    /// Create a transport data message with any counter and any plaintext.
    pub(crate) fn seal(&self, counter: u64, plaintext: &[u8]) -> Vec<u8> {
        let head = [&[4, 0, 0, 0][..], &self.receiver.to_le_bytes(), &counter.to_le_bytes()].concat();
        [head, encrypt(&self.sending, counter, plaintext, &[])].concat()
    }
}

fn encrypt(key: &Key, counter: u64, plaintext: &[u8], associated: &[u8]) -> Vec<u8> {
    let mut text = plaintext.to_vec();
    let sealed = aead(key).seal_in_place_append_tag(nonce(counter), Aad::from(associated), &mut text);
    sealed.expect("shorter than 256 GiB");
    text
}

fn aead(key: &Key) -> LessSafeKey {
    LessSafeKey::new(UnboundKey::new(&CHACHA20_POLY1305, key).expect("a key of its length"))
}

fn nonce(counter: u64) -> Nonce {
    let mut nonce = [0; 12];
    nonce[4..].copy_from_slice(&counter.to_le_bytes());
    Nonce::assume_unique_for_key(nonce)
}

/// Return three outputs; the first ones equal those of a call for fewer.
fn kdf(key: &Key, input: &[u8]) -> [Key; 3] {
    let hmac = |key: &[u8], input: &[u8]| -> Key {
        let mac = SimpleHmac::<Blake2s256>::new_from_slice(key).expect("HMAC takes any key");
        mac.chain_update(input).finalize().into_bytes().into()
    };
    let extracted = hmac(key, input);
    let first = hmac(&extracted, &[1]);
    let second = hmac(&extracted, &[&first[..], &[2]].concat());
    let third = hmac(&extracted, &[&second[..], &[3]].concat());
    [first, second, third]
}
