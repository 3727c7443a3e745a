//! The requests of the UAPI socket and the Python binding to a running device.

use std::io;
use std::sync::mpsc;

use proto::change::InterfaceChange;
use proto::status::InterfaceStatus;

/// A running device, usable from any thread. Both calls wait for the packet thread, which answers between two batches.
pub trait Control: Send + Sync {
    /// Apply a change, entirely or not at all.
    ///
    /// # Errors
    /// [`ControlError`].
    fn apply(&self, change: InterfaceChange) -> Result<(), ControlError>;

    /// Return the current state.
    ///
    /// # Errors
    /// [`ControlError::Closed`].
    fn status(&self) -> Result<InterfaceStatus, ControlError>;
}

/// Why a device rejected a request.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// The UDP port could not be bound; nothing was changed.
    #[error("UDP port {port}: {source}")]
    Port {
        /// The requested port.
        port: u16,
        /// The error of bind(2).
        source: io::Error,
    },
    /// The socket option could not be set; nothing was changed.
    #[error("fwmark {fwmark:#x}: {source}")]
    Fwmark {
        /// The requested mark.
        fwmark: u32,
        /// The error of setsockopt(2).
        source: io::Error,
    },
    /// The device is closed.
    #[error("the device is closed")]
    Closed,
}

/// A request to the packet thread. An answer without a receiver is dropped. Both values hold secrets: they are boxed so
/// that a move leaves no copy behind.
pub(crate) enum Request {
    Apply(Box<InterfaceChange>, mpsc::SyncSender<Result<(), ControlError>>),
    Status(mpsc::SyncSender<Box<InterfaceStatus>>),
    Close,
}
