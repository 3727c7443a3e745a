//! The server's side of an HTTP proxy (RFC 9110, RFC 9112): the head of a request, the head that is forwarded for it,
//! and the answers.
//!
//! - One request per connection: CONNECT with a host and a port, or an absolute `http` URI.
//! - The forwarded head has the host of the URI, `Connection: close`, and no header that is for this hop alone.
//! - Whatever two servers could frame in two ways is refused: more than one Content-Length, both Content-Length and
//!   Transfer-Encoding, another coding than chunked, line ends that are not CRLF, folded lines, spaces in names.

use std::fmt;

use httparse::{EMPTY_HEADER, Header};
use subtle::ConstantTimeEq;

use crate::httpbody::Body;
use crate::target::{Host, Target};

/// The longest head.
const MAX_HEAD: usize = 16 << 10;
const MAX_HEADERS: usize = 100;
const HTTP_PORT: u16 = 80;

/// Headers for one hop, which are not forwarded (RFC 9110, section 7.6.1). Transfer-Encoding is written anew.
const HOP_BY_HOP: [&str; 9] = [
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];
/// Headers that a client may not declare to be for this hop alone: without them the request would be another one.
const NEVER_HOP_BY_HOP: [&str; 3] = ["content-length", "host", "transfer-encoding"];

/// Why the outside of a request failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GatewayError {
    /// The host refused the connection.
    Refused,
    /// There is no way to the host.
    Unreachable,
    /// The name is unknown.
    Name,
}

/// An answer of the proxy's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Answer {
    /// The connection of CONNECT stands; what follows is the stream.
    #[error("200 Connection Established")]
    Established,
    /// The request is malformed, or ambiguous.
    #[error("400 Bad Request")]
    BadRequest,
    /// Policy refuses the target, or no peer has its address.
    #[error("403 Forbidden")]
    Forbidden,
    /// The method cannot be forwarded.
    #[error("405 Method Not Allowed")]
    MethodNotAllowed,
    /// User and password are missing or wrong.
    #[error("407 Proxy Authentication Required")]
    AuthenticationRequired,
    /// The head is too long, or has too many headers.
    #[error("431 Request Header Fields Too Large")]
    HeadTooLarge,
    /// The host cannot be reached.
    #[error("502 Bad Gateway")]
    BadGateway(GatewayError),
    /// The host did not answer in time.
    #[error("504 Gateway Timeout")]
    GatewayTimeout,
}

impl Answer {
    /// Append the answer to `out`. After each but [`Answer::Established`] the connection is closed.
    pub fn write(self, out: &mut Vec<u8>) {
        let head = match self {
            Self::Established => format!("HTTP/1.1 {self}\r\n\r\n"),
            _ => format!("HTTP/1.1 {self}\r\nContent-Length: 0\r\nConnection: close\r\n{}\r\n", self.header()),
        };
        out.extend_from_slice(head.as_bytes());
    }

    fn header(self) -> &'static str {
        match self {
            Self::MethodNotAllowed => "Allow: CONNECT, DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT\r\n",
            Self::AuthenticationRequired => "Proxy-Authenticate: Basic realm=\"warren\", charset=\"UTF-8\"\r\n",
            Self::BadGateway(GatewayError::Refused) => "Warren-Error: refused\r\n",
            Self::BadGateway(GatewayError::Unreachable) => "Warren-Error: unreachable\r\n",
            Self::BadGateway(GatewayError::Name) => "Warren-Error: name\r\n",
            _ => "",
        }
    }
}

/// The user and password of a listener, as a client sends them (RFC 7617).
#[derive(Clone)]
pub struct Authorization(Vec<u8>);

impl Authorization {
    /// Return the authorization of a user; a colon in the name cannot be sent.
    #[must_use]
    pub fn new(user: &str, password: &[u8]) -> Self {
        Self(base64(&[user.as_bytes(), b":", password].concat()))
    }

    /// Return whether the value of a header is this authorization, in a time that tells only its length.
    fn is(&self, value: &[u8]) -> bool {
        let Some((scheme, token)) = value.split_at_checked(6) else { return false };
        scheme.eq_ignore_ascii_case(b"basic ") && bool::from(token.trim_ascii().ct_eq(&self.0))
    }
}

impl fmt::Debug for Authorization {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Authorization").finish_non_exhaustive()
    }
}

/// Encode octets (RFC 4648, section 4).
fn base64(octets: &[u8]) -> Vec<u8> {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = Vec::with_capacity(octets.len().div_ceil(3) * 4);
    for part in octets.chunks(3) {
        let bits = part.iter().fold(0u32, |bits, octet| bits << 8 | u32::from(*octet)) << (8 * (3 - part.len()));
        for digit in 0..4 {
            let value = (bits >> (18 - 6 * digit)) as usize & 63;
            out.push(if digit <= part.len() { DIGITS[value] } else { b'=' });
        }
    }
    out
}

/// A request that can be carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// A stream to a target, after [`Answer::Established`].
    Connect(Target),
    /// A request that is forwarded.
    Forward {
        /// Where it goes.
        target: Target,
        /// The head to send there.
        head: Vec<u8>,
        /// The framing of the body, which is forwarded as it comes.
        body: Body,
    },
}

/// Reads the head of a client's request.
#[derive(Debug)]
pub struct HeadReader {
    authorization: Option<Authorization>,
    input: Vec<u8>,
}

impl HeadReader {
    /// Return a reader for a client that has to be authorized so, or not at all.
    #[must_use]
    pub fn new(authorization: Option<Authorization>) -> Self {
        Self { authorization, input: Vec::new() }
    }

    /// Process octets of the client; `None` until the head is complete. What follows the head is
    /// [`take_rest`](Self::take_rest).
    ///
    /// # Errors
    /// The answer to send before the connection is closed.
    pub fn receive(&mut self, octets: &[u8]) -> Result<Option<Request>, Answer> {
        // Only the new octets are searched, so that a client that sends them one by one costs no more.
        let start = self.input.len().saturating_sub(3);
        self.input.extend_from_slice(octets);
        let end = self.input[start..].windows(4).position(|part| part == b"\r\n\r\n").map(|at| start + at + 4);
        match end {
            Some(end) if end <= MAX_HEAD => {
                let rest = self.input.split_off(end);
                let head = std::mem::replace(&mut self.input, rest);
                parse(&head, self.authorization.as_ref()).map(Some)
            }
            None if self.input.len() <= MAX_HEAD => Ok(None),
            _ => Err(Answer::HeadTooLarge),
        }
    }

    /// Take the octets that came behind the head.
    pub fn take_rest(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.input)
    }
}

/// Parse a complete head.
fn parse(octets: &[u8], authorization: Option<&Authorization>) -> Result<Request, Answer> {
    verify_line_ends(octets)?;
    let mut headers = [EMPTY_HEADER; MAX_HEADERS];
    let mut parsed = httparse::Request::new(&mut headers);
    match parsed.parse(octets) {
        Ok(httparse::Status::Complete(end)) if end == octets.len() => {}
        Err(httparse::Error::TooManyHeaders) => return Err(Answer::HeadTooLarge),
        _ => return Err(Answer::BadRequest),
    }
    let (Some(method), Some(uri), Some(minor)) = (parsed.method, parsed.path, parsed.version) else {
        return Err(Answer::BadRequest);
    };
    let headers = &*parsed.headers;
    verify_host(headers, minor)?;
    let body = body(headers, minor)?;
    let hop_by_hop = declared(headers)?;
    verify_authorization(headers, authorization)?;
    match method {
        "TRACE" => return Err(Answer::MethodNotAllowed),
        "CONNECT" if body == Body::none() => return connect(uri),
        "CONNECT" => return Err(Answer::BadRequest),
        _ => {}
    }
    let (target, path) = split_uri(uri, method)?;
    let is_forwarded = |header: &&Header<'_>| {
        let is = |name: &str| header.name.eq_ignore_ascii_case(name);
        !is("host") && !HOP_BY_HOP.iter().any(|name| is(name)) && !hop_by_hop.iter().any(|name| is(name))
    };
    let mut head = format!("{method} {path} HTTP/1.{minor}\r\nHost: {}\r\n", authority(&target)).into_bytes();
    for header in headers.iter().filter(is_forwarded) {
        head.extend_from_slice(&[header.name.as_bytes(), b": ", header.value, b"\r\n"].concat());
    }
    if body.is_chunked() {
        head.extend_from_slice(b"Transfer-Encoding: chunked\r\n");
    }
    head.extend_from_slice(b"Connection: close\r\n\r\n");
    Ok(Request::Forward { target, head, body })
}

/// Verify that CR and LF occur as line ends alone.
fn verify_line_ends(octets: &[u8]) -> Result<(), Answer> {
    let pairs = octets.windows(2).all(|pair| (pair[0] == b'\r') == (pair[1] == b'\n'));
    if pairs && octets.first() != Some(&b'\n') { Ok(()) } else { Err(Answer::BadRequest) }
}

fn values<'h>(headers: &'h [Header<'_>], name: &'h str) -> impl Iterator<Item = &'h [u8]> {
    headers.iter().filter(move |header| header.name.eq_ignore_ascii_case(name)).map(|header| header.value)
}

/// Return the value of a header that may occur once.
fn single<'h>(headers: &'h [Header<'_>], name: &'h str) -> Result<Option<&'h [u8]>, Answer> {
    let mut found = values(headers, name);
    let value = found.next();
    if found.next().is_none() { Ok(value) } else { Err(Answer::BadRequest) }
}

/// Verify that there is one valid Host (RFC 9112, section 3.2), though the URI's replaces it.
fn verify_host(headers: &[Header<'_>], minor: u8) -> Result<(), Answer> {
    let is_valid = match single(headers, "host")? {
        None => minor == 0,
        Some([]) => true,
        Some(host) => std::str::from_utf8(host).is_ok_and(|host| Target::parse(host, Some(HTTP_PORT)).is_ok()),
    };
    if is_valid { Ok(()) } else { Err(Answer::BadRequest) }
}

/// Return the framing of the body (RFC 9112, section 6.3).
fn body(headers: &[Header<'_>], minor: u8) -> Result<Body, Answer> {
    match (single(headers, "content-length")?, single(headers, "transfer-encoding")?) {
        (None, None) => Ok(Body::none()),
        (Some(length), None) => {
            let digits =
                std::str::from_utf8(length).ok().filter(|text| text.bytes().all(|digit| digit.is_ascii_digit()));
            digits.and_then(|digits| digits.parse().ok()).map(Body::of_length).ok_or(Answer::BadRequest)
        }
        (None, Some(coding)) if coding.eq_ignore_ascii_case(b"chunked") && minor == 1 => Ok(Body::chunked()),
        _ => Err(Answer::BadRequest),
    }
}

/// Return the headers that the client declares to be for this hop alone.
fn declared<'h>(headers: &'h [Header<'_>]) -> Result<Vec<&'h str>, Answer> {
    let mut names = Vec::new();
    for value in values(headers, "connection") {
        let text = std::str::from_utf8(value).map_err(|_| Answer::BadRequest)?;
        for name in text.split(',').map(str::trim) {
            if NEVER_HOP_BY_HOP.iter().any(|never| name.eq_ignore_ascii_case(never)) {
                return Err(Answer::BadRequest);
            }
            names.push(name);
        }
    }
    Ok(names)
}

fn verify_authorization(headers: &[Header<'_>], expected: Option<&Authorization>) -> Result<(), Answer> {
    let given = single(headers, "proxy-authorization")?;
    let is_authorized = expected.is_none_or(|expected| given.is_some_and(|given| expected.is(given)));
    if is_authorized { Ok(()) } else { Err(Answer::AuthenticationRequired) }
}

fn connect(uri: &str) -> Result<Request, Answer> {
    Target::parse(uri, None).map(Request::Connect).map_err(|_| Answer::BadRequest)
}

/// Split an absolute URI into its target and the path to ask it for.
fn split_uri(uri: &str, method: &str) -> Result<(Target, String), Answer> {
    let (scheme, rest) = uri.split_at_checked(7).ok_or(Answer::BadRequest)?;
    if !scheme.eq_ignore_ascii_case("http://") || !uri.bytes().all(|octet| octet.is_ascii_graphic() && octet != b'#') {
        return Err(Answer::BadRequest);
    }
    let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    let target = Target::parse(authority, Some(HTTP_PORT)).map_err(|_| Answer::BadRequest)?;
    let path = match path {
        "" if method == "OPTIONS" => "*".to_owned(),
        path if path.starts_with('/') => path.to_owned(),
        query => format!("/{query}"),
    };
    Ok((target, path))
}

/// Return the host and, unless it is the usual one, the port.
fn authority(target: &Target) -> String {
    let Target { host, port } = target;
    if *port == HTTP_PORT { Host::to_string(host) } else { target.to_string() }
}

#[cfg(test)]
mod tests;
