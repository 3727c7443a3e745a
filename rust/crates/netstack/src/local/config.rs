//! The configuration of the listeners on the host.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use crate::target::Target;

/// Where a listener listens.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Listen {
    /// A port of the host.
    Tcp(SocketAddr),
    /// A Unix socket, with mode 0660.
    Unix(PathBuf),
}

/// What a proxy speaks with its clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// SOCKS5.
    Socks5,
    /// HTTP.
    Http,
    /// Either; the first octet of a client tells which.
    Mixed,
}

/// The user and password that clients of a proxy must send.
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    /// The user, of at most 255 bytes and without a colon.
    pub user: String,
    /// The password, of at most 255 bytes.
    pub password: Vec<u8>,
}

/// A proxy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proxy {
    /// What it speaks.
    pub protocol: Protocol,
    /// What its clients must send.
    pub login: Option<Login>,
    /// Whether this host dials the addresses that no peer has; without it they are refused.
    pub is_direct: bool,
}

/// What the clients of a listener get.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Service {
    /// A proxy.
    Proxy(Proxy),
    /// A stream to this target behind a peer.
    Forward(Target),
}

/// A listener on the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    /// Where it listens.
    pub listen: Listen,
    /// What its clients get.
    pub service: Service,
}

impl Service {
    /// Return whether only who knows a password can use it.
    pub(crate) fn is_protected(&self) -> bool {
        matches!(self, Self::Proxy(Proxy { login: Some(_), .. }))
    }

    /// Return whether this host dials the addresses that no peer has.
    pub(crate) fn is_direct(&self) -> bool {
        matches!(self, Self::Proxy(Proxy { is_direct: true, .. }))
    }
}

impl fmt::Debug for Login {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Login").finish_non_exhaustive()
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => write!(out, "{address}"),
            Self::Unix(path) => write!(out, "{}", path.display()),
        }
    }
}

impl fmt::Display for Service {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Proxy(Proxy { protocol: Protocol::Socks5, .. }) => out.write_str("socks5"),
            Self::Proxy(Proxy { protocol: Protocol::Http, .. }) => out.write_str("http"),
            Self::Proxy(Proxy { protocol: Protocol::Mixed, .. }) => out.write_str("mixed"),
            Self::Forward(_) => out.write_str("forward"),
        }
    }
}
