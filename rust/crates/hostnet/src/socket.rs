//! A socket of one of the kernel's netlink protocols: sends requests and receives their responses.

use std::io;

use netlink_packet_core::{
    Emitable, NLM_F_ACK, NLM_F_ACK_TLVS, NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_REQUEST, NLMSG_DONE, NLMSG_ERROR,
    NetlinkBuffer, NetlinkHeader, NetlinkSerializable, NlaBuffer, NlasIterator,
};
use netlink_sys::{Socket, SocketAddr};
use zeroize::{Zeroize, Zeroizing};

use crate::error::Refusal;

/// More than any datagram of the kernel, which fills 32 KiB at most when listing (netlink_dump).
const ANSWER_BYTES: usize = 64 << 10;
/// How often a listing is restarted when it changed while it was read.
const LISTING_TRIES: usize = 8;
/// Size of a message header (struct nlmsghdr).
const HEADER_BYTES: usize = 16;
/// The attribute of an error that explains it (enum nlmsgerr_attrs).
const NLMSGERR_ATTR_MSG: u16 = 1;

/// A socket in the network namespace of the thread that opened it.
pub(crate) struct NetlinkSocket {
    socket: Socket,
    sequence: u32,
    /// Never grown, so that no copy of its content is left behind.
    answer: Zeroizing<Vec<u8>>,
}

impl NetlinkSocket {
    /// Open a socket of one of netlink's protocols. Needs no privilege; changes do.
    pub(crate) fn open(protocol: isize) -> io::Result<Self> {
        let mut socket = Socket::new(protocol)?;
        socket.bind_auto()?;
        socket.connect(&SocketAddr::new(0, 0))?;
        // Old kernels lack these options: error texts, short errors, listings of one link only.
        let _ = socket.set_ext_ack(true);
        let _ = socket.set_cap_ack(true);
        let _ = socket.set_netlink_get_strict_chk(true);
        Ok(Self { socket, sequence: 0, answer: Zeroizing::new(Vec::with_capacity(ANSWER_BYTES)) })
    }

    /// Send a request and return when the kernel has carried it out.
    pub(crate) fn execute(&mut self, message: &impl NetlinkSerializable, flags: u16) -> Result<(), Refusal> {
        self.exchange(message, flags | NLM_F_ACK, |_| {})
    }

    /// Send a request for one object, parsed by `parse` from the body of the response.
    pub(crate) fn query<T>(
        &mut self,
        message: &impl NetlinkSerializable,
        parse: impl Fn(&[u8]) -> Option<T>,
    ) -> Result<Option<T>, Refusal> {
        let mut found = None;
        self.exchange(message, NLM_F_ACK, |body| found = found.take().or_else(|| parse(body)))?;
        Ok(found)
    }

    /// Send a request for all objects of a kind; those for which `parse` returns `None` are omitted.
    pub(crate) fn list<T>(
        &mut self,
        message: &impl NetlinkSerializable,
        parse: impl Fn(&[u8]) -> Option<T>,
    ) -> Result<Vec<T>, Refusal> {
        self.fold(message, Vec::new, |all: &mut Vec<T>, body| all.extend(parse(body)))
    }

    /// Send a request for a listing and fold its parts; restart when it changed while it was read.
    pub(crate) fn fold<T>(
        &mut self,
        message: &impl NetlinkSerializable,
        begin: impl Fn() -> T,
        mut take: impl FnMut(&mut T, &[u8]),
    ) -> Result<T, Refusal> {
        let mut tries = LISTING_TRIES;
        loop {
            let mut all = begin();
            tries -= 1;
            match self.exchange(message, NLM_F_DUMP, |body| take(&mut all, body)) {
                Err(refusal) if refusal.source.kind() == io::ErrorKind::Interrupted && tries > 0 => {}
                result => return result.map(|()| all),
            }
        }
    }

    /// Send requests with their flags in one datagram, which the kernel carries out entirely or not at all, and return
    /// when it has. The first and the last frame the others, as in nfnetlink.
    pub(crate) fn transact<M: NetlinkSerializable>(&mut self, messages: &[(M, u16)]) -> Result<(), Refusal> {
        let first = self.sequence.wrapping_add(1);
        let count = u32::try_from(messages.len()).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
        let last = first.wrapping_add(count).wrapping_sub(2); // before the end of the frame, which is not acknowledged
        let mut datagram = Vec::new();
        for (message, flags) in messages {
            let ack = if self.sequence.wrapping_add(1) == last { NLM_F_ACK } else { 0 };
            datagram.extend_from_slice(&self.encode(message, flags | ack)?);
        }
        self.socket.send(&datagram, 0)?;
        loop {
            self.answer.clear();
            self.socket.recv(&mut *self.answer, 0)?;
            let verdicts = self::messages(&self.answer).filter(|message| message.message_type() == NLMSG_ERROR);
            for message in verdicts.filter(|message| message.sequence_number().wrapping_sub(first) < count) {
                verdict(&message)?;
                if message.sequence_number() == last {
                    return Ok(());
                }
            }
        }
    }

    /// Zeroize the last response.
    pub(crate) fn forget(&mut self) {
        self.answer.zeroize();
    }

    fn exchange(
        &mut self,
        message: &impl NetlinkSerializable,
        flags: u16,
        mut take: impl FnMut(&[u8]),
    ) -> Result<(), Refusal> {
        self.send(message, flags)?;
        let mut changed = false;
        loop {
            self.answer.clear();
            self.socket.recv(&mut *self.answer, 0)?;
            for message in messages(&self.answer) {
                if message.sequence_number() != self.sequence {
                    continue;
                }
                changed |= message.flags() & NLM_F_DUMP_INTR != 0;
                match message.message_type() {
                    NLMSG_ERROR | NLMSG_DONE => {
                        verdict(&message)?;
                        return if changed { Err(io::Error::from(io::ErrorKind::Interrupted).into()) } else { Ok(()) };
                    }
                    _ => take(message.payload()),
                }
            }
        }
    }

    fn send(&mut self, message: &impl NetlinkSerializable, flags: u16) -> io::Result<()> {
        let octets = self.encode(message, flags)?;
        self.socket.send(&octets, 0).map(|_| ())
    }

    /// Return the next message.
    fn encode(&mut self, message: &impl NetlinkSerializable, flags: u16) -> io::Result<Zeroizing<Vec<u8>>> {
        self.sequence = self.sequence.wrapping_add(1);
        let length = HEADER_BYTES + message.buffer_len();
        let mut header = NetlinkHeader::default();
        header.length = u32::try_from(length).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
        header.message_type = message.message_type();
        header.flags = NLM_F_REQUEST | flags;
        header.sequence_number = self.sequence;
        let mut octets = Zeroizing::new(vec![0; length]);
        header.emit(&mut octets);
        message.serialize(&mut octets[HEADER_BYTES..]);
        Ok(octets)
    }
}

/// Return the messages of one datagram.
pub(crate) fn messages(mut datagram: &[u8]) -> impl Iterator<Item = NetlinkBuffer<&[u8]>> {
    std::iter::from_fn(move || {
        let message = NetlinkBuffer::new_checked(datagram).ok()?;
        let length = (message.length() as usize).next_multiple_of(4).max(HEADER_BYTES);
        datagram = datagram.get(length..).unwrap_or_default();
        Some(message)
    })
}

/// Return the attributes of a message's body after its own header of `header_bytes`, up to the first malformed one.
pub(crate) fn attributes(body: &[u8], header_bytes: usize) -> impl Iterator<Item = NlaBuffer<&[u8]>> {
    NlasIterator::new(body.get(header_bytes..).unwrap_or_default()).map_while(Result::ok)
}

/// Parse the end of an exchange: zero, or a negative `errno` and possibly its reason.
fn verdict(message: &NetlinkBuffer<&[u8]>) -> Result<(), Refusal> {
    let body = message.payload();
    let code = body.first_chunk().map_or(0, |octets| i32::from_ne_bytes(*octets));
    if code >= 0 {
        return Ok(());
    }
    // An error repeats the header of the request before its attributes; the end of a listing does not.
    let repeated = if message.message_type() == NLMSG_ERROR { HEADER_BYTES } else { 0 };
    let explanation = (message.flags() & NLM_F_ACK_TLVS != 0)
        .then(|| attributes(body, 4 + repeated).find(|attribute| attribute.kind() == NLMSGERR_ATTR_MSG))
        .flatten()
        .map(|attribute| text(attribute.value()));
    Err(Refusal { source: io::Error::from_raw_os_error(-code), explanation })
}

/// Return a string of the kernel without its terminating zero.
pub(crate) fn text(octets: &[u8]) -> String {
    String::from_utf8_lossy(octets.split(|octet| *octet == 0).next().unwrap_or_default()).into_owned()
}

/// Return the number in an attribute.
pub(crate) fn number(octets: &[u8]) -> Option<u32> {
    octets.try_into().map(u32::from_ne_bytes).ok()
}
