//! The handshake: Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s (sections 5.4.1 to 5.4.3 and 5.4.5).
//!
//! ```text
//! Initiator                                   Responder
//! Initiated, message 1 ── initiation ───────▶ Opened ─▶ Consumed
//! SessionKeys ◀─────────── response ───────── SessionKeys, message 2
//! ```
//! Nothing here accesses a table or a clock. A message that fails leaves the state unchanged, so that a forged response
//! cannot disturb a pending handshake.

use aead::Key;
use zeroize::Zeroizing;

use crate::hash::{Hash, Secret, TAG_BYTES, hash, kdf, open_in_place, seal_in_place};
use crate::key::{PresharedKey, PrivateKey, PublicKey};
use crate::message::{Initiation, Response};
use crate::timestamp::Timestamp;

/// CONSTRUCTION of section 5.4.
const CONSTRUCTION: &[u8] = b"Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s";
/// IDENTIFIER of section 5.4.
const IDENTIFIER: &[u8] = b"WireGuard v1 zx2c4 Jason@zx2c4.com";

/// Our static key pair.
pub(crate) struct Identity {
    pub(crate) private: PrivateKey,
    pub(crate) public: PublicKey,
}

impl Identity {
    pub(crate) fn new(private: PrivateKey) -> Self {
        Self { public: private.public_key(), private }
    }
}

/// The keys of a new session (section 5.4.5).
pub(crate) struct SessionKeys {
    pub(crate) sending: Secret,
    pub(crate) receiving: Secret,
}

/// Chaining key and hash, which both sides compute in the same steps.
#[derive(Clone)]
struct Transcript {
    chain: Secret,
    hash: Hash,
}

impl Transcript {
    /// Start a handshake with the holder of `responder`.
    fn new(responder: &PublicKey) -> Self {
        let chain = hash(CONSTRUCTION, &[]);
        Self { hash: hash(&hash(&chain, IDENTIFIER), responder.as_bytes()), chain: Secret::from(&chain) }
    }

    fn mix_hash(&mut self, data: &[u8]) {
        self.hash = hash(&self.hash, data);
    }

    fn mix_key(&mut self, input: &[u8]) {
        let [chain] = kdf(&self.chain, input);
        self.chain = chain;
    }

    fn mix_key_and_derive(&mut self, input: &[u8]) -> Key {
        let [chain, key] = kdf(&self.chain, input);
        self.chain = chain;
        key.into()
    }

    /// Mix "e", an ephemeral key that is sent in the clear.
    fn mix_ephemeral(&mut self, ephemeral: &[u8; 32]) {
        self.mix_key(ephemeral);
        self.mix_hash(ephemeral);
    }

    /// Mix "psk", the preshared key, and derive the key of the next field.
    fn mix_preshared(&mut self, preshared: &PresharedKey) -> Key {
        let [chain, tau, key] = kdf(&self.chain, preshared.as_bytes());
        self.chain = chain;
        self.mix_hash(&*tau);
        key.into()
    }

    /// Encrypt a field; `N` is its size with the tag.
    fn seal<const N: usize>(&mut self, key: &Key, plaintext: &[u8]) -> [u8; N] {
        let mut field = [0; N];
        field[..N - TAG_BYTES].copy_from_slice(plaintext);
        seal_in_place(key, 0, &self.hash, &mut field);
        self.mix_hash(&field);
        field
    }

    /// Decrypt a field of `N + 16` octets.
    fn open<const N: usize>(&mut self, key: &Key, field: &[u8]) -> Option<[u8; N]> {
        let mut text = Zeroizing::new(field.to_vec());
        let plaintext = open_in_place(key, 0, &self.hash, &mut text)?.as_ref().try_into().ok()?;
        self.mix_hash(field);
        Some(plaintext)
    }

    /// Return the session keys: the initiator sends with the first (section 5.4.5).
    fn split(self) -> [Secret; 2] {
        kdf(&self.chain, &[])
    }
}

/// An initiator that waits for the response.
pub(crate) struct Initiated {
    transcript: Transcript,
    ephemeral: PrivateKey,
}

impl Initiated {
    /// Create the first message (section 5.4.2). `None` if a key of the peer is a low-order point.
    pub(crate) fn new(
        local: &Identity,
        peer: &PublicKey,
        static_static: &Secret,
        ephemeral: PrivateKey,
        timestamp: Timestamp,
        sender: u32,
    ) -> Option<(Self, Initiation)> {
        let mut transcript = Transcript::new(peer);
        let ephemeral_public = *ephemeral.public_key().as_bytes();
        transcript.mix_ephemeral(&ephemeral_public);
        let key = transcript.mix_key_and_derive(&*ephemeral.agree(peer)?);
        let static_key = transcript.seal(&key, local.public.as_bytes());
        let key = transcript.mix_key_and_derive(&**static_static);
        let timestamp = transcript.seal(&key, &timestamp.0);
        let message = Initiation { sender, ephemeral: ephemeral_public, static_key, timestamp };
        Some((Self { transcript, ephemeral }, message))
    }

    /// Verify the response and derive the keys (section 5.4.3). `None` if it is not authentic.
    pub(crate) fn finish(
        &self,
        local: &Identity,
        preshared: &PresharedKey,
        response: &Response,
    ) -> Option<SessionKeys> {
        let mut transcript = self.transcript.clone();
        let theirs = PublicKey::from_bytes(response.ephemeral);
        transcript.mix_ephemeral(&response.ephemeral);
        transcript.mix_key(&*self.ephemeral.agree(&theirs)?);
        transcript.mix_key(&*local.private.agree(&theirs)?);
        let key = transcript.mix_preshared(preshared);
        transcript.open::<0>(&key, &response.empty)?;
        let [sending, receiving] = transcript.split();
        Some(SessionKeys { sending, receiving })
    }
}

/// A first message whose claimed sender is known.
pub(crate) struct Opened {
    /// The claimed sender; proven only by [`Opened::prove`].
    pub(crate) initiator: PublicKey,
    transcript: Transcript,
    message: Initiation,
}

impl Opened {
    /// Decrypt the static key of a first message. `None` if it was not made for us.
    pub(crate) fn new(local: &Identity, message: Initiation) -> Option<Self> {
        let mut transcript = Transcript::new(&local.public);
        transcript.mix_ephemeral(&message.ephemeral);
        let shared = local.private.agree(&PublicKey::from_bytes(message.ephemeral))?;
        let key = transcript.mix_key_and_derive(&*shared);
        let initiator = PublicKey::from_bytes(transcript.open(&key, &message.static_key)?);
        Some(Self { initiator, transcript, message })
    }

    /// Verify that the sender holds the static key it claims, and decrypt its timestamp.
    pub(crate) fn prove(mut self, static_static: &Secret) -> Option<Consumed> {
        let key = self.transcript.mix_key_and_derive(&**static_static);
        let timestamp = Timestamp(self.transcript.open(&key, &self.message.timestamp)?);
        Some(Consumed {
            timestamp,
            sender: self.message.sender,
            initiator: self.initiator,
            ephemeral: PublicKey::from_bytes(self.message.ephemeral),
            transcript: self.transcript,
        })
    }
}

/// A first message that is authentic, but may be a replay, which its timestamp shows.
pub(crate) struct Consumed {
    pub(crate) timestamp: Timestamp,
    pub(crate) sender: u32,
    initiator: PublicKey,
    ephemeral: PublicKey,
    transcript: Transcript,
}

impl Consumed {
    /// Create the second message and derive the keys (section 5.4.3).
    pub(crate) fn respond(
        self,
        preshared: &PresharedKey,
        ephemeral: &PrivateKey,
        sender: u32,
    ) -> Option<(SessionKeys, Response)> {
        let mut transcript = self.transcript;
        let ephemeral_public = *ephemeral.public_key().as_bytes();
        transcript.mix_ephemeral(&ephemeral_public);
        transcript.mix_key(&*ephemeral.agree(&self.ephemeral)?);
        transcript.mix_key(&*ephemeral.agree(&self.initiator)?);
        let key = transcript.mix_preshared(preshared);
        let empty = transcript.seal(&key, &[]);
        let [receiving, sending] = transcript.split();
        let response = Response { sender, receiver: self.sender, ephemeral: ephemeral_public, empty };
        Some((SessionKeys { sending, receiving }, response))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(seed: u8) -> Identity {
        Identity::new(PrivateKey::from_bytes([seed; 32]))
    }

    fn initiate(local: &Identity, remote: &Identity) -> (Initiated, Initiation) {
        let shared = local.private.agree(&remote.public).unwrap();
        Initiated::new(local, &remote.public, &shared, PrivateKey::from_bytes([3; 32]), Timestamp([5; 12]), 7).unwrap()
    }

    #[test]
    fn both_ends_derive_the_same_keys() {
        let (alice, bob, psk) = (identity(1), identity(2), PresharedKey::from_bytes([8; 32]));
        let (initiated, initiation) = initiate(&alice, &bob);
        let opened = Opened::new(&bob, initiation).unwrap();
        assert_eq!(opened.initiator, alice.public);
        let consumed = opened.prove(&bob.private.agree(&alice.public).unwrap()).unwrap();
        assert_eq!(consumed.timestamp, Timestamp([5; 12]));
        let (bobs, response) = consumed.respond(&psk, &PrivateKey::from_bytes([4; 32]), 9).unwrap();
        let alices = initiated.finish(&alice, &psk, &response).unwrap();
        assert_eq!(alices.sending, bobs.receiving);
        assert_eq!(alices.receiving, bobs.sending);
        assert!(initiated.finish(&alice, &PresharedKey::default(), &response).is_none(), "another preshared key");
        let mut forged = response.clone();
        forged.empty[0] ^= 1;
        assert!(initiated.finish(&alice, &psk, &forged).is_none());
        assert!(initiated.finish(&alice, &psk, &response).is_some(), "a forged answer spoils nothing");
    }

    #[test]
    fn a_message_for_another_host_is_rejected() {
        let (alice, bob, eve) = (identity(1), identity(2), identity(6));
        assert!(Opened::new(&eve, initiate(&alice, &bob).1).is_none());
    }

    #[test]
    fn an_initiator_without_the_claimed_key_is_rejected() {
        let (alice, bob) = (identity(1), identity(2));
        let liar = Identity { private: PrivateKey::from_bytes([6; 32]), public: alice.public };
        let opened = Opened::new(&bob, initiate(&liar, &bob).1).unwrap();
        assert!(opened.prove(&bob.private.agree(&alice.public).unwrap()).is_none());
    }

    #[test]
    fn a_low_order_ephemeral_is_rejected() {
        let (alice, bob) = (identity(1), identity(2));
        let mut message = initiate(&alice, &bob).1;
        message.ephemeral = [0; 32];
        assert!(Opened::new(&bob, message).is_none());
    }
}
