//! What a server reports besides its answers.

use std::io;

/// What happened to a server; for the log.
#[derive(Debug)]
pub enum Notice {
    /// A request was answered with an error. The text holds no value of the request.
    Refused(String),
    /// Connections cannot be taken; they are tried again ten times a second, and this is told once.
    Accept(io::Error),
    /// The socket's file is no longer there or no longer ours; the server has ended, or makes another within seconds.
    SocketGone,
}

/// Receives the notices of a server, from any of its threads.
pub(super) type Observer = dyn Fn(Notice) + Send + Sync;
