//! The addresses of a name in the response of a server.

use std::net::IpAddr;

use domain::base::iana::{Rcode, Rtype};
use domain::base::message::Message;
use domain::base::name::{ParsedName, ToName};
use domain::rdata::{A, Aaaa, Cname};

use crate::HostName;
use crate::message::question::{Question, ResponseError};

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

/// A question for addresses.
#[derive(Debug, Clone)]
pub struct AddressQuestion {
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

impl Family {
    fn record_type(self) -> Rtype {
        match self {
            Self::V6 => Rtype::AAAA,
            Self::V4 => Rtype::A,
        }
    }
}

impl AddressQuestion {
    /// Return the message that asks for it; see [`Question::encode`].
    #[must_use]
    pub fn encode(&self, edns: bool) -> Vec<u8> {
        self.question().encode(self.id, edns)
    }

    fn question(&self) -> Question {
        Question { name: self.name.clone(), kind: self.family.record_type() }
    }
}

/// Parse the response to a question.
///
/// # Errors
/// [`ResponseError`]; a message that answers another question is to be ignored, as anybody may have sent it.
pub fn parse(octets: &[u8], question: &AddressQuestion) -> Result<Response, ResponseError> {
    let message = question.question().verify_response(octets, question.id)?;
    if message.header().tc() {
        return Ok(Response::Truncated);
    }
    match message.header().rcode() {
        Rcode::NOERROR => addresses(message, question),
        Rcode::NXDOMAIN => Ok(Response::NoSuchName),
        code => Ok(Response::Failed(code)),
    }
}

fn addresses(message: &Message<[u8]>, question: &AddressQuestion) -> Result<Response, ResponseError> {
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
