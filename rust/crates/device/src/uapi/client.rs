//! A client of the server of any interface: `warren-wg`, wireguard-go, or an agent.

use std::io::{self, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use proto::change::InterfaceChange;
use proto::status::InterfaceStatus;
use rustix::io::Errno;
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};

use super::directory::{PathError, socket_path};
use super::inbox::{Inbox, ReadError};
use super::line::ParseError;
use super::zeroizing::Outbox;
use super::{format, parse};

/// Timeout of one step. 10,000 peers are loaded in a second, so a server that needs this long is stuck.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Why a request failed.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The name or directory allows no socket.
    #[error(transparent)]
    Path(#[from] PathError),
    /// No server answers.
    #[error("no userspace WireGuard serves {ifname} ({path})")]
    NotServed {
        /// The interface.
        ifname: String,
        /// Its socket.
        path: PathBuf,
    },
    /// The connection failed.
    #[error("{path}: {source}")]
    System {
        /// The socket.
        path: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
    /// The server rejected the request.
    #[error("{ifname}: request rejected: {source}")]
    Refused {
        /// The interface.
        ifname: String,
        /// The server's errno.
        source: io::Error,
    },
    /// The response is malformed.
    #[error("{ifname}: malformed response: {source}")]
    Malformed {
        /// The interface.
        ifname: String,
        /// The line and the problem.
        source: ParseError,
    },
    /// The response is incomplete.
    #[error("{ifname}: incomplete response: {reason}")]
    Incomplete {
        /// The interface.
        ifname: String,
        /// Why reading stopped.
        reason: String,
    },
}

/// Return the state of an interface.
///
/// # Errors
/// [`ClientError`].
pub fn get(directory: &Path, ifname: &str) -> Result<InterfaceStatus, ClientError> {
    let connection = Connection::open(directory, ifname)?;
    let mut inbox = connection.send_request(|out| out.write_all(b"get=1\n"))?;
    let body = connection.read_response(&mut inbox)?;
    parse::status(body).map_err(|source| ClientError::Malformed { ifname: ifname.to_owned(), source })
}

/// Change an interface; Warren's server applies a change entirely or not at all.
///
/// # Errors
/// [`ClientError`].
pub fn set(directory: &Path, ifname: &str, change: &InterfaceChange) -> Result<(), ClientError> {
    let connection = Connection::open(directory, ifname)?;
    let mut inbox = connection.send_request(|out| {
        out.write_all(b"set=1\n")?;
        format::change(change, out)
    })?;
    connection.read_response(&mut inbox).map(|_| ())
}

struct Connection<'a> {
    ifname: &'a str,
    path: PathBuf,
    stream: UnixStream,
}

type ResponseReader<'a> = Inbox<&'a UnixStream>;

impl<'a> Connection<'a> {
    fn open(directory: &Path, ifname: &'a str) -> Result<Self, ClientError> {
        let path = socket_path(directory, ifname)?;
        match connect_with_timeout(&path) {
            Ok(stream) => Ok(Self { ifname, path, stream }),
            Err(Errno::NOENT | Errno::CONNREFUSED) => Err(ClientError::NotServed { ifname: ifname.to_owned(), path }),
            Err(errno) => Err(ClientError::System { path, source: map_timeout(errno.into()) }),
        }
    }

    /// Send a request and its empty line.
    fn send_request<F>(&self, write: F) -> Result<ResponseReader<'_>, ClientError>
    where
        F: FnOnce(&mut Outbox<&UnixStream>) -> io::Result<()>,
    {
        let mut outbox = Outbox::new(&self.stream);
        let sent = write(&mut outbox).and_then(|()| outbox.write_all(b"\n")).and_then(|()| outbox.flush());
        match sent {
            // The server closed before all was sent: its response says why.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
            other => other.map_err(|source| self.system(source))?,
        }
        Ok(Inbox::new(&self.stream))
    }

    /// Return the body of the response if its `errno` is 0.
    fn read_response<'b>(&self, inbox: &'b mut ResponseReader<'_>) -> Result<&'b [u8], ClientError> {
        let ifname = || self.ifname.to_owned();
        let body = inbox.body().map_err(|error| match error {
            ReadError::Io(source) => self.system(source),
            other => ClientError::Incomplete { ifname: ifname(), reason: other.to_string() },
        })?;
        match parse::errno(body) {
            Ok(0) => Ok(body),
            Ok(errno) => Err(ClientError::Refused { ifname: ifname(), source: io::Error::from_raw_os_error(errno) }),
            Err(source) => Err(ClientError::Malformed { ifname: ifname(), source }),
        }
    }

    fn system(&self, source: io::Error) -> ClientError {
        ClientError::System { path: self.path.clone(), source: map_timeout(source) }
    }
}

/// Map the EAGAIN of a socket timeout to an error that names the timeout.
fn map_timeout(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::WouldBlock => {
            io::Error::new(io::ErrorKind::TimedOut, format!("no response within {} seconds", TIMEOUT.as_secs()))
        }
        _ => error,
    }
}

/// Set the timeouts before connect(2), which waits too when the server's queue is full.
fn connect_with_timeout(path: &Path) -> rustix::io::Result<UnixStream> {
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    set_socket_timeout(&socket, Timeout::Recv, Some(TIMEOUT))?;
    set_socket_timeout(&socket, Timeout::Send, Some(TIMEOUT))?;
    connect(&socket, &SocketAddrUnix::new(path)?)?;
    Ok(socket.into())
}
