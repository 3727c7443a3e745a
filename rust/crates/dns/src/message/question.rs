//! A question of DNS, the message that asks a server for it, and the check of what comes back.

use domain::base::iana::{Class, Opcode, Rcode, Rtype};
use domain::base::message::Message;
use domain::base::message_builder::MessageBuilder;
use domain::base::name::ToName;
use domain::base::wire::ParseError;
use octseq::array::Array;

use crate::HostName;

/// The longest message that is sent over UDP: it passes every path without fragments (DNS flag day 2020).
pub const UDP_PAYLOAD_BYTES: u16 = 1232;

/// A question of class IN. Names are equal whatever the case of their letters.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Question {
    /// The name.
    pub name: HostName,
    /// The type of the records.
    pub kind: Rtype,
}

/// Why a message is not the response to a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ResponseError {
    /// It answers another question, or is none.
    #[error("the message answers another question")]
    Unrelated,
    /// It answers this one, and cannot be read.
    #[error("malformed answer")]
    Malformed,
}

impl From<ParseError> for ResponseError {
    fn from(_: ParseError) -> Self {
        Self::Malformed
    }
}

impl Question {
    /// Return the message that asks a recursive server, under an identity that is unpredictable for others.
    ///
    /// With `edns` the server may answer in up to [`UDP_PAYLOAD_BYTES`] instead of 512.
    #[must_use]
    pub fn encode(&self, id: u16, edns: bool) -> Vec<u8> {
        // Header 12, name 255, type and class 4, OPT 11: it always fits.
        self.compose(id, edns).map(|target| target.as_ref().to_vec()).unwrap_or_default()
    }

    fn compose(&self, id: u16, edns: bool) -> Option<Array<512>> {
        let mut builder = MessageBuilder::from_target(Array::<512>::default()).ok()?;
        builder.header_mut().set_id(id);
        builder.header_mut().set_rd(true);
        let mut builder = builder.question();
        builder.push((&self.name, self.kind, Class::IN)).ok()?;
        let mut builder = builder.additional();
        if edns {
            let set = builder.opt(|opt| {
                opt.set_udp_payload_size(UDP_PAYLOAD_BYTES);
                Ok(())
            });
            set.ok()?;
        }
        Some(builder.finish())
    }

    /// Return the message if it is a response to this question under this identity.
    ///
    /// # Errors
    /// [`ResponseError::Unrelated`]; such a message is to be ignored, as anybody may have sent it.
    pub fn verify_response<'a>(&self, octets: &'a [u8], id: u16) -> Result<&'a Message<[u8]>, ResponseError> {
        let message = Message::from_slice(octets).map_err(|_| ResponseError::Unrelated)?;
        let header = message.header();
        if !header.qr() || header.id() != id || header.opcode() != Opcode::QUERY {
            return Err(ResponseError::Unrelated);
        }
        // A server that does not know EDNS may answer with the header alone (RFC 6891, section 7).
        if message.header_counts().qdcount() == 0 && header.rcode() == Rcode::FORMERR {
            return Ok(message);
        }
        let mut asked = message.question();
        let first = asked.next().and_then(Result::ok).ok_or(ResponseError::Unrelated)?;
        let is_ours = first.qname().name_eq(&self.name) && first.qtype() == self.kind && first.qclass() == Class::IN;
        if is_ours && asked.next().is_none() { Ok(message) } else { Err(ResponseError::Unrelated) }
    }
}
