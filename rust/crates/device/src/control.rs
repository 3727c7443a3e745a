//! What the UAPI socket and the Python binding may ask of a running device.

use std::io;
use std::sync::mpsc;

use proto::change::InterfaceChange;
use proto::status::InterfaceStatus;

/// A running device, asked from any thread. Both calls wait for the packet thread, which answers between two batches.
pub trait Control: Send + Sync {
    /// Carries out a change, whole or not at all.
    ///
    /// # Errors
    /// [`ControlError`].
    fn apply(&self, change: InterfaceChange) -> Result<(), ControlError>;

    /// The state of this moment.
    ///
    /// # Errors
    /// [`ControlError::Closed`].
    fn status(&self) -> Result<InterfaceStatus, ControlError>;
}

/// Why a device refused.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// The UDP port could not be bound; nothing was changed.
    #[error("UDP port {port}: {source}")]
    Port {
        /// The port asked for.
        port: u16,
        /// What bind(2) said.
        source: io::Error,
    },
    /// The socket option could not be set; nothing was changed.
    #[error("fwmark {fwmark:#x}: {source}")]
    Fwmark {
        /// The mark asked for.
        fwmark: u32,
        /// What setsockopt(2) said.
        source: io::Error,
    },
    /// The device has ended.
    #[error("the device is closed")]
    Closed,
}

/// What another thread asks of the packet thread. An answer that nobody waits for any more is dropped. Both values hold
/// secrets: boxed, they leave no copy behind where they were.
pub(crate) enum Request {
    Apply(Box<InterfaceChange>, mpsc::SyncSender<Result<(), ControlError>>),
    Status(mpsc::SyncSender<Box<InterfaceStatus>>),
    Close,
}
