//! Questions and responses of DNS (RFC 1035, section 4; RFC 6891), as far as the addresses of a name need them.

use std::net::IpAddr;

use domain::base::iana::{Class, Opcode, Rcode, Rtype};
use domain::base::message::Message;
use domain::base::message_builder::MessageBuilder;
use domain::base::name::{ParsedName, ToName};
use domain::base::wire::ParseError;
use domain::rdata::{A, Aaaa, Cname};
use octseq::array::Array;

use crate::HostName;

/// The longest message that a server may send over UDP: it passes every path without fragments (DNS flag day 2020).
pub const UDP_PAYLOAD_BYTES: u16 = 1232;
/// A longer chain is a loop or an error; common servers stop at 11.
const MAX_ALIASES: usize = 16;

/// The kind of addresses that a question is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// A record of type AAAA.
    V6,
    /// A record of type A.
    V4,
}

/// A question to a recursive server.
#[derive(Debug, Clone)]
pub struct Question {
    /// The identity of the message, unpredictable for others.
    pub id: u16,
    /// The name.
    pub name: HostName,
    /// The kind of addresses.
    pub family: Family,
}

/// The content of a response to a question.
#[derive(Debug, Clone)]
pub enum Response {
    /// The addresses of the name, after its aliases; none if it has no addresses of that kind.
    Addresses(Vec<IpAddr>),
    /// The name is an alias of another, whose addresses are not in the message.
    Alias(HostName),
    /// The name does not exist.
    NoSuchName,
    /// The message was cut off; TCP gives the whole.
    Truncated,
    /// The server failed or refused; the code says why.
    Failed(Rcode),
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

impl Family {
    fn record_type(self) -> Rtype {
        match self {
            Self::V6 => Rtype::AAAA,
            Self::V4 => Rtype::A,
        }
    }
}

impl Question {
    /// Return the message; with `edns` the server may answer in up to [`UDP_PAYLOAD_BYTES`] instead of 512.
    #[must_use]
    pub fn encode(&self, edns: bool) -> Vec<u8> {
        // Header 12, name 255, type and class 4, OPT 11: it always fits.
        self.compose(edns).map(|target| target.as_ref().to_vec()).unwrap_or_default()
    }

    fn compose(&self, edns: bool) -> Option<Array<512>> {
        let mut builder = MessageBuilder::from_target(Array::<512>::default()).ok()?;
        builder.header_mut().set_id(self.id);
        builder.header_mut().set_rd(true);
        let mut builder = builder.question();
        builder.push((&self.name, self.family.record_type(), Class::IN)).ok()?;
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
}

/// Parse the response to a question.
///
/// # Errors
/// [`ResponseError`]; a message that answers another question is to be ignored, as anybody may have sent it.
pub fn parse(octets: &[u8], question: &Question) -> Result<Response, ResponseError> {
    let message = Message::from_slice(octets).map_err(|_| ResponseError::Unrelated)?;
    let header = message.header();
    if !header.qr() || header.id() != question.id || header.opcode() != Opcode::QUERY {
        return Err(ResponseError::Unrelated);
    }
    let rcode = header.rcode();
    // A server that does not know EDNS may answer with the header alone (RFC 6891, section 7).
    if message.header_counts().qdcount() == 0 && rcode == Rcode::FORMERR {
        return Ok(Response::Failed(rcode));
    }
    verify_question(message, question)?;
    if header.tc() {
        return Ok(Response::Truncated);
    }
    match rcode {
        Rcode::NOERROR => addresses(message, question),
        Rcode::NXDOMAIN => Ok(Response::NoSuchName),
        _ => Ok(Response::Failed(rcode)),
    }
}

fn verify_question(message: &Message<[u8]>, question: &Question) -> Result<(), ResponseError> {
    let mut asked = message.question();
    let first = asked.next().and_then(Result::ok).ok_or(ResponseError::Unrelated)?;
    let is_ours = first.qname().name_eq(&question.name)
        && first.qtype() == question.family.record_type()
        && first.qclass() == Class::IN;
    if is_ours && asked.next().is_none() { Ok(()) } else { Err(ResponseError::Unrelated) }
}

fn addresses(message: &Message<[u8]>, question: &Question) -> Result<Response, ResponseError> {
    let mut name = question.name.clone();
    for _ in 0..=MAX_ALIASES {
        let found = match question.family {
            Family::V4 => addresses_of::<A>(message, &name, |data| data.addr().into())?,
            Family::V6 => addresses_of::<Aaaa>(message, &name, |data| data.addr().into())?,
        };
        if !found.is_empty() {
            return Ok(Response::Addresses(found));
        }
        let Some(target) = alias_of(message, &name)? else {
            let is_alias = !name.name_eq(&question.name);
            return Ok(if is_alias { Response::Alias(name) } else { Response::Addresses(found) });
        };
        name = target;
    }
    Err(ResponseError::Malformed)
}

fn addresses_of<'a, Data>(
    message: &'a Message<[u8]>,
    name: &HostName,
    address: impl Fn(&Data) -> IpAddr,
) -> Result<Vec<IpAddr>, ResponseError>
where
    Data: domain::base::rdata::ParseRecordData<'a, [u8]>,
{
    let mut found = Vec::new();
    for record in message.answer()?.limit_to_in::<Data>() {
        let record = record?;
        if record.owner().name_eq(name) {
            found.push(address(record.data()));
        }
    }
    Ok(found)
}

fn alias_of(message: &Message<[u8]>, name: &HostName) -> Result<Option<HostName>, ResponseError> {
    for record in message.answer()?.limit_to_in::<Cname<ParsedName<&[u8]>>>() {
        let record = record?;
        if record.owner().name_eq(name) {
            let target = record.data().cname().try_to_name::<Vec<u8>>();
            return target.map(Some).map_err(|_| ResponseError::Malformed);
        }
    }
    Ok(None)
}
