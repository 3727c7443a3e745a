//! A message of a client: a query, or what to answer to a message that is none.

use domain::base::iana::{Class, Opcode, OptRcode, Rtype};
use domain::base::message::Message;
use domain::base::name::ToName;
use domain::base::opt::Opt;

use crate::lookup::Transport;
use crate::message::question::{Question, UDP_PAYLOAD_BYTES};

/// A query has one name and at most a few options; a longer message is an attack or an error.
pub const MAX_QUERY_BYTES: usize = 4096;
/// The longest message over UDP for a client that does not say what it takes (RFC 1035, section 4.2.1).
const PLAIN_UDP_BYTES: u16 = 512;
/// The types 249 to 254 ask for a transfer or negotiate keys (TKEY, TSIG, IXFR, AXFR, MAILB, MAILA).
const TRANSFER_TYPES: std::ops::RangeInclusive<u16> = 249..=254;

/// A query of a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// What the answer repeats of the header.
    pub head: Head,
    /// The question.
    pub question: Question,
    /// The UDP payload that the client takes, if it speaks EDNS.
    pub edns: Option<u16>,
}

/// The parts of a header that an answer repeats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// The identity of the message.
    pub id: u16,
    /// The operation.
    pub opcode: Opcode,
    /// Whether the client wants recursion.
    pub recursion_desired: bool,
}

/// Why a message is not a query that can be resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rejection {
    /// It is an answer, or has no whole header: an answer to it could begin a loop.
    Ignored,
    /// It is answered with a code alone.
    Malformed(Head, OptRcode),
    /// Its question can be repeated in the answer, which has this code.
    Refused(Box<Query>, OptRcode),
    /// It asks for all types of records and gets HINFO (RFC 8482, section 4.2).
    AnyType(Box<Query>),
}

impl Query {
    /// Parse a message of a client.
    ///
    /// # Errors
    /// [`Rejection`] says what is answered instead.
    pub fn parse(octets: &[u8]) -> Result<Self, Rejection> {
        let message = Message::from_slice(octets).map_err(|_| Rejection::Ignored)?;
        let header = message.header();
        if header.qr() {
            return Err(Rejection::Ignored);
        }
        let head = Head { id: header.id(), opcode: header.opcode(), recursion_desired: header.rd() };
        if head.opcode != Opcode::QUERY {
            return Err(Rejection::Malformed(head, OptRcode::NOTIMP));
        }
        let malformed = Rejection::Malformed(head, OptRcode::FORMERR);
        if octets.len() > MAX_QUERY_BYTES || header.tc() {
            return Err(malformed);
        }
        let (question, class) = sole_question(message).ok_or(malformed.clone())?;
        let opt = sole_opt(message).map_err(|()| malformed.clone())?;
        let query = Self { head, question, edns: opt.map(|(payload, _)| payload) };
        query.check(class, opt.map_or(0, |(_, version)| version))
    }

    /// Reject what is well-formed and not served here.
    fn check(self, class: Class, version: u8) -> Result<Self, Rejection> {
        let kind = self.question.kind;
        if version != 0 {
            return Err(Rejection::Refused(Box::new(self), OptRcode::BADVERS));
        }
        if class != Class::IN || TRANSFER_TYPES.contains(&kind.to_int()) || kind == Rtype::OPT {
            // The answer repeats a question of class IN only.
            return Err(Rejection::Malformed(self.head, OptRcode::REFUSED));
        }
        if kind == Rtype::ANY { Err(Rejection::AnyType(Box::new(self))) } else { Ok(self) }
    }

    /// Return the longest answer that the client takes over a transport.
    #[must_use]
    pub fn max_answer_bytes(&self, transport: Transport) -> usize {
        let udp = self.edns.unwrap_or(PLAIN_UDP_BYTES).clamp(PLAIN_UDP_BYTES, UDP_PAYLOAD_BYTES);
        match transport {
            Transport::Udp => udp.into(),
            Transport::Tcp => u16::MAX.into(),
        }
    }
}

fn sole_question(message: &Message<[u8]>) -> Option<(Question, Class)> {
    if message.header_counts().qdcount() != 1 {
        return None;
    }
    let asked = message.question().next()?.ok()?;
    let name = asked.qname().try_to_name::<Vec<u8>>().ok()?;
    Some((Question { name, kind: asked.qtype() }, asked.qclass()))
}

/// Read every record, and return the payload and the version of the only OPT record (RFC 6891, section 6.1.1).
fn sole_opt(message: &Message<[u8]>) -> Result<Option<(u16, u8)>, ()> {
    let mut opt = None;
    for section in [message.answer(), message.authority(), message.additional()] {
        for record in section.map_err(|_| ())? {
            let record = record.map_err(|_| ())?;
            if record.rtype() != Rtype::OPT {
                continue;
            }
            record.to_record::<Opt<_>>().map_err(|_| ())?;
            if opt.is_some() || !record.owner().is_root() {
                return Err(());
            }
            opt = Some((record.class().to_int(), (record.ttl().as_secs() >> 16) as u8));
        }
    }
    Ok(opt)
}
