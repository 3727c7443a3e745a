//! Denial of service protection: mac1, mac2 and the cookie (sections 5.3, 5.4.4 and 5.4.7).
//!
//! mac1 proves that the sender knows our public key; it is always required. mac2 proves that the sender receives what
//! is sent to its address; it is required under load, and a sender without it gets a cookie to compute it.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use chacha20poly1305::aead::AeadInOut;
use chacha20poly1305::{KeyInit, XChaCha20Poly1305};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::clock::{Random, octets};
use crate::hash::{Hash, MAC_BYTES, Mac, TAG_BYTES, hash, mac};
use crate::key::PublicKey;
use crate::message::{COOKIE_REPLY_BYTES, CookieReply, Macs, parse_sender};

/// LABEL-MAC1 of section 5.4.
const LABEL_MAC1: &[u8] = b"mac1----";
/// LABEL-COOKIE of section 5.4.
const LABEL_COOKIE: &[u8] = b"cookie--";
/// Lifetime of the secret that cookies are made from, and so of a cookie (section 5.4.7).
const COOKIE_LIFE: Duration = Duration::from_secs(120);
/// How long before its end a cookie is no longer used, so that it is still valid on arrival.
const COOKIE_LATENCY: Duration = Duration::from_secs(5);

/// What the MACs of a message prove of its sender.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Proof {
    /// mac1 is invalid: the message is not for us.
    None,
    /// It knows our public key.
    Mac1,
    /// It also receives what is sent to its address.
    Mac2,
}

/// The receiver's side: verifies MACs and issues cookies.
pub(crate) struct Checker {
    mac1_key: Hash,
    cookie_key: Hash,
    secret: Zeroizing<[u8; 32]>,
    secret_born: Option<Duration>,
}

impl Checker {
    /// Create a checker for messages to the holder of `public`.
    pub(crate) fn new(public: &PublicKey) -> Self {
        Self {
            mac1_key: hash(LABEL_MAC1, public.as_bytes()),
            cookie_key: hash(LABEL_COOKIE, public.as_bytes()),
            secret: Zeroizing::default(),
            secret_born: None,
        }
    }

    /// Verify the MACs of a handshake message from `source`.
    pub(crate) fn check(&self, message: &[u8], source: SocketAddr, boot: Duration) -> Proof {
        let Some(macs) = Macs::of(message) else { return Proof::None };
        if !equal(&mac(&self.mac1_key, macs.before_mac1), macs.mac1) {
            return Proof::None;
        }
        if self.secret_is_old(boot) {
            return Proof::Mac1;
        }
        if equal(&mac(&self.cookie_of(source), macs.before_mac2), macs.mac2) { Proof::Mac2 } else { Proof::Mac1 }
    }

    /// Return the reply to `message`: a cookie bound to its sender's address and its own mac1 (section 5.4.7).
    pub(crate) fn reply(
        &mut self,
        message: &[u8],
        source: SocketAddr,
        boot: Duration,
        random: &mut dyn Random,
    ) -> Option<[u8; COOKIE_REPLY_BYTES]> {
        if self.secret_is_old(boot) {
            random.fill(&mut *self.secret);
            self.secret_born = Some(boot);
        }
        let macs = Macs::of(message)?;
        let nonce = octets(random);
        let mut cookie = [0; MAC_BYTES + TAG_BYTES];
        let (text, room) = cookie.split_at_mut(MAC_BYTES);
        text.copy_from_slice(&self.cookie_of(source));
        let tag = XChaCha20Poly1305::new(&self.cookie_key.into())
            .encrypt_inout_detached(&nonce.into(), macs.mac1, text.into())
            .ok()?;
        room.copy_from_slice(&tag);
        Some(CookieReply { receiver: parse_sender(message)?, nonce, cookie }.encode())
    }

    /// Return whether the secret has expired, and with it the cookies made from it.
    fn secret_is_old(&self, boot: Duration) -> bool {
        self.secret_born.is_none_or(|born| boot >= born + COOKIE_LIFE)
    }

    /// Return the cookie of an address and port: Mac(secret, address).
    fn cookie_of(&self, source: SocketAddr) -> Mac {
        let mut address = [0; 18];
        match source.ip() {
            IpAddr::V4(ip) => address[..4].copy_from_slice(&ip.octets()),
            IpAddr::V6(ip) => address[..16].copy_from_slice(&ip.octets()),
        }
        address[16..].copy_from_slice(&source.port().to_be_bytes());
        mac(&*self.secret, &address)
    }
}

/// The sender's side: adds MACs to messages, and keeps the receiver's cookie.
pub(crate) struct Adder {
    mac1_key: Hash,
    cookie_key: Hash,
    /// mac1 of the last message, to which a cookie for it is bound.
    last_mac1: Option<Mac>,
    cookie: Option<(Zeroizing<Mac>, Duration)>,
}

impl Adder {
    /// Create an adder for messages to the holder of `public`.
    pub(crate) fn new(public: &PublicKey) -> Self {
        Self {
            mac1_key: hash(LABEL_MAC1, public.as_bytes()),
            cookie_key: hash(LABEL_COOKIE, public.as_bytes()),
            last_mac1: None,
            cookie: None,
        }
    }

    /// Fill in the two MACs of a handshake message (section 5.4.4); mac2 stays zero without a fresh cookie.
    pub(crate) fn add(&mut self, message: &mut [u8], boot: Duration) {
        let Some(mac1_at) = message.len().checked_sub(2 * MAC_BYTES) else { return };
        let mac2_at = mac1_at + MAC_BYTES;
        let mac1 = mac(&self.mac1_key, &message[..mac1_at]);
        message[mac1_at..mac2_at].copy_from_slice(&mac1);
        self.last_mac1 = Some(mac1);
        let fresh = |born: &Duration| boot < *born + COOKIE_LIFE - COOKIE_LATENCY;
        if let Some((cookie, _)) = self.cookie.as_ref().filter(|(_, born)| fresh(born)) {
            let mac2 = mac(&**cookie, &message[..mac2_at]);
            message[mac2_at..].copy_from_slice(&mac2);
        }
    }

    /// Accept the cookie of a reply to the last message; a message accepts one cookie (section 6.6).
    pub(crate) fn receive(&mut self, reply: &CookieReply, boot: Duration) -> bool {
        let Some(mac1) = self.last_mac1 else { return false };
        let (text, tag) = reply.cookie.split_at(MAC_BYTES);
        let (Ok(mut cookie), Ok(tag)) = (Mac::try_from(text), Mac::try_from(tag)) else { return false };
        let opened = XChaCha20Poly1305::new(&self.cookie_key.into()).decrypt_inout_detached(
            &reply.nonce.into(),
            &mac1,
            cookie.as_mut_slice().into(),
            &tag.into(),
        );
        if opened.is_ok() {
            self.last_mac1 = None;
            self.cookie = Some((Zeroizing::new(cookie), boot));
        }
        opened.is_ok()
    }
}

fn equal(a: &Mac, b: &[u8]) -> bool {
    a.as_slice().ct_eq(b).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::INITIATION_BYTES;

    struct Count(u8);
    impl Random for Count {
        fn fill(&mut self, octets: &mut [u8]) {
            self.0 += 1;
            octets.fill(self.0);
        }
    }

    const SOURCE: &str = "192.0.2.1:51820";
    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_cookie_is_valid_for_its_address_until_it_expires() {
        let public = PublicKey::from_bytes([9; 32]);
        let (mut checker, mut adder) = (Checker::new(&public), Adder::new(&public));
        let (source, other): (SocketAddr, SocketAddr) = (SOURCE.parse().unwrap(), "192.0.2.1:51821".parse().unwrap());
        let mut message = [0; INITIATION_BYTES];
        assert_eq!(checker.check(&message, source, at(0)), Proof::None);
        adder.add(&mut message, at(0));
        assert_eq!(checker.check(&message, source, at(0)), Proof::Mac1);

        let reply = checker.reply(&message, source, at(1), &mut Count(0)).unwrap();
        let reply = CookieReply::parse(&reply).unwrap();
        assert!(adder.receive(&reply, at(1)));
        assert!(!adder.receive(&reply, at(1)), "one message takes one cookie");

        adder.add(&mut message, at(2));
        assert_eq!(checker.check(&message, source, at(2)), Proof::Mac2);
        assert_eq!(checker.check(&message, other, at(2)), Proof::Mac1);
        assert_eq!(checker.check(&message, source, at(121)), Proof::Mac1, "the secret has changed");
        adder.add(&mut message, at(116));
        assert_ne!(message[132..], [0; 16]);
        message[132..].fill(0);
        adder.add(&mut message, at(117));
        assert_eq!(message[132..], [0; 16], "an old cookie is not used");
    }

    #[test]
    fn a_reply_to_another_message_is_rejected() {
        let public = PublicKey::from_bytes([9; 32]);
        let (mut checker, mut adder) = (Checker::new(&public), Adder::new(&public));
        let mut message = [0; INITIATION_BYTES];
        adder.add(&mut message, at(0));
        let reply = checker.reply(&message, SOURCE.parse().unwrap(), at(0), &mut Count(0)).unwrap();
        message[4] = 1;
        adder.add(&mut message, at(0));
        assert!(!adder.receive(&CookieReply::parse(&reply).unwrap(), at(0)));
    }
}
