//! The host and port that a client of a proxy asks for.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

/// The longest host name in text, without the final dot (RFC 1035, section 2.3.4).
const MAX_NAME: usize = 253;
const MAX_LABEL: usize = 63;

/// A host, by address or by name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Host {
    /// An address.
    Address(IpAddr),
    /// A name in lower case, without a final dot.
    Name(String),
}

/// A host and a port.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Target {
    /// The host.
    pub host: Host,
    /// The port.
    pub port: u16,
}

/// A text that is neither an address nor a host name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("invalid host: expected an address, or a name of letters, digits, hyphens and dots")]
pub struct InvalidHost;

impl Host {
    /// Parse an address, without brackets, or a host name.
    ///
    /// A name whose last label is a number is refused: a resolver may take it for an address in an older notation
    /// (inet_aton(3)), such as `127.1` or `0x7f.1`.
    ///
    /// # Errors
    /// [`InvalidHost`].
    pub fn parse(text: &str) -> Result<Self, InvalidHost> {
        if let Ok(address) = text.parse() {
            return Ok(Self::Address(address));
        }
        let name = text.strip_suffix('.').unwrap_or(text);
        let last = name.rsplit('.').next().unwrap_or_default();
        let is_name = name.len() <= MAX_NAME && name.split('.').all(is_label) && !is_number(last);
        if is_name { Ok(Self::Name(name.to_ascii_lowercase())) } else { Err(InvalidHost) }
    }
}

fn is_label(label: &str) -> bool {
    // Underscores are common in names of services, though not of hosts (RFC 8552).
    let is_valid = |octet: u8| octet.is_ascii_alphanumeric() || octet == b'-' || octet == b'_';
    (1..=MAX_LABEL).contains(&label.len())
        && label.bytes().all(is_valid)
        && !label.starts_with('-')
        && !label.ends_with('-')
}

fn is_number(label: &str) -> bool {
    let hexadecimal = label.strip_prefix("0x").or_else(|| label.strip_prefix("0X"));
    label.bytes().all(|digit| digit.is_ascii_digit())
        || hexadecimal.is_some_and(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()))
}

impl Target {
    /// Parse `HOST:PORT` with the address of IPv6 in brackets; without a port `default` stands for it.
    ///
    /// # Errors
    /// [`InvalidHost`], also if there is no port and no default, or the port is 0.
    pub fn parse(text: &str, default: Option<u16>) -> Result<Self, InvalidHost> {
        let (host, port) = match text.strip_prefix('[') {
            Some(rest) => {
                let (address, port) = rest.split_once(']').ok_or(InvalidHost)?;
                let address: Ipv6Addr = address.parse().map_err(|_| InvalidHost)?;
                let port = if port.is_empty() { None } else { Some(port.strip_prefix(':').ok_or(InvalidHost)?) };
                (Host::Address(address.into()), port)
            }
            None => {
                let (host, port) = text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port)));
                (Host::parse(host)?, port)
            }
        };
        let port = port.map_or(default.ok_or(InvalidHost), |port| parse_port(port).ok_or(InvalidHost))?;
        Ok(Self { host, port })
    }
}

fn parse_port(text: &str) -> Option<u16> {
    let is_number = !text.is_empty() && text.bytes().all(|digit| digit.is_ascii_digit());
    text.parse().ok().filter(|port| is_number && *port != 0)
}

impl fmt::Display for Host {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(IpAddr::V6(address)) => write!(out, "[{address}]"),
            Self::Address(address) => write!(out, "{address}"),
            Self::Name(name) => out.write_str(name),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:{}", self.host, self.port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn addresses_and_names_are_told_apart() {
        let address = |text: &str| Ok(Host::Address(text.parse().unwrap()));
        let name = |text: &str| Ok(Host::Name(text.to_owned()));
        let (longest_label, long_name) = ("a".repeat(63), ["a"; 127].join("."));
        let cases = [
            ("192.0.2.1", address("192.0.2.1")),
            ("2001:db8::1", address("2001:db8::1")),
            ("Example.ORG", name("example.org")),
            ("example.org.", name("example.org")),
            ("_dns.resolver-1.arpa", name("_dns.resolver-1.arpa")),
            ("1.example", name("1.example")),
            ("xn--bcher-kva.example", name("xn--bcher-kva.example")),
            (&longest_label, name(&longest_label)),
            (&long_name, name(&long_name)),
        ];
        for (text, expected) in cases {
            assert_eq!(Host::parse(text), expected, "{text}");
        }
    }

    #[test]
    fn what_a_resolver_could_take_for_an_address_is_no_name() {
        let (long_label, long_name) = ("a".repeat(64), ["a"; 128].join("."));
        let refused = [
            "",
            ".",
            "a..b",
            ".a",
            "a b",
            "a/b",
            "a@b",
            "ex\u{e4}mple",
            "-a",
            "a-",
            "127.1",
            "2130706433",
            "0x7f.1",
            "0x7f000001",
            "1.2.3.4.5",
            "example.0x",
            "1.2.3.04",
            "127.0.0.1.",
            "a\0",
            "[::1]",
            "fe80::1%eth0",
            &long_label,
            &long_name,
        ]; // The last one is two bytes too long.
        for text in refused {
            assert_eq!(Host::parse(text), Err(InvalidHost), "{text:?}");
        }
    }

    #[test]
    fn a_target_has_a_port_or_the_default() {
        let read = |text, default| Target::parse(text, default).map(|target| target.to_string());
        let valid = [
            ("example.org:443", None, "example.org:443"),
            ("example.org", Some(80), "example.org:80"),
            ("example.org:8080", Some(80), "example.org:8080"),
            ("[2001:db8::1]:443", None, "[2001:db8::1]:443"),
            ("[2001:db8::1]", Some(80), "[2001:db8::1]:80"),
            ("192.0.2.1:65535", None, "192.0.2.1:65535"),
        ];
        for (text, default, expected) in valid {
            assert_eq!(read(text, default).as_deref(), Ok(expected));
        }
        for text in [
            "example.org",
            "example.org:",
            "example.org:0",
            "example.org:65536",
            "example.org:+1",
            ":443",
            "",
            "2001:db8::1",
            "2001:db8::1:443",
            "[2001:db8::1",
            "[2001:db8::1]443",
            "[192.0.2.1]:443",
            "[a]:1",
            "user@example.org:443",
            "example.org:4 4",
        ] {
            assert_eq!(Target::parse(text, None), Err(InvalidHost), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_read_prints_to_what_is_read_again(text in "\\PC{0,40}|[a-z0-9.:\\[\\]-]{0,40}") {
            if let Ok(target) = Target::parse(&text, Some(80)) {
                prop_assert_eq!(Target::parse(&target.to_string(), None), Ok(target));
            }
        }
    }
}
