//! One line `key=value` of a message, and its errors.

use rustix::io::Errno;

/// A malformed message: the line, the problem, and what was expected. It repeats no value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {problem}")]
pub struct ParseError {
    /// Counted from 1, which is `set=1` or `get=1` in a request and the first line of a response.
    pub line: usize,
    /// The problem.
    pub problem: Problem,
}

/// The problem of a line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// No `=`.
    #[error("expected key=value, found no '='")]
    NoEquals,
    /// Octets that are not UTF-8.
    #[error("invalid UTF-8")]
    NotText,
    /// Before the first `public_key`.
    #[error(
        "unknown interface key; expected private_key, listen_port, fwmark, replace_peers, or public_key, which starts a peer"
    )]
    InterfaceKey,
    /// After a `public_key`.
    #[error(
        "unknown peer key; expected update_only, remove, preshared_key, endpoint, persistent_keepalive_interval, replace_allowed_ips, allowed_ip or protocol_version"
    )]
    PeerKey,
    /// A known key with an invalid value.
    #[error("{key}: expected {expected}")]
    Value {
        /// The key.
        key: &'static str,
        /// The expected format.
        expected: &'static str,
    },
    /// `get=1` with more than the empty line after it.
    #[error("get=1 takes no further lines")]
    GetWithBody,
}

impl ParseError {
    /// Return the errno of wireguard-go: EPROTO for a line without `=`, EINVAL otherwise.
    #[must_use]
    pub fn errno(&self) -> i32 {
        let errno = if self.problem == Problem::NoEquals { Errno::PROTO } else { Errno::INVAL };
        errno.raw_os_error()
    }
}

/// A key and its value.
#[derive(Clone, Copy)]
pub(super) struct Line<'a> {
    pub(super) number: usize,
    pub(super) key: &'a str,
    value: &'a str,
}

impl<'a> Line<'a> {
    fn parse(number: usize, line: &'a [u8]) -> Result<Self, ParseError> {
        let error = |problem| ParseError { line: number, problem };
        let text = std::str::from_utf8(line).map_err(|_| error(Problem::NotText))?;
        let (key, value) = text.split_once('=').ok_or(error(Problem::NoEquals))?;
        Ok(Self { number, key, value })
    }

    pub(super) fn error(&self, problem: Problem) -> ParseError {
        ParseError { line: self.number, problem }
    }

    /// Parse the value as `field`.
    pub(super) fn read<T>(&self, field: &Field<T>) -> Result<T, ParseError> {
        let Field { key, expected, parse } = *field;
        parse(self.value).ok_or_else(|| self.error(Problem::Value { key, expected }))
    }

    pub(super) fn value(&self) -> &'a str {
        self.value
    }
}

/// The format of the value of one key.
pub(super) struct Field<T> {
    pub(super) key: &'static str,
    pub(super) expected: &'static str,
    pub(super) parse: fn(&str) -> Option<T>,
}

/// Split a message without its final empty line into lines; the first has the number `first`.
pub(super) fn lines(body: &[u8], first: usize) -> impl Iterator<Item = Result<Line<'_>, ParseError>> {
    let body = body.strip_suffix(b"\n").unwrap_or(body);
    let whole = (!body.is_empty()).then_some(body);
    whole
        .into_iter()
        .flat_map(|body| body.split(|octet| *octet == b'\n'))
        .enumerate()
        .map(move |(index, line)| Line::parse(first + index, line))
}
