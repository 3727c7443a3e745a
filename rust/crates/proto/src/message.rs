//! The four messages (sections 5.4.2 to 5.4.4, 5.4.6 and 5.4.7) as octets: the positions of the fields.

use crate::hash::{MAC_BYTES, TAG_BYTES};
use crate::timestamp::TIMESTAMP_BYTES;

/// Size of a handshake initiation.
pub const INITIATION_BYTES: usize = 148;
/// Size of a handshake response.
pub const RESPONSE_BYTES: usize = 92;
/// Size of a cookie reply.
pub const COOKIE_REPLY_BYTES: usize = 64;
/// Size of the header of a transport data message: type, receiver, counter.
pub const DATA_HEADER_BYTES: usize = 16;
/// Size of a transport data message beyond its padded plaintext; a keepalive has this size.
pub const DATA_OVERHEAD_BYTES: usize = DATA_HEADER_BYTES + TAG_BYTES;

const MACS_BYTES: usize = 2 * MAC_BYTES;

/// Type of a handshake initiation; three reserved octets of zero follow on the wire.
const INITIATION: u32 = 1;
const RESPONSE: u32 = 2;
const COOKIE_REPLY: u32 = 3;
const DATA: u32 = 4;

/// First message of a handshake.
#[derive(Clone)]
pub(crate) struct Initiation {
    pub(crate) sender: u32,
    pub(crate) ephemeral: [u8; 32],
    pub(crate) static_key: [u8; 32 + TAG_BYTES],
    pub(crate) timestamp: [u8; TIMESTAMP_BYTES + TAG_BYTES],
}

/// Second message of a handshake.
#[derive(Clone)]
pub(crate) struct Response {
    pub(crate) sender: u32,
    pub(crate) receiver: u32,
    pub(crate) ephemeral: [u8; 32],
    pub(crate) empty: [u8; TAG_BYTES],
}

/// The reply of a host under load.
pub(crate) struct CookieReply {
    pub(crate) receiver: u32,
    pub(crate) nonce: [u8; 24],
    pub(crate) cookie: [u8; MAC_BYTES + TAG_BYTES],
}

/// Header of a transport data message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DataHeader {
    /// The index that the receiver selected.
    pub receiver: u32,
    /// The nonce.
    pub counter: u64,
}

/// The kind of a datagram by its type and length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Initiation,
    Response,
    CookieReply,
    Data,
}

/// Return the kind of a datagram; `None` if its type is unknown or its length does not match it.
pub(crate) fn kind(datagram: &[u8]) -> Option<Kind> {
    match (word(datagram, 0)?, datagram.len()) {
        (INITIATION, INITIATION_BYTES) => Some(Kind::Initiation),
        (RESPONSE, RESPONSE_BYTES) => Some(Kind::Response),
        (COOKIE_REPLY, COOKIE_REPLY_BYTES) => Some(Kind::CookieReply),
        (DATA, length) if length >= DATA_OVERHEAD_BYTES => Some(Kind::Data),
        _ => None,
    }
}

/// Return the sender index of an initiation or a response.
pub(crate) fn parse_sender(datagram: &[u8]) -> Option<u32> {
    word(datagram, 4)
}

impl Initiation {
    pub(crate) fn parse(datagram: &[u8]) -> Option<Self> {
        (kind(datagram)? == Kind::Initiation).then_some(())?;
        Some(Self {
            sender: word(datagram, 4)?,
            ephemeral: field(datagram, 8)?,
            static_key: field(datagram, 40)?,
            timestamp: field(datagram, 88)?,
        })
    }

    /// Encode it with both MACs zero.
    pub(crate) fn encode(&self) -> [u8; INITIATION_BYTES] {
        let mut datagram = [0; INITIATION_BYTES];
        put(&mut datagram, 0, &INITIATION.to_le_bytes());
        put(&mut datagram, 4, &self.sender.to_le_bytes());
        put(&mut datagram, 8, &self.ephemeral);
        put(&mut datagram, 40, &self.static_key);
        put(&mut datagram, 88, &self.timestamp);
        datagram
    }
}

impl Response {
    pub(crate) fn parse(datagram: &[u8]) -> Option<Self> {
        (kind(datagram)? == Kind::Response).then_some(())?;
        Some(Self {
            sender: word(datagram, 4)?,
            receiver: word(datagram, 8)?,
            ephemeral: field(datagram, 12)?,
            empty: field(datagram, 44)?,
        })
    }

    /// Encode it with both MACs zero.
    pub(crate) fn encode(&self) -> [u8; RESPONSE_BYTES] {
        let mut datagram = [0; RESPONSE_BYTES];
        put(&mut datagram, 0, &RESPONSE.to_le_bytes());
        put(&mut datagram, 4, &self.sender.to_le_bytes());
        put(&mut datagram, 8, &self.receiver.to_le_bytes());
        put(&mut datagram, 12, &self.ephemeral);
        put(&mut datagram, 44, &self.empty);
        datagram
    }
}

impl CookieReply {
    pub(crate) fn parse(datagram: &[u8]) -> Option<Self> {
        (kind(datagram)? == Kind::CookieReply).then_some(())?;
        Some(Self { receiver: word(datagram, 4)?, nonce: field(datagram, 8)?, cookie: field(datagram, 32)? })
    }

    pub(crate) fn encode(&self) -> [u8; COOKIE_REPLY_BYTES] {
        let mut datagram = [0; COOKIE_REPLY_BYTES];
        put(&mut datagram, 0, &COOKIE_REPLY.to_le_bytes());
        put(&mut datagram, 4, &self.receiver.to_le_bytes());
        put(&mut datagram, 8, &self.nonce);
        put(&mut datagram, 32, &self.cookie);
        datagram
    }
}

impl DataHeader {
    /// Parse the header of a transport data message; `None` for any other datagram.
    #[must_use]
    pub fn parse(datagram: &[u8]) -> Option<Self> {
        (kind(datagram)? == Kind::Data).then_some(())?;
        Some(Self { receiver: word(datagram, 4)?, counter: u64::from_le_bytes(field(datagram, 8)?) })
    }

    /// Return the 16 octets before the ciphertext.
    #[must_use]
    pub fn encode(&self) -> [u8; DATA_HEADER_BYTES] {
        let mut header = [0; DATA_HEADER_BYTES];
        put(&mut header, 0, &DATA.to_le_bytes());
        put(&mut header, 4, &self.receiver.to_le_bytes());
        put(&mut header, 8, &self.counter.to_le_bytes());
        header
    }
}

/// A handshake message split at its MACs: what mac1 covers, what mac2 covers, and both MACs (section 5.4.4).
pub(crate) struct Macs<'a> {
    pub(crate) before_mac1: &'a [u8],
    pub(crate) before_mac2: &'a [u8],
    pub(crate) mac1: &'a [u8],
    pub(crate) mac2: &'a [u8],
}

impl<'a> Macs<'a> {
    /// Split `message`, an initiation or a response.
    pub(crate) fn of(message: &'a [u8]) -> Option<Self> {
        let mac1 = message.len().checked_sub(MACS_BYTES)?;
        let mac2 = mac1 + MAC_BYTES;
        Some(Self {
            before_mac1: &message[..mac1],
            before_mac2: &message[..mac2],
            mac1: &message[mac1..mac2],
            mac2: &message[mac2..],
        })
    }
}

fn word(datagram: &[u8], at: usize) -> Option<u32> {
    field(datagram, at).map(u32::from_le_bytes)
}

fn field<const N: usize>(datagram: &[u8], at: usize) -> Option<[u8; N]> {
    datagram.get(at..at + N)?.try_into().ok()
}

fn put(datagram: &mut [u8], at: usize, field: &[u8]) {
    datagram[at..at + field.len()].copy_from_slice(field);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_parsed_message_encodes_to_the_same_octets(mut datagram in prop::collection::vec(any::<u8>(), 0..160), kind in 0u8..6) {
            if datagram.len() >= 4 {
                datagram[..4].copy_from_slice(&[kind, 0, 0, 0]);
            }
            if let Some(message) = Initiation::parse(&datagram) {
                prop_assert_eq!(&message.encode()[..116], &datagram[..116]);
            }
            if let Some(message) = Response::parse(&datagram) {
                prop_assert_eq!(&message.encode()[..60], &datagram[..60]);
            }
            if let Some(message) = CookieReply::parse(&datagram) {
                prop_assert_eq!(&message.encode()[..], &datagram[..]);
            }
            if let Some(header) = DataHeader::parse(&datagram) {
                prop_assert_eq!(&header.encode()[..], &datagram[..16]);
            }
        }
    }

    #[test]
    fn reserved_octets_must_be_zero() {
        let mut datagram = [0; INITIATION_BYTES];
        datagram[0] = 1;
        assert_eq!(kind(&datagram), Some(Kind::Initiation));
        datagram[3] = 1;
        assert_eq!(kind(&datagram), None);
    }
}
