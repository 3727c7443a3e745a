//! The listening socket of one interface.
//!
//! A socket file outlives its process, so an existing file is tested by connecting to it: a live server is an error,
//! and a stale file is replaced. Two processes that replace the same stale file at the same moment cannot be told
//! apart; the later one owns the path, and the earlier one detects by [`Listener::owns_path`] that it has lost it.

use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, listen, socket_with};

use super::directory::{PathError, SocketState, socket_path};

/// Connections that wait to be accepted; the usual limit of the system (net.core.somaxconn).
const BACKLOG: i32 = 4096;

/// How often a stale file is replaced before another process is assumed to be replacing it too.
const ATTEMPTS: usize = 8;

/// Why listening failed.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// The name or directory allows no socket.
    #[error(transparent)]
    Path(#[from] PathError),
    /// A live server has the path.
    #[error("{ifname}: another process serves {path}")]
    Taken {
        /// The interface.
        ifname: String,
        /// The path.
        path: PathBuf,
    },
    /// The file at the path is not a socket, and is not removed.
    #[error("{0} exists and is not a socket; remove it")]
    NotASocket(PathBuf),
    /// A system call failed.
    #[error("{path}: {source}")]
    System {
        /// The directory or the socket.
        path: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
    /// An inherited descriptor that is not a listening socket with a path.
    #[error("the inherited descriptor is not a listening Unix socket with a path: {0}")]
    Inherited(io::Error),
}

/// Device and inode of a file.
type FileId = (u64, u64);

/// A listening socket and its file. Dropping it leaves the file; see [`Listener::unlink`].
#[derive(Debug)]
pub struct Listener {
    socket: UnixListener,
    path: PathBuf,
    file: FileId,
}

impl Listener {
    /// Listen on `directory/IFNAME.sock`. A missing directory is created with mode 0755; the socket has mode 0600.
    ///
    /// # Errors
    /// [`ListenError`]; nothing that was created is left.
    pub fn open(directory: &Path, ifname: &str) -> Result<Self, ListenError> {
        let path = socket_path(directory, ifname)?;
        make_directory(directory)?;
        for _ in 0..ATTEMPTS {
            clear(&path, ifname)?;
            match Self::bind(&path) {
                Ok(listener) if listener.owns_path() => return Ok(listener),
                // Removed by a process that considered it stale before it listened (wg does that too), or bound by one.
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
                Err(source) => return Err(ListenError::System { path, source }),
            }
        }
        Err(ListenError::Taken { ifname: ifname.to_owned(), path })
    }

    /// Take over a socket that another process created with [`Listener::open`]; its address gives the path.
    ///
    /// # Errors
    /// [`ListenError::Inherited`] for other descriptors, [`ListenError::System`] when the file is gone.
    pub fn inherit(descriptor: OwnedFd) -> Result<Self, ListenError> {
        let inherited = |errno: Errno| ListenError::Inherited(errno.into());
        if !rustix::net::sockopt::socket_acceptconn(&descriptor).map_err(inherited)? {
            return Err(inherited(Errno::INVAL));
        }
        let socket = UnixListener::from(descriptor);
        let address = socket.local_addr().map_err(ListenError::Inherited)?;
        let path = address.as_pathname().ok_or(inherited(Errno::AFNOSUPPORT))?.to_owned();
        Self::of(socket, path.clone()).map_err(|source| ListenError::System { path, source })
    }

    /// Every connect fails between bind and listen, so the mode is set before a client can connect. A umask would set
    /// it in one step, but for all threads of the process.
    fn bind(path: &Path) -> io::Result<Self> {
        let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
        bind(&socket, &SocketAddrUnix::new(path)?)?;
        let prepared = fs::set_permissions(path, Permissions::from_mode(0o600))
            .and_then(|()| Ok(listen(&socket, BACKLOG)?))
            .and_then(|()| Self::of(socket.into(), path.to_owned()));
        if prepared.is_err() {
            // The first error matters; a file that cannot be removed is found stale by the next server.
            let _ = fs::remove_file(path);
        }
        prepared
    }

    fn of(socket: UnixListener, path: PathBuf) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        let file = file_id(&path)?;
        Ok(Self { socket, path, file })
    }

    /// Listen again at the same path after its file was removed.
    ///
    /// # Errors
    /// Those of [`Listener::open`].
    pub(super) fn reopen(&self) -> Result<Self, ListenError> {
        let ifname = self.path.file_stem().and_then(|name| name.to_str()).unwrap_or_default();
        Self::open(self.path.parent().unwrap_or(Path::new("/")), ifname)
    }

    /// Return the path of the socket.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Return whether the path still names this socket.
    #[must_use]
    pub fn owns_path(&self) -> bool {
        file_id(&self.path).is_ok_and(|file| file == self.file)
    }

    /// Remove the file if it still belongs to this socket.
    ///
    /// # Errors
    /// Those of unlink(2), except that the file is gone.
    pub fn unlink(&self) -> io::Result<()> {
        if !self.owns_path() {
            return Ok(());
        }
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other,
        }
    }

    pub(super) fn socket(&self) -> &UnixListener {
        &self.socket
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

fn file_id(path: &Path) -> io::Result<FileId> {
    fs::symlink_metadata(path).map(|file| (file.dev(), file.ino()))
}

/// Create the directory with mode 0755 regardless of the umask, so that `wg` of another user gets EACCES for the
/// socket.
fn make_directory(directory: &Path) -> Result<(), ListenError> {
    if directory.is_dir() {
        return Ok(());
    }
    DirBuilder::new()
        .recursive(true)
        .mode(0o755)
        .create(directory)
        .and_then(|()| fs::set_permissions(directory, Permissions::from_mode(0o755)))
        .map_err(|source| ListenError::System { path: directory.to_owned(), source })
}

/// Remove a stale file at the path, or return an error if a server uses it.
fn clear(path: &Path, ifname: &str) -> Result<(), ListenError> {
    let system = |source| ListenError::System { path: path.to_owned(), source };
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(source) => return Err(system(source)),
        Ok(file) if !file.file_type().is_socket() => return Err(ListenError::NotASocket(path.to_owned())),
        Ok(_) => {}
    }
    match SocketState::of(path) {
        SocketState::Live => Err(ListenError::Taken { ifname: ifname.to_owned(), path: path.to_owned() }),
        SocketState::Unknown(errno) => Err(system(errno.into())),
        SocketState::Absent => Ok(()),
        SocketState::Stale => match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(system(error)),
            _ => Ok(()),
        },
    }
}
