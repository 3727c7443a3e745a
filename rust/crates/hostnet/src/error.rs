//! What the kernel refused, and what was asked of it.

use std::io;

/// Those `errno` that get a sentence of their own, at least somewhere.
const EPERM: i32 = 1;
pub(crate) const ENOENT: i32 = 2;
pub(crate) const EEXIST: i32 = 17;
const ENODEV: i32 = 19;
pub(crate) const EINVAL: i32 = 22;
pub(crate) const EPROTONOSUPPORT: i32 = 93;
pub(crate) const EOPNOTSUPP: i32 = 95;
pub(crate) const EAFNOSUPPORT: i32 = 97;

/// Why something was not done to this host, or not told of it.
#[derive(Debug, thiserror::Error)]
pub enum NetError {
    /// There is no such link in this network namespace.
    #[error("no such link {link}")]
    NoSuchLink {
        /// The name in quotation marks, or the number.
        link: String,
    },
    /// A link is to be made, and there is one of that name.
    #[error("link {link} already exists")]
    LinkExists {
        /// The name in quotation marks.
        link: String,
    },
    /// What only a link of the kernel's own WireGuard can do is asked of another.
    #[error("link {link} is not a kernel WireGuard interface")]
    NotWireGuard {
        /// The name in quotation marks.
        link: String,
    },
    /// The kernel was built without WireGuard, or its module is not to be had.
    #[error("this kernel has no WireGuard: unknown link type")]
    NoWireGuard,
    /// The kernel has no nf_tables, or lacks a part of it.
    #[error("{doing}: not supported by this kernel's nf_tables: {source}")]
    NoNftables {
        /// What was asked.
        doing: String,
        /// What it said.
        source: io::Error,
    },
    /// The process may not do it.
    #[error("{doing}: not permitted: needs CAP_NET_ADMIN")]
    NotPermitted {
        /// What was asked.
        doing: String,
    },
    /// Anything else the kernel said.
    #[error("{doing}: {source}{}", bracketed(explanation.as_deref()))]
    Refused {
        /// What was asked.
        doing: String,
        /// What it said.
        source: io::Error,
        /// And why, in its own words, where it gave any (NLMSGERR_ATTR_MSG).
        explanation: Option<String>,
    },
}

/// A refusal before it is known what for.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) source: io::Error,
    pub(crate) explanation: Option<String>,
}

impl NetError {
    /// The kernel's number for it.
    #[must_use]
    pub fn errno(&self) -> Option<i32> {
        match self {
            Self::NoSuchLink { .. } => Some(ENODEV),
            Self::LinkExists { .. } => Some(EEXIST),
            Self::NotWireGuard { .. } | Self::NoWireGuard => Some(EOPNOTSUPP),
            Self::NotPermitted { .. } => Some(EPERM),
            Self::NoNftables { source, .. } | Self::Refused { source, .. } => source.raw_os_error(),
        }
    }
}

impl Refusal {
    pub(crate) fn is(&self, errno: i32) -> bool {
        self.source.raw_os_error() == Some(errno)
    }

    pub(crate) fn is_no_device(&self) -> bool {
        self.is(ENODEV)
    }

    /// Names what was refused.
    pub(crate) fn to(self, doing: String) -> NetError {
        match self.source.raw_os_error() {
            Some(EPERM) => NetError::NotPermitted { doing },
            _ => NetError::Refused { doing, source: self.source, explanation: self.explanation },
        }
    }
}

impl From<io::Error> for Refusal {
    fn from(source: io::Error) -> Self {
        Self { source, explanation: None }
    }
}

fn bracketed(explanation: Option<&str>) -> String {
    explanation.map(|text| format!(" ({text})")).unwrap_or_default()
}
