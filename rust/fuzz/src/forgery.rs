//! What an attacker who knows only a public key can create: a handshake message with a valid mac1 (section 5.4.4).

use blake2::digest::consts::U16;
use blake2::digest::{KeyInit, Mac as _};
use blake2::{Blake2s256, Blake2sMac, Digest};
use proto::key::PublicKey;

const MACS_BYTES: usize = 32;
const MAC_BYTES: usize = 16;

/// Compute Hash(a || b).
pub(crate) fn hash(a: &[u8], b: &[u8]) -> [u8; 32] {
    Blake2s256::new().chain_update(a).chain_update(b).finalize().into()
}

/// Set the mac1 of a message for the holder of `public`; one that is too short is unchanged.
pub(crate) fn add_mac1(public: &PublicKey, message: &mut [u8]) {
    let Some(at) = message.len().checked_sub(MACS_BYTES) else { return };
    let key = hash(b"mac1----", public.as_bytes());
    let mac = Blake2sMac::<U16>::new_from_slice(&key).expect("32 octets are a key").chain_update(&message[..at]);
    message[at..at + MAC_BYTES].copy_from_slice(&mac.finalize().into_bytes());
}
