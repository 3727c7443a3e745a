//! What a server reports besides its responses.

use std::io;

/// An event of a server, for the log.
#[derive(Debug)]
pub enum Notice {
    /// A request was answered with an error. The text holds no value of the request.
    Refused(String),
    /// Connections cannot be accepted; this is retried ten times a second and reported once.
    Accept(io::Error),
    /// The socket's file was removed or replaced; the server has ended, or creates another within seconds.
    SocketGone,
}

/// Receives the notices of a server, from any of its threads.
pub(super) type Observer = dyn Fn(Notice) + Send + Sync;
