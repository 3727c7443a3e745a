//! Namespaces (namespaces(7)): processes that end together, a private /tmp and /proc, no network.

use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, mkdir};
use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_bind, mount_change};
use rustix::process::{Gid, Uid};
use rustix::thread::UnshareFlags;

use crate::process;
use crate::report::{Fact, Failure, SandboxLevel};
use crate::request::SandboxRequest;

/// The working directory of the program, on a file system that is released with its last process.
pub(crate) const PRIVATE_DIRECTORY: &str = "/tmp/own";
const TMP: &str = "/tmp";
/// Other world-writable directories. They are bound to the same file system, so that one size limit holds for all.
const TMP_ALIASES: [&str; 2] = ["/var/tmp", "/dev/shm"];
/// The most files and directories in it: each takes a kibibyte of kernel memory.
const MAX_INODES: u32 = 16_384;
const MOUNT_FLAGS: MountFlags = MountFlags::NOSUID.union(MountFlags::NODEV);

/// Unshare a PID namespace for the children of this process and return whether it was possible.
pub(crate) fn unshare() -> bool {
    process::unshare(UnshareFlags::NEWPID).is_ok()
}

fn enter_mount_namespace() -> io::Result<()> {
    process::unshare(UnshareFlags::NEWNS)?;
    Ok(mount_change("/", MountPropagationFlags::PRIVATE.union(MountPropagationFlags::REC))?)
}

/// Set up the other namespaces in PID 1. What is not available is not added to `sandbox_level`.
///
/// # Errors
/// When the request excludes the network and there is no network namespace.
pub(crate) fn setup_mounts(request: &SandboxRequest, sandbox_level: &mut SandboxLevel) -> Result<(), Failure> {
    sandbox_level.add(Fact::Processes);
    if process::unshare(UnshareFlags::NEWIPC).is_ok() {
        sandbox_level.add(Fact::Ipc);
    }
    drop_network(request, sandbox_level)?;
    if enter_mount_namespace().is_ok() && mount_private_files(request).is_ok() {
        sandbox_level.add(Fact::Mounts);
    }
    Ok(())
}

/// Remove the network if the request excludes it.
///
/// # Errors
/// When there is no network namespace.
pub(crate) fn drop_network(request: &SandboxRequest, sandbox_level: &mut SandboxLevel) -> Result<(), Failure> {
    if !request.network {
        process::unshare(UnshareFlags::NEWNET)
            .map_err(|errno| Failure::of("network", "cannot create a network namespace on this host", errno))?;
        sandbox_level.add(Fact::NoNetwork);
    }
    Ok(())
}

/// Return the directories that the program may write if `setup_mounts` has added `Mounts`.
pub(crate) fn writable_mounts() -> Vec<PathBuf> {
    TMP_ALIASES.iter().copied().chain([TMP]).map(PathBuf::from).filter(|path| path.is_dir()).collect()
}

fn mount_private_files(request: &SandboxRequest) -> io::Result<()> {
    let options = format!("mode=1777,size={},nr_inodes={MAX_INODES}", request.limits.file_bytes);
    let options = std::ffi::CString::new(options)?;
    mount("proc", "/proc", "proc", MOUNT_FLAGS.union(MountFlags::NOEXEC), None)?;
    mount("tmpfs", TMP, "tmpfs", MOUNT_FLAGS, Some(options.as_c_str()))?;
    for other in TMP_ALIASES {
        if Path::new(other).is_dir() {
            mount_bind(TMP, other)?;
        }
    }
    make_directory(Path::new(PRIVATE_DIRECTORY), request)
}

/// Create the program's directory, which no other user may enter.
///
/// # Errors
/// Those of mkdir(2) and chown(2), including `AlreadyExists`.
pub(crate) fn make_directory(path: &Path, request: &SandboxRequest) -> io::Result<()> {
    mkdir(path, Mode::RWXU)?;
    let user = &request.user;
    Ok(rustix::fs::chown(path, Some(Uid::from_raw(user.uid)), Some(Gid::from_raw(user.gid)))?)
}
