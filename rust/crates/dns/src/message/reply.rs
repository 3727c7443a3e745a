//! The content of an answer: read from the message of a server, written for a client.

use std::convert::Infallible;
use std::net::IpAddr;

use domain::base::charstr::CharStr;
use domain::base::iana::{Class, OptRcode, Rcode, Rtype};
use domain::base::message::Message;
use domain::base::message_builder::{MessageBuilder, StaticCompressor};
use domain::base::name::{FlattenInto, ParsedName};
use domain::base::record::{Record as AnyRecord, Ttl};
use domain::base::wire::Composer;
use domain::rdata::{A, Aaaa, AllRecordData, Hinfo};
use octseq::builder::{OctetsBuilder, Truncate};

use crate::HostName;
use crate::message::query::{Head, Query, Rejection};
use crate::message::question::{ResponseError, UDP_PAYLOAD_BYTES};

/// A record with all its data.
pub type Record = AnyRecord<HostName, AllRecordData<Vec<u8>, HostName>>;

/// The TTL of the HINFO record that stands for all types (RFC 8482, section 4.2 leaves it to the operator).
const ANY_TTL: Ttl = Ttl::from_secs(3600);

/// The content of an answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Reply {
    /// The code.
    pub code: Rcode,
    /// Whether it comes from whom the name belongs to (AA).
    pub authoritative: bool,
    /// The records of the answer.
    pub answers: Vec<Record>,
    /// The SOA record of a negative answer (RFC 2308).
    pub authority: Vec<Record>,
}

impl Reply {
    /// Return an answer without records.
    #[must_use]
    pub fn empty(code: Rcode) -> Self {
        Self { code, authoritative: false, answers: Vec::new(), authority: Vec::new() }
    }

    /// Return the addresses of one name of its own, those of the type of the question.
    #[must_use]
    pub fn addresses(name: &HostName, kind: Rtype, addresses: &[IpAddr], ttl: Ttl) -> Self {
        let wanted = addresses.iter().filter_map(|address| match (kind, address) {
            (Rtype::A, IpAddr::V4(v4)) => Some(AllRecordData::A(A::new(*v4))),
            (Rtype::AAAA, IpAddr::V6(v6)) => Some(AllRecordData::Aaaa(Aaaa::new(*v6))),
            _ => None,
        });
        let answers = wanted.map(|data| Record::new(name.clone(), Class::IN, ttl, data)).collect();
        Self { answers, ..Self::empty(Rcode::NOERROR) }
    }

    /// Read the message of a server: the records of the answer, and the SOA record of the authority section.
    ///
    /// Additional records are left out. A client asks for them itself, and only that answer is checked.
    ///
    /// # Errors
    /// [`ResponseError::Malformed`].
    pub fn read(message: &Message<[u8]>) -> Result<Self, ResponseError> {
        let answers = records(message.answer()?)?;
        let mut authority = records(message.authority()?)?;
        authority.retain(|record| record.rtype() == Rtype::SOA);
        Ok(Self { code: message.header().rcode(), authoritative: false, answers, authority })
    }

    /// Return how long the answer is valid in seconds; None if it is not to be kept.
    ///
    /// An answer with records has the least of their TTLs. A negative one has the lesser of the TTL and the minimum of its
    /// SOA record, and is not kept without one (RFC 2308, section 5).
    #[must_use]
    pub fn ttl_seconds(&self) -> Option<u32> {
        let minimum = self.authority.iter().find_map(|record| match record.data() {
            AllRecordData::Soa(soa) => Some(record.ttl().as_secs().min(soa.minimum().as_secs())),
            _ => None,
        });
        let least = self.answers.iter().map(|record| record.ttl().as_secs()).min();
        if self.is_negative() { Some(minimum?.min(least.unwrap_or(u32::MAX))) } else { least }
    }

    /// Return whether the answer says that there are no such records.
    ///
    /// A chain of aliases whose end has no records comes with a SOA record, as does NXDOMAIN.
    #[must_use]
    pub fn is_negative(&self) -> bool {
        self.code != Rcode::NOERROR || self.answers.is_empty() || !self.authority.is_empty()
    }

    /// Replace every TTL.
    pub fn map_ttls(&mut self, ttl: impl Fn(u32) -> u32) {
        for record in self.answers.iter_mut().chain(&mut self.authority) {
            record.set_ttl(Ttl::from_secs(ttl(record.ttl().as_secs())));
        }
    }

    /// Return the message to a client; one longer than `max_bytes` has TC and no records.
    #[must_use]
    pub fn encode(&self, query: &Query, max_bytes: usize) -> Vec<u8> {
        let code = OptRcode::from(self.code);
        let whole = compose(&query.head, Some(query), code, Some(self)).unwrap_or_default();
        if !whole.is_empty() && whole.len() <= max_bytes {
            return whole;
        }
        let mut cut = compose(&query.head, Some(query), code, None).unwrap_or_default();
        if let Some(flags) = cut.get_mut(2) {
            *flags |= 0x02;
        }
        cut
    }
}

/// Return the message to the client whose message was rejected; None if it gets none.
#[must_use]
pub fn answer_rejected(rejection: &Rejection) -> Option<Vec<u8>> {
    match rejection {
        Rejection::Ignored => None,
        Rejection::Malformed(head, code) => compose(head, None, *code, None),
        Rejection::Refused(query, code) => compose(&query.head, Some(query), *code, None),
        Rejection::AnyType(query) => {
            let data =
                Hinfo::new(CharStr::from_octets(b"RFC8482".to_vec()).ok()?, CharStr::from_octets(Vec::new()).ok()?);
            let record = Record::new(query.question.name.clone(), Class::IN, ANY_TTL, AllRecordData::Hinfo(data));
            let reply = Reply { answers: vec![record], ..Reply::empty(Rcode::NOERROR) };
            compose(&query.head, Some(query), OptRcode::NOERROR, Some(&reply))
        }
    }
}

fn records(section: domain::base::message::RecordSection<'_, [u8]>) -> Result<Vec<Record>, ResponseError> {
    let mut read = Vec::new();
    for record in section.into_records::<AllRecordData<&[u8], ParsedName<&[u8]>>>() {
        let record = record?;
        if record.class() == Class::IN && record.rtype() != Rtype::OPT {
            read.push(record.try_flatten_into().map_err(|_| ResponseError::Malformed)?);
        }
    }
    Ok(read)
}

/// Write a message; a vector takes every record, so there is one unless a record is longer than a message can be.
fn compose(head: &Head, query: Option<&Query>, code: OptRcode, reply: Option<&Reply>) -> Option<Vec<u8>> {
    let mut builder = MessageBuilder::from_target(StaticCompressor::new(Octets::default())).ok()?;
    let header = builder.header_mut();
    header.set_id(head.id);
    header.set_opcode(head.opcode);
    header.set_qr(true);
    header.set_ra(true);
    header.set_rd(head.recursion_desired);
    header.set_aa(reply.is_some_and(|reply| reply.authoritative));
    header.set_rcode(code.rcode());
    let mut builder = builder.question();
    if let Some(query) = query {
        builder.push((&query.question.name, query.question.kind, Class::IN)).ok()?;
    }
    let mut builder = builder.answer();
    for record in reply.iter().flat_map(|reply| &reply.answers) {
        builder.push(record).ok()?;
    }
    let mut builder = builder.authority();
    for record in reply.iter().flat_map(|reply| &reply.authority) {
        builder.push(record).ok()?;
    }
    let mut builder = builder.additional();
    if query.is_some_and(|query| query.edns.is_some()) {
        let set = builder.opt(|opt| {
            opt.set_udp_payload_size(UDP_PAYLOAD_BYTES);
            opt.set_rcode(code);
            Ok(())
        });
        set.ok()?;
    }
    Some(builder.finish().into_target().0)
}

/// The octets of a message that is written.
#[derive(Default)]
struct Octets(Vec<u8>);

impl OctetsBuilder for Octets {
    type AppendError = Infallible;

    fn append_slice(&mut self, slice: &[u8]) -> Result<(), Infallible> {
        self.0.extend(slice);
        Ok(())
    }
}

impl Truncate for Octets {
    fn truncate(&mut self, len: usize) {
        self.0.truncate(len);
    }
}

impl AsRef<[u8]> for Octets {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl AsMut<[u8]> for Octets {
    fn as_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }
}

impl Composer for Octets {}
