//! Log records of the events of the device and its socket.

use device::events::{EndReason, Event};
use device::uapi::Notice;

/// The severity of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    /// Detail for debugging.
    Debug,
    /// A change of state.
    Info,
    /// A problem that does not stop the interface.
    Warning,
    /// A problem that needs action.
    Error,
}

impl Level {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// One line of the log.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) level: Level,
    pub(crate) event: &'static str,
    pub(crate) fields: Vec<(&'static str, String)>,
}

impl Record {
    pub(crate) fn new(level: Level, event: &'static str) -> Self {
        Self { level, event, fields: Vec::new() }
    }

    pub(crate) fn with(mut self, name: &'static str, value: impl ToString) -> Self {
        self.fields.push((name, value.to_string()));
        self
    }
}

impl From<&Event> for Record {
    fn from(event: &Event) -> Self {
        match event {
            Event::LinkUp => Self::new(Level::Info, "link.up"),
            Event::LinkDown => Self::new(Level::Info, "link.down"),
            Event::PortBound { port } => Self::new(Level::Info, "port.bound").with("port", port),
            Event::PortBindFailed { port, reason } => {
                Self::new(Level::Error, "port.bind_failed").with("port", port).with("reason", reason)
            }
            Event::OffloadDisabled { name, reason } => {
                Self::new(Level::Warning, "offload.disabled").with("offload", name).with("reason", reason)
            }
            Event::HandshakeCompleted { peer } => Self::new(Level::Debug, "handshake.completed").with("peer", peer),
            Event::HandshakeTimedOut { peer } => Self::new(Level::Info, "handshake.timed_out").with("peer", peer),
            Event::EndpointChanged { peer, from, to } => {
                let moved = Self::new(Level::Info, "endpoint.changed").with("peer", peer);
                from.iter().fold(moved, |moved, from| moved.with("from", from)).with("to", to)
            }
            Event::PathMtuChanged { peer, mtu } => {
                let mtu = mtu.map_or_else(|| "unknown".into(), |mtu| mtu.to_string());
                Self::new(Level::Info, "path_mtu.changed").with("peer", peer).with("mtu", mtu)
            }
            Event::Ended { reason } => {
                let level = if matches!(reason, EndReason::Failed(_)) { Level::Error } else { Level::Info };
                Self::new(level, "interface.stopped").with("reason", reason)
            }
        }
    }
}

impl From<&Notice> for Record {
    fn from(notice: &Notice) -> Self {
        match notice {
            Notice::Refused(reason) => Self::new(Level::Warning, "request.rejected").with("reason", reason),
            Notice::Accept(error) => Self::new(Level::Warning, "accept.failed").with("reason", error),
            Notice::SocketGone => Self::new(Level::Info, "socket.removed"),
        }
    }
}
