//! The key of one direction of a session.

use std::fmt;

use keymem::Secret;

/// Size of a key.
pub const KEY_BYTES: usize = keymem::SECRET_BYTES;

/// A ChaCha20-Poly1305 key: in key memory, wiped when dropped, never shown.
pub struct Key(Secret);

impl Key {
    /// Take 32 octets and wipe their source.
    #[must_use]
    pub fn take(octets: &mut [u8; KEY_BYTES]) -> Self {
        Self(Secret::take(octets))
    }

    pub(crate) fn octets(&self) -> &[u8; KEY_BYTES] {
        &self.0
    }
}

impl From<Secret> for Key {
    fn from(secret: Secret) -> Self {
        Self(secret)
    }
}

impl From<[u8; KEY_BYTES]> for Key {
    fn from(mut octets: [u8; KEY_BYTES]) -> Self {
        Self::take(&mut octets)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(hidden)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_hidden_and_its_source_is_wiped() {
        let mut octets = [7; KEY_BYTES];
        assert_eq!(format!("{:?}", Key::take(&mut octets)), "Key(hidden)");
        assert_eq!(octets, [0; KEY_BYTES]);
    }
}
