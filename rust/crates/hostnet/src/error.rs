//! Errors of the kernel, with the operation that failed.

use std::io;

/// The `errno` values that are mapped to errors of their own.
const EPERM: i32 = 1;
pub(crate) const ENOENT: i32 = 2;
pub(crate) const EEXIST: i32 = 17;
const ENODEV: i32 = 19;
pub(crate) const EINVAL: i32 = 22;
pub(crate) const EPROTONOSUPPORT: i32 = 93;
pub(crate) const EOPNOTSUPP: i32 = 95;
pub(crate) const EAFNOSUPPORT: i32 = 97;
/// Notifications were lost, as they arrived faster than they were read.
pub(crate) const ENOBUFS: i32 = 105;

/// Why an operation on the host's network failed.
#[derive(Debug, thiserror::Error)]
pub enum NetError {
    /// There is no such link in this network namespace.
    #[error("no such link {link}")]
    NoSuchLink {
        /// The quoted name, or the number.
        link: String,
    },
    /// A link of that name exists already.
    #[error("link {link} already exists")]
    LinkExists {
        /// The quoted name.
        link: String,
    },
    /// The operation needs a link of the kernel's WireGuard.
    #[error("link {link} is not a kernel WireGuard interface")]
    NotWireGuard {
        /// The quoted name.
        link: String,
    },
    /// The kernel was built without WireGuard, or its module is not available.
    #[error("this kernel has no WireGuard: unknown link type")]
    NoWireGuard,
    /// The kernel has no nf_tables, or lacks a part of it.
    #[error("{operation}: not supported by this kernel's nf_tables: {source}")]
    NoNftables {
        /// The operation.
        operation: String,
        /// The error of the kernel.
        source: io::Error,
    },
    /// The process lacks the privilege.
    #[error("{operation}: not permitted: needs CAP_NET_ADMIN")]
    NotPermitted {
        /// The operation.
        operation: String,
    },
    /// Any other error of the kernel.
    #[error("{operation}: {source}{}", bracketed(explanation.as_deref()))]
    Refused {
        /// The operation.
        operation: String,
        /// The error.
        source: io::Error,
        /// The kernel's explanation, if there is one (NLMSGERR_ATTR_MSG).
        explanation: Option<String>,
    },
}

/// An error before its operation is known.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) source: io::Error,
    pub(crate) explanation: Option<String>,
}

impl NetError {
    /// Return the kernel's error number.
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

    /// Add the operation that failed.
    pub(crate) fn to(self, operation: String) -> NetError {
        match self.source.raw_os_error() {
            Some(EPERM) => NetError::NotPermitted { operation },
            _ => NetError::Refused { operation, source: self.source, explanation: self.explanation },
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
