//! The server's side of SOCKS5 (RFC 1928) with user and password (RFC 1929): what a client writes, and the replies.
//!
//! | from the client | to the client |
//! |---|---|
//! | version, methods | the chosen method, or 0xff |
//! | user and password, if they are required | 0, or 1 |
//! | CONNECT or UDP ASSOCIATE, and the target | a reply with its code |
//!
//! Octets beyond this grammar, also behind the request before it is answered, close the connection.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use subtle::ConstantTimeEq;

use crate::target::{Host, Target};

/// The first octet of a client that speaks this version.
pub const VERSION: u8 = 5;
/// The longest message of a client: user and password of 255 bytes each.
const MAX_MESSAGE: usize = 513;

const NO_AUTHENTICATION: u8 = 0;
const USER_AND_PASSWORD: u8 = 2;
const NO_ACCEPTABLE_METHOD: u8 = 0xff;
/// The version of the negotiation of user and password.
const PASSWORD_VERSION: u8 = 1;

const CONNECT: u8 = 1;
const UDP_ASSOCIATE: u8 = 3;

const IPV4: u8 = 1;
const NAME: u8 = 3;
const IPV6: u8 = 4;

/// A user and the password of a listener.
#[derive(Clone)]
pub struct Credentials {
    user: Vec<u8>,
    password: Vec<u8>,
}

impl Credentials {
    /// Return credentials; a client cannot send more than 255 bytes of either.
    #[must_use]
    pub fn new(user: &str, password: &[u8]) -> Self {
        Self { user: user.into(), password: password.into() }
    }

    /// Return whether these are the ones, in a time that tells only their lengths.
    #[must_use]
    pub fn are(&self, user: &[u8], password: &[u8]) -> bool {
        bool::from(self.user.ct_eq(user) & self.password.ct_eq(password))
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Credentials").finish_non_exhaustive()
    }
}

/// The code of a reply (RFC 1928, section 6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Reply {
    /// The connection stands, or the relay is open.
    Succeeded = 0,
    /// A failure without a code of its own.
    Failure = 1,
    /// Policy refuses it, or no peer has the address.
    NotAllowed = 2,
    /// There is no route to the network.
    NetworkUnreachable = 3,
    /// The host does not answer, or its name is unknown.
    HostUnreachable = 4,
    /// The host refused the connection.
    Refused = 5,
    /// The host did not answer in time.
    TimedOut = 6,
    /// The command is not supported.
    CommandNotSupported = 7,
    /// The type of address is not supported.
    AddressTypeNotSupported = 8,
}

impl Reply {
    /// Append the reply to `out`, with the address and port that the connection or the relay has here.
    pub fn write(self, bound: SocketAddr, out: &mut Vec<u8>) {
        out.extend_from_slice(&[VERSION, self as u8, 0]);
        write_address(bound, out);
    }
}

/// What a client asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// A connection to a target.
    Connect(Target),
    /// A relay of datagrams for a client that will send from this address and port; zeros if it does not know them.
    UdpAssociate(Target),
}

/// Why the connection is closed, once what was written is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HandshakeError {
    /// The message is not of SOCKS5.
    #[error("not SOCKS version 5")]
    Version,
    /// The message contradicts the grammar.
    #[error("malformed message")]
    Malformed,
    /// The client offers no method that the listener accepts.
    #[error("no acceptable authentication method")]
    Method,
    /// User or password is wrong.
    #[error("wrong user or password")]
    Credentials,
    /// The command is not supported; the reply says so.
    #[error("unsupported command")]
    Command,
    /// The type of address is not supported, or the name is not one; the reply says so.
    #[error("unsupported address")]
    Address,
    /// Octets follow the request.
    #[error("data before the reply")]
    EarlyData,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Greeting,
    Password,
    Request,
    Finished,
}

/// The handshake of one client.
#[derive(Debug)]
pub struct Handshake {
    state: State,
    credentials: Option<Credentials>,
    /// A message that is not yet complete.
    input: Vec<u8>,
}

impl Handshake {
    /// Return a handshake that requires these credentials, or none.
    #[must_use]
    pub fn new(credentials: Option<Credentials>) -> Self {
        Self { state: State::Greeting, credentials, input: Vec::new() }
    }

    /// Process octets of the client, and append what it is to be sent to `out`. `None` until the request is complete.
    ///
    /// # Errors
    /// [`HandshakeError`]; what `out` got is sent before the connection is closed.
    pub fn receive(&mut self, octets: &[u8], out: &mut Vec<u8>) -> Result<Option<Request>, HandshakeError> {
        if self.state == State::Finished {
            return Err(HandshakeError::EarlyData);
        }
        self.input.extend_from_slice(octets);
        let result = self.advance(out);
        if result.is_err() {
            self.state = State::Finished;
        }
        result
    }

    fn advance(&mut self, out: &mut Vec<u8>) -> Result<Option<Request>, HandshakeError> {
        loop {
            let (used, request) = match self.state {
                State::Greeting => (self.greet(out)?, None),
                State::Password => (self.authenticate(out)?, None),
                State::Request => match parse_request(&self.input, out)? {
                    Some((used, request)) => (Some(used), Some(request)),
                    None => (None, None),
                },
                State::Finished => (None, None),
            };
            let Some(used) = used else {
                let is_bounded = self.input.len() <= MAX_MESSAGE;
                return if is_bounded { Ok(None) } else { Err(HandshakeError::Malformed) };
            };
            self.input.drain(..used);
            if let Some(request) = request {
                self.state = State::Finished;
                return if self.input.is_empty() { Ok(Some(request)) } else { Err(HandshakeError::EarlyData) };
            }
        }
    }

    /// Choose a method; `None` while the message is incomplete, else its size.
    fn greet(&mut self, out: &mut Vec<u8>) -> Result<Option<usize>, HandshakeError> {
        let Some((methods, used)) = counted(&self.input, VERSION, HandshakeError::Version)? else { return Ok(None) };
        if methods.is_empty() {
            return Err(HandshakeError::Malformed);
        }
        let (method, next) = match self.credentials {
            None => (NO_AUTHENTICATION, State::Request),
            Some(_) => (USER_AND_PASSWORD, State::Password),
        };
        if !methods.contains(&method) {
            out.extend_from_slice(&[VERSION, NO_ACCEPTABLE_METHOD]);
            return Err(HandshakeError::Method);
        }
        out.extend_from_slice(&[VERSION, method]);
        self.state = next;
        Ok(Some(used))
    }

    /// Verify user and password; `None` while the message is incomplete, else its size.
    fn authenticate(&mut self, out: &mut Vec<u8>) -> Result<Option<usize>, HandshakeError> {
        let wrong = HandshakeError::Malformed;
        let Some((user, used)) = counted(&self.input, PASSWORD_VERSION, wrong)? else { return Ok(None) };
        // The password has the same form as the user, without a version in front of it.
        let Some(length) = self.input.get(used).map(|length| usize::from(*length)) else { return Ok(None) };
        let end = used + 1 + length;
        let Some(password) = self.input.get(used + 1..end) else { return Ok(None) };
        let are_right = self.credentials.as_ref().is_some_and(|credentials| credentials.are(user, password));
        out.extend_from_slice(&[PASSWORD_VERSION, u8::from(!are_right)]);
        if !are_right {
            return Err(HandshakeError::Credentials);
        }
        self.state = State::Request;
        Ok(Some(end))
    }
}

/// Return a field behind its version and its count of octets, and where it ends.
fn counted(input: &[u8], version: u8, wrong: HandshakeError) -> Result<Option<(&[u8], usize)>, HandshakeError> {
    if input.first().is_some_and(|octet| *octet != version) {
        return Err(wrong);
    }
    let Some(count) = input.get(1).map(|count| usize::from(*count)) else { return Ok(None) };
    Ok(input.get(2..2 + count).map(|field| (field, 2 + count)))
}

/// Parse the request, and append a reply for one that is not supported.
fn parse_request(input: &[u8], out: &mut Vec<u8>) -> Result<Option<(usize, Request)>, HandshakeError> {
    if input.first().is_some_and(|version| *version != VERSION) {
        return Err(HandshakeError::Version);
    }
    let Some([_, command, reserved]) = input.first_chunk::<3>() else { return Ok(None) };
    if *reserved != 0 {
        return Err(HandshakeError::Malformed);
    }
    let nowhere = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
    if !matches!(*command, CONNECT | UDP_ASSOCIATE) {
        Reply::CommandNotSupported.write(nowhere, out);
        return Err(HandshakeError::Command);
    }
    let parsed = match parse_target(&input[3..]) {
        Ok(parsed) => parsed,
        Err(reply) => {
            reply.write(nowhere, out);
            return Err(HandshakeError::Address);
        }
    };
    let Some((target, used)) = parsed else { return Ok(None) };
    let request = if *command == CONNECT { Request::Connect(target) } else { Request::UdpAssociate(target) };
    Ok(Some((3 + used, request)))
}

/// Parse a type of address, the address and the port; `None` while it is incomplete, else it and its size.
fn parse_target(input: &[u8]) -> Result<Option<(Target, usize)>, Reply> {
    let Some((kind, rest)) = input.split_first() else { return Ok(None) };
    let host = match *kind {
        IPV4 => rest.first_chunk::<4>().map(|octets| (Host::Address(Ipv4Addr::from(*octets).into()), 4)),
        IPV6 => rest.first_chunk::<16>().map(|octets| (Host::Address(Ipv6Addr::from(*octets).into()), 16)),
        NAME => parse_name(rest)?,
        _ => return Err(Reply::AddressTypeNotSupported),
    };
    let Some((host, used)) = host else { return Ok(None) };
    let Some(port) = rest.get(used..used + 2) else { return Ok(None) };
    let port = u16::from_be_bytes([port[0], port[1]]);
    Ok(Some((Target { host, port }, 1 + used + 2)))
}

/// Parse a name behind its length. Browsers send addresses as names too.
fn parse_name(input: &[u8]) -> Result<Option<(Host, usize)>, Reply> {
    let Some(length) = input.first().map(|length| usize::from(*length)) else { return Ok(None) };
    let Some(name) = input.get(1..1 + length) else { return Ok(None) };
    let host = std::str::from_utf8(name).ok().and_then(|name| Host::parse(name).ok());
    host.map(|host| Some((host, 1 + length))).ok_or(Reply::HostUnreachable)
}

fn write_address(address: SocketAddr, out: &mut Vec<u8>) {
    match address.ip() {
        IpAddr::V4(ip) => {
            out.push(IPV4);
            out.extend_from_slice(&ip.octets());
        }
        IpAddr::V6(ip) => {
            out.push(IPV6);
            out.extend_from_slice(&ip.octets());
        }
    }
    out.extend_from_slice(&address.port().to_be_bytes());
}

/// Parse a datagram of a client to the relay: its target and its content. `None` for one that is malformed or, as
/// fragments are not supported, a fragment: it is dropped (RFC 1928, section 7).
#[must_use]
pub fn parse_datagram(datagram: &[u8]) -> Option<(Target, &[u8])> {
    let rest = datagram.strip_prefix(&[0, 0, 0])?;
    let (target, used) = parse_target(rest).ok()??;
    (target.port != 0).then(|| (target, &rest[used..]))
}

/// Write the header of a datagram that `from` sent into `out`, which is emptied first; the content follows it.
pub fn write_datagram_header(from: SocketAddr, out: &mut Vec<u8>) {
    out.clear();
    out.extend_from_slice(&[0, 0, 0]);
    write_address(from, out);
}

#[cfg(test)]
mod tests;
