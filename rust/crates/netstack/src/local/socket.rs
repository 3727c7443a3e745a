//! The sockets of listeners on the host.
//!
//! The file of a Unix socket outlives its process: one that nobody serves is replaced, and one that is served is left.

use std::fs::{self, Permissions};
use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Mode, OFlags, fchmod, openat};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, accept_with, bind, connect, getsockname, listen,
    socket_with, sockopt,
};

use super::config::Listen;

/// Connections that wait to be accepted.
const BACKLOG: i32 = 1024;
const FLAGS: SocketFlags = SocketFlags::CLOEXEC.union(SocketFlags::NONBLOCK);
/// Who may use a Unix socket: its owner and its group.
const MODE: u32 = 0o660;

/// Why a listener does not listen.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenError {
    #[error("would let everyone on {0} use the tunnel: expected a loopback address, or a user and a password")]
    Unprotected(IpAddr),
    #[error("the address is in use")]
    InUse,
    #[error("the file exists and is not a socket; remove it")]
    NotASocket,
    #[error("{}", io::Error::from(*.0))]
    System(Errno),
}

impl From<Errno> for OpenError {
    fn from(errno: Errno) -> Self {
        if errno == Errno::ADDRINUSE { Self::InUse } else { Self::System(errno) }
    }
}

impl From<io::Error> for OpenError {
    fn from(error: io::Error) -> Self {
        Errno::from_io_error(&error).unwrap_or(Errno::IO).into()
    }
}

/// A listening socket. Dropping it removes the file that it made.
#[derive(Debug)]
pub(crate) struct Socket {
    fd: OwnedFd,
    /// Where it listens, with the port that the system chose.
    pub(crate) address: Listen,
    file: Option<SocketFile>,
}

/// The file of a Unix socket: its path, device and inode.
#[derive(Debug)]
struct SocketFile {
    path: PathBuf,
    id: (u64, u64),
}

impl Socket {
    /// Listen. An address that other hosts reach takes a service that is protected.
    ///
    /// # Errors
    /// [`OpenError`]; nothing that was made is left.
    pub(crate) fn open(at: &Listen, is_protected: bool) -> Result<Self, OpenError> {
        match at {
            Listen::Tcp(address) if !address.ip().is_loopback() && !is_protected => {
                Err(OpenError::Unprotected(address.ip()))
            }
            Listen::Tcp(address) => {
                let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
                let fd = socket_with(family, SocketType::STREAM, FLAGS, None)?;
                sockopt::set_socket_reuseaddr(&fd, true)?;
                if address.is_ipv6() {
                    sockopt::set_ipv6_v6only(&fd, true)?;
                }
                bind(&fd, address)?;
                listen(&fd, BACKLOG)?;
                let address = getsockname(&fd)?.try_into()?;
                Ok(Self { fd, address: Listen::Tcp(address), file: None })
            }
            Listen::Unix(path) => {
                remove_stale(path)?;
                let fd = socket_with(AddressFamily::UNIX, SocketType::STREAM, FLAGS, None)?;
                // The file gets the mode of the socket, less what the umask takes: at no time more than the final one.
                fchmod(&fd, Mode::from_raw_mode(MODE))?;
                bind(&fd, &SocketAddrUnix::new(path)?)?;
                let file = SocketFile::of(path)?;
                listen(&fd, BACKLOG)?;
                Ok(Self { fd, address: at.clone(), file: Some(file) })
            }
        }
    }

    /// Accept a client, whose descriptor never waits.
    pub(crate) fn accept(&self) -> Result<OwnedFd, Errno> {
        let client = accept_with(&self.fd, FLAGS)?;
        if self.file.is_none() {
            sockopt::set_tcp_nodelay(&client, true)?;
        }
        Ok(client)
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl SocketFile {
    /// Set the mode of the file that was just made, and remember which one it is. A link in its place is not followed.
    fn of(path: &Path) -> Result<Self, OpenError> {
        let file = fs::File::from(openat(CWD, path, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())?);
        let metadata = file.metadata()?;
        let made = Self { path: path.to_owned(), id: (metadata.dev(), metadata.ino()) };
        if !metadata.file_type().is_socket() {
            return Err(OpenError::NotASocket);
        }
        fs::set_permissions(format!("/proc/self/fd/{}", file.as_raw_fd()), Permissions::from_mode(MODE))?;
        Ok(made)
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let is_own = fs::symlink_metadata(&self.path).is_ok_and(|file| (file.dev(), file.ino()) == self.id);
        if is_own {
            // One that cannot be removed is found stale by the next process.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Remove the file of a socket that nobody serves.
fn remove_stale(path: &Path) -> Result<(), OpenError> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error.into()),
        Ok(file) if !file.file_type().is_socket() => return Err(OpenError::NotASocket),
        Ok(_) => {}
    }
    let probe = socket_with(AddressFamily::UNIX, SocketType::STREAM, FLAGS, None)?;
    match connect(&probe, &SocketAddrUnix::new(path)?) {
        Err(Errno::CONNREFUSED) => Ok(fs::remove_file(path)?),
        Err(Errno::NOENT) => Ok(()),
        Ok(()) | Err(Errno::AGAIN) => Err(OpenError::InUse),
        Err(errno) => Err(errno.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn directory(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("warren-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        path
    }

    #[test]
    fn a_unix_socket_is_for_its_owner_and_group_and_goes_with_its_listener() {
        let path = directory("mode").join("proxy.sock");
        let socket = Socket::open(&Listen::Unix(path.clone()), false).unwrap();
        assert_eq!(fs::symlink_metadata(&path).unwrap().mode() & 0o777, 0o660);
        assert!(matches!(Socket::open(&Listen::Unix(path.clone()), false), Err(OpenError::InUse)));
        drop(socket);
        assert!(!path.exists());
    }

    #[test]
    fn a_stale_socket_is_replaced_and_another_file_is_left() {
        let directory = directory("stale");
        let (stale, file) = (directory.join("stale.sock"), directory.join("file"));
        drop(std::os::unix::net::UnixListener::bind(&stale).unwrap());
        fs::write(&file, "kept").unwrap();
        Socket::open(&Listen::Unix(stale), false).unwrap();
        assert!(matches!(Socket::open(&Listen::Unix(file.clone()), false), Err(OpenError::NotASocket)));
        assert_eq!(fs::read_to_string(&file).unwrap(), "kept");
    }

    #[test]
    fn an_address_that_others_reach_takes_a_password() {
        let any = Listen::Tcp("0.0.0.0:0".parse().unwrap());
        assert!(matches!(Socket::open(&any, false), Err(OpenError::Unprotected(_))));
        assert!(Socket::open(&any, true).is_ok());
        assert!(Socket::open(&Listen::Tcp("[::1]:0".parse().unwrap()), false).is_ok());
    }
}
