//! What the kernel refused, and what was asked of it.

use std::io;

/// `errno` of "no such device", "operation not permitted": the two that get a sentence of their own.
const ENODEV: i32 = 19;
const EPERM: i32 = 1;

/// Why something was not done to this host, or not told of it.
#[derive(Debug, thiserror::Error)]
pub enum NetError {
    /// There is no such link in this network namespace.
    #[error("no such link {link}")]
    NoSuchLink {
        /// The name in quotation marks, or the number.
        link: String,
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
            Self::NotPermitted { .. } => Some(EPERM),
            Self::Refused { source, .. } => source.raw_os_error(),
        }
    }
}

impl Refusal {
    pub(crate) fn is_no_device(&self) -> bool {
        self.source.raw_os_error() == Some(ENODEV)
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
