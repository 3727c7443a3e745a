//! The three kinds of key that users handle, as created by `wg genkey`, `wg pubkey` and `wg genpsk`.
//!
//! Secrets are stored in key memory (`keymem`), wiped when dropped, and never shown: `Debug` prints only the kind.
//! Their text form is the 44 base64 characters of wg(8), decoded and encoded without branches or table look-ups on the
//! secret.

use std::fmt;

use keymem::{Secret, with_wiped_stack};
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq, ConstantTimeGreater, ConstantTimeLess};
use x25519_dalek::{PublicKey as X25519Public, StaticSecret};
use zeroize::Zeroizing;

/// Size of a key of any kind.
pub const KEY_BYTES: usize = 32;
/// Characters of a key in base64: 43 and one `=`.
pub const KEY_BASE64: usize = 44;

/// A text that is not a key. The error repeats none of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Not 44 characters.
    #[error("expected a key of 44 base64 characters, got {0}")]
    Length(usize),
    /// 44 characters that are not the canonical base64 of 32 octets.
    #[error("expected a key of 44 base64 characters that end with '='")]
    NotBase64,
    /// Not 64 characters, or other characters than `0-9a-f`.
    #[error("expected a key of 64 hexadecimal characters (0-9, a-f)")]
    NotHex,
}

/// A Curve25519 private key, clamped as in RFC 7748, section 5.
#[derive(Clone, PartialEq, Eq)]
pub struct PrivateKey(Secret);

/// A Curve25519 public key, which identifies a peer.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PublicKey([u8; KEY_BYTES]);

/// The symmetric key mixed into a handshake (paper, section 5.2); all zero means "none".
#[derive(Clone, Default, PartialEq, Eq)]
pub struct PresharedKey(Option<Secret>);

/// The value mixed into a handshake without a preshared key.
const NO_PRESHARED_KEY: [u8; KEY_BYTES] = [0; KEY_BYTES];

impl PrivateKey {
    /// Take 32 random octets and clamp them.
    #[must_use]
    pub fn from_bytes(mut bytes: [u8; KEY_BYTES]) -> Self {
        Self::of(Secret::take(&mut bytes))
    }

    /// Let `fill` write 32 random octets to the memory of the key, and clamp them.
    #[must_use]
    pub fn filled(fill: impl FnOnce(&mut [u8; KEY_BYTES])) -> Self {
        let mut secret = Secret::default();
        fill(&mut secret);
        Self::of(secret)
    }

    /// Clamp the octets.
    fn of(mut secret: Secret) -> Self {
        secret[0] &= 248;
        secret[31] = (secret[31] & 127) | 64;
        Self(secret)
    }

    /// Return the public key.
    #[must_use]
    pub fn public_key(&self) -> PublicKey {
        with_wiped_stack(|| PublicKey(X25519Public::from(&StaticSecret::from(*self.0)).to_bytes()))
    }

    /// Return the 32 octets.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; KEY_BYTES] {
        &self.0
    }

    /// Compute X25519 (RFC 7748). `None` for a low-order point, whose result is all zero.
    #[must_use]
    pub(crate) fn agree(&self, their: &PublicKey) -> Option<Secret> {
        with_wiped_stack(|| {
            let shared = StaticSecret::from(*self.0).diffie_hellman(&X25519Public::from(their.0));
            shared.was_contributory().then(|| Secret::from(shared.as_bytes()))
        })
    }
}

macro_rules! key_text {
    ($kind:ident) => {
        impl $kind {
            /// Parse the 44 base64 characters of wg(8), with no surrounding white space.
            ///
            /// # Errors
            /// [`KeyError`]; of the text it contains only the length.
            pub fn from_base64(text: &str) -> Result<Self, KeyError> {
                decode_base64(text.as_bytes()).map(Self::of)
            }

            /// Parse 64 lower-case hexadecimal characters, the form of the UAPI.
            ///
            /// # Errors
            /// [`KeyError::NotHex`].
            pub fn from_hex(text: &str) -> Result<Self, KeyError> {
                decode_hex(text.as_bytes()).map(Self::of)
            }

            /// Return the 44 base64 characters of wg(8), zeroized when dropped.
            #[must_use]
            pub fn to_base64(&self) -> Zeroizing<String> {
                encode_base64(self.as_bytes())
            }

            /// Return 64 lower-case hexadecimal characters, zeroized when dropped.
            #[must_use]
            pub fn to_hex(&self) -> Zeroizing<String> {
                encode_hex(self.as_bytes())
            }
        }
    };
}
key_text!(PrivateKey);
key_text!(PublicKey);
key_text!(PresharedKey);

impl PublicKey {
    /// Take any 32 octets; low-order points are rejected when they are used.
    #[must_use]
    pub fn from_bytes(bytes: [u8; KEY_BYTES]) -> Self {
        Self(bytes)
    }

    /// Return the 32 octets.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; KEY_BYTES] {
        &self.0
    }

    fn of(octets: Secret) -> Self {
        Self(*octets)
    }
}

impl PresharedKey {
    /// Take any 32 octets.
    #[must_use]
    pub fn from_bytes(mut bytes: [u8; KEY_BYTES]) -> Self {
        Self::of(Secret::take(&mut bytes))
    }

    /// Let `fill` write 32 octets to the memory of the key.
    #[must_use]
    pub fn filled(fill: impl FnOnce(&mut [u8; KEY_BYTES])) -> Self {
        let mut secret = Secret::default();
        fill(&mut secret);
        Self::of(secret)
    }

    /// Whether there is a key is not secret: the absence of one takes no memory.
    fn of(secret: Secret) -> Self {
        let none: bool = secret.ct_eq(&NO_PRESHARED_KEY).into();
        Self((!none).then_some(secret))
    }

    /// Return the 32 octets.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; KEY_BYTES] {
        self.0.as_deref().unwrap_or(&NO_PRESHARED_KEY)
    }

    /// Return true for the all-zero key, which means none.
    #[must_use]
    pub fn is_none(&self) -> bool {
        self.0.is_none()
    }
}

impl From<&[u8; KEY_BYTES]> for PrivateKey {
    /// Copy random octets to the memory of the key, and clamp them there.
    fn from(octets: &[u8; KEY_BYTES]) -> Self {
        Self::of(Secret::from(octets))
    }
}

impl From<&[u8; KEY_BYTES]> for PresharedKey {
    /// Copy octets to the memory of the key.
    fn from(octets: &[u8; KEY_BYTES]) -> Self {
        Self::of(Secret::from(octets))
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PrivateKey(hidden)")
    }
}
impl fmt::Debug for PresharedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PresharedKey(hidden)")
    }
}
impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_base64())
    }
}
impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({self})")
    }
}

/// Return `low <= value <= high`, without a branch.
fn within(value: u8, low: u8, high: u8) -> Choice {
    !value.ct_lt(&low) & !value.ct_gt(&high)
}

/// Return the base64 digit of six bits, by arithmetic only.
fn base64_digit(six: u8) -> u8 {
    let mut digit = six.wrapping_add(b'A');
    digit.conditional_assign(&six.wrapping_sub(26).wrapping_add(b'a'), within(six, 26, 51));
    digit.conditional_assign(&six.wrapping_sub(52).wrapping_add(b'0'), within(six, 52, 61));
    digit.conditional_assign(&b'+', six.ct_eq(&62));
    digit.conditional_assign(&b'/', six.ct_eq(&63));
    digit
}

/// Return the six bits of a base64 digit, and whether it is one.
fn base64_value(digit: u8) -> (u8, Choice) {
    let kinds = [
        (within(digit, b'A', b'Z'), digit.wrapping_sub(b'A')),
        (within(digit, b'a', b'z'), digit.wrapping_sub(b'a').wrapping_add(26)),
        (within(digit, b'0', b'9'), digit.wrapping_sub(b'0').wrapping_add(52)),
        (digit.ct_eq(&b'+'), 62),
        (digit.ct_eq(&b'/'), 63),
    ];
    kinds
        .iter()
        .fold((0, Choice::from(0)), |(value, known), (is, six)| (u8::conditional_select(&value, six, *is), known | *is))
}

fn encode_base64(bytes: &[u8; KEY_BYTES]) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::with_capacity(KEY_BASE64));
    for chunk in bytes.chunks(3) {
        let word = chunk.iter().fold(0u32, |word, b| word << 8 | u32::from(*b)) << (8 * (3 - chunk.len()));
        for digit in 0..=chunk.len() {
            text.push(char::from(base64_digit((word >> (18 - 6 * digit)) as u8 & 63)));
        }
    }
    text.push('=');
    text
}

fn decode_base64(text: &[u8]) -> Result<Secret, KeyError> {
    if text.len() != KEY_BASE64 {
        return Err(KeyError::Length(text.len()));
    }
    let mut bytes = Secret::default();
    let mut good = text[KEY_BASE64 - 1].ct_eq(&b'=');
    for (digits, out) in text[..KEY_BASE64 - 1].chunks(4).zip(bytes.chunks_mut(3)) {
        let mut word = 0u32;
        for digit in digits {
            let (six, known) = base64_value(*digit);
            word = word << 6 | u32::from(six);
            good &= known;
        }
        // The last three digits carry 18 bits for 16: the two spare ones must be zero, or two texts would name one key.
        let spare = 6 * digits.len() - 8 * out.len();
        good &= (word & ((1 << spare) - 1)).ct_eq(&0);
        word >>= spare;
        for byte in out.iter_mut().rev() {
            *byte = word as u8;
            word >>= 8;
        }
    }
    if good.into() { Ok(bytes) } else { Err(KeyError::NotBase64) }
}

fn encode_hex(bytes: &[u8; KEY_BYTES]) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::with_capacity(2 * KEY_BYTES));
    for byte in bytes {
        for nibble in [byte >> 4, byte & 15] {
            let letter = u8::conditional_select(&b'0', &(b'a' - 10), nibble.ct_gt(&9));
            text.push(char::from(letter + nibble));
        }
    }
    text
}

fn decode_hex(text: &[u8]) -> Result<Secret, KeyError> {
    if text.len() != 2 * KEY_BYTES {
        return Err(KeyError::NotHex);
    }
    let mut bytes = Secret::default();
    let mut good = Choice::from(1);
    for (pair, out) in text.chunks(2).zip(bytes.iter_mut()) {
        for digit in pair {
            let (number, letter) = (within(*digit, b'0', b'9'), within(*digit, b'a', b'f'));
            let nibble = u8::conditional_select(&digit.wrapping_sub(b'0'), &digit.wrapping_sub(b'a' - 10), letter);
            *out = *out << 4 | (nibble & 15);
            good &= number | letter;
        }
    }
    if good.into() { Ok(bytes) } else { Err(KeyError::NotHex) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_exchange_of_rfc_7748_section_6_1() {
        let alice = PrivateKey::from_hex("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a").unwrap();
        let bob = PrivateKey::from_hex("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb").unwrap();
        let shared = PublicKey::from_hex("4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742").unwrap();
        assert_eq!(
            alice.public_key().to_hex().as_str(),
            "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a"
        );
        assert_eq!(alice.agree(&bob.public_key()).as_deref(), Some(shared.as_bytes()));
        assert_eq!(bob.agree(&alice.public_key()).as_deref(), Some(shared.as_bytes()));
    }

    #[test]
    fn secrets_are_hidden() {
        let text = format!("{:?} {:?}", PrivateKey::from_bytes([7; 32]), PresharedKey::from_bytes([7; 32]));
        assert_eq!(text, "PrivateKey(hidden) PresharedKey(hidden)");
    }

    #[test]
    fn a_low_order_point_is_rejected() {
        assert!(PrivateKey::from_bytes([7; 32]).agree(&PublicKey::from_bytes([0; 32])).is_none());
    }

    #[test]
    fn the_text_of_a_key_is_unique() {
        let text = PublicKey::from_bytes([0; 32]).to_base64().replace("A=", "B=");
        assert_eq!(PublicKey::from_base64(&text), Err(KeyError::NotBase64));
    }

    proptest! {
        #[test]
        fn text_forms_round_trip(bytes: [u8; 32]) {
            let key = PublicKey::from_bytes(bytes);
            prop_assert_eq!(PublicKey::from_base64(&key.to_base64()), Ok(key));
            prop_assert_eq!(PublicKey::from_hex(&key.to_hex()), Ok(key));
        }

        #[test]
        fn arbitrary_text_parses_or_fails(text in "\\PC{0,70}") {
            if let Ok(key) = PublicKey::from_base64(&text) {
                prop_assert_eq!(&*key.to_base64(), &text);
            }
        }
    }
}
