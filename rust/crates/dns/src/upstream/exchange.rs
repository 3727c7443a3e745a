//! One message to one server, and which message answers it.

use domain::base::iana::Rcode;

use crate::frames::framed;
use crate::message::question::{Question, ResponseError};
use crate::message::reply::Reply;

/// A source of unpredictable numbers.
pub type Random<'a> = &'a mut dyn FnMut() -> u16;

/// Ports below are those of services.
const FIRST_PORT: u16 = 1024;
/// The header, which the question follows.
const HEADER_BYTES: usize = 12;

/// A message that was sent.
#[derive(Debug)]
pub(super) struct Exchange {
    id: u16,
    message: Vec<u8>,
    question_end: usize,
    way: Way,
}

#[derive(Debug, Clone, Copy)]
enum Way {
    Port(u16),
    Stream(u32),
}

/// What a message says about a question.
#[derive(Debug, PartialEq)]
pub(super) enum Verdict {
    /// Nothing: anybody may have sent it.
    Unrelated,
    /// It answers, and cannot be read.
    Malformed,
    /// The whole answer comes over TCP.
    Truncated,
    /// The server may answer without EDNS (RFC 6891, section 7).
    WithoutEdns,
    /// The server cannot answer.
    Refused,
    /// The answer.
    Reply(Reply),
}

impl Exchange {
    pub(super) fn from_port(question: &Question, id: u16, edns: bool, port: u16) -> Self {
        Self::new(question, id, edns, Way::Port(port))
    }

    pub(super) fn over_stream(question: &Question, id: u16, edns: bool, stream: u32) -> Self {
        Self::new(question, id, edns, Way::Stream(stream))
    }

    fn new(question: &Question, id: u16, edns: bool, way: Way) -> Self {
        let question_end = HEADER_BYTES + question.name.len() + 4;
        Self { id, message: question.encode(id, edns), question_end, way }
    }

    pub(super) fn message(&self) -> &[u8] {
        &self.message
    }

    pub(super) fn framed(&self) -> Vec<u8> {
        framed(&self.message)
    }

    pub(super) fn port(&self) -> Option<u16> {
        match self.way {
            Way::Port(port) => Some(port),
            Way::Stream(_) => None,
        }
    }

    /// Return the connection, with the identity under which it awaits the answer.
    pub(super) fn stream(&self) -> Option<(u32, u16)> {
        match self.way {
            Way::Port(_) => None,
            Way::Stream(stream) => Some((stream, self.id)),
        }
    }

    /// Judge a message that came to the port or over the connection.
    pub(super) fn judge(&self, question: &Question, octets: &[u8], edns: bool) -> Verdict {
        let Ok(message) = question.verify_response(octets, self.id) else { return Verdict::Unrelated };
        let code = message.header().rcode();
        // BADVERS and others above 15 have NOERROR in the header and the rest in OPT.
        let is_extended = message.opt().is_some_and(|opt| opt.rcode(message.header()).is_ext());
        if edns && (matches!(code, Rcode::FORMERR | Rcode::NOTIMP) || is_extended) {
            return Verdict::WithoutEdns;
        }
        if message.header_counts().qdcount() == 0 {
            return Verdict::Refused;
        }
        let echo = HEADER_BYTES..self.question_end;
        if octets.get(echo.clone()) != self.message.get(echo) {
            return Verdict::Unrelated;
        }
        if message.header().tc() {
            return if self.port().is_some() { Verdict::Truncated } else { Verdict::Malformed };
        }
        match code {
            Rcode::NOERROR | Rcode::NXDOMAIN => match Reply::read(message) {
                Ok(reply) => Verdict::Reply(reply),
                Err(ResponseError::Unrelated | ResponseError::Malformed) => Verdict::Malformed,
            },
            _ => Verdict::Refused,
        }
    }
}

/// Return a random port that is not in use.
pub(super) fn free_port(random: Random<'_>, is_used: impl Fn(u16) -> bool) -> u16 {
    let mut port = random().max(FIRST_PORT);
    // There are 63 times as many ports as questions.
    while is_used(port) {
        port = port.checked_add(1).unwrap_or(FIRST_PORT);
    }
    port
}
