//! The location of the sockets: `DIRECTORY/IFNAME.sock`.

use std::fs;
use std::io;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};

/// Where `wg` looks for sockets.
pub const DEFAULT_DIRECTORY: &str = "/var/run/wireguard";

const SUFFIX: &str = ".sock";

/// Size of an interface name: IFNAMSIZ without its terminating zero.
const MAX_NAME_BYTES: usize = 15;

/// Size of a Unix socket path: `sun_path` of unix(7) without its terminating zero.
const MAX_PATH_BYTES: usize = 107;

/// A name or directory that allows no socket.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// The kernel does not accept the name for a link either.
    #[error(
        "invalid interface name {0:?}: expected 1 to {MAX_NAME_BYTES} octets without '/', ':' or white space, and not '.' or '..'"
    )]
    Name(String),
    /// Longer than `sun_path`.
    #[error(
        "{path}: the path has {length} octets, and a Unix socket path at most {MAX_PATH_BYTES}; use a shorter directory"
    )]
    TooLong {
        /// The path.
        path: PathBuf,
        /// Its octets.
        length: usize,
    },
}

/// Return the path of an interface's socket.
///
/// # Errors
/// [`PathError`].
pub fn socket_path(directory: &Path, ifname: &str) -> Result<PathBuf, PathError> {
    if !is_interface_name(ifname) {
        return Err(PathError::Name(ifname.to_owned()));
    }
    let path = directory.join(format!("{ifname}{SUFFIX}"));
    let length = path.as_os_str().len();
    if length > MAX_PATH_BYTES { Err(PathError::TooLong { path, length }) } else { Ok(path) }
}

/// Return the interfaces with a live server in `directory`, sorted. A missing directory has none.
///
/// # Errors
/// Those of reading the directory.
pub fn interfaces(directory: &Path) -> io::Result<Vec<String>> {
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other?,
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name().to_str().and_then(|name| name.strip_suffix(SUFFIX)).map(str::to_owned);
        names
            .extend(name.filter(|name| is_interface_name(name) && SocketState::of(&entry.path()) == SocketState::Live));
    }
    names.sort();
    Ok(names)
}

/// Apply the rule of the kernel's `dev_valid_name`.
fn is_interface_name(name: &str) -> bool {
    let forbidden = |octet: u8| octet == b'/' || octet == b':' || octet == b'\x0b' || octet.is_ascii_whitespace();
    (1..=MAX_NAME_BYTES).contains(&name.len()) && name != "." && name != ".." && !name.bytes().any(forbidden)
}

/// The state of the socket at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SocketState {
    /// A process accepts connections.
    Live,
    /// The socket file of a process that has ended.
    Stale,
    /// There is no file.
    Absent,
    /// It could not be determined.
    Unknown(Errno),
}

impl SocketState {
    /// Test by connecting, without waiting: a server with a full queue is live.
    pub(super) fn of(path: &Path) -> Self {
        match try_connect(path) {
            Ok(_) | Err(Errno::AGAIN) => Self::Live,
            Err(Errno::CONNREFUSED) => Self::Stale,
            Err(Errno::NOENT) => Self::Absent,
            Err(errno) => Self::Unknown(errno),
        }
    }
}

fn try_connect(path: &Path) -> rustix::io::Result<UnixStream> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    connect(&socket, &SocketAddrUnix::new(path)?)?;
    Ok(socket.into())
}
