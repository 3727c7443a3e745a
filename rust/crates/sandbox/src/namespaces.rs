//! Namespaces (namespaces(7)): processes that end together, a /tmp and a /proc of the program's own, no network.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, mkdir};
use rustix::io::Errno;
use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_bind, mount_change};
use rustix::process::{Gid, Uid, WaitOptions, waitpid};
use rustix::thread::UnshareFlags;

use crate::process;
use crate::report::{Fact, Failure, SandboxLevel};
use crate::request::SandboxRequest;

/// Where the program works: a directory of a file system that goes when its last process has gone.
pub(crate) const PRIVATE_DIRECTORY: &str = "/tmp/own";
const TMP: &str = "/tmp";
/// Where else everybody may write. They become the same file system, so that one bound holds for all of it.
const TMP_ALIASES: [&str; 2] = ["/var/tmp", "/dev/shm"];
/// Files and directories there, together: each takes a kibibyte of the kernel's memory.
const MAX_INODES: u32 = 16_384;
const MOUNT_FLAGS: MountFlags = MountFlags::NOSUID.union(MountFlags::NODEV);

/// The children of this process are first and others in a namespace of processes. Whether that could be had: root needs
/// the right to, others a user namespace.
pub(crate) fn unshare() -> bool {
    if rustix::process::geteuid().is_root() {
        return process::unshare(UnshareFlags::NEWPID).is_ok();
    }
    can_unshare_unprivileged() && enter_user_namespace().is_ok() && process::unshare(UnshareFlags::NEWPID).is_ok()
}

/// Tried in a child first: some systems allow the namespace and then nothing in it, and there is no way back out.
fn can_unshare_unprivileged() -> bool {
    match process::fork() {
        Ok(None) => process::exit(i32::from(
            enter_user_namespace().and_then(|()| enter_mount_namespace(UnshareFlags::NEWPID)).is_err(),
        )),
        Ok(Some(child)) => loop {
            match waitpid(Some(child), WaitOptions::empty()) {
                Ok(Some((_, status))) => return status.exit_status() == Some(0),
                Err(Errno::INTR) => {}
                _ => return false,
            }
        },
        Err(_) => false,
    }
}

fn enter_user_namespace() -> io::Result<()> {
    let (uid, gid) = (rustix::process::geteuid(), rustix::process::getegid());
    process::unshare(UnshareFlags::NEWUSER)?;
    fs::write("/proc/self/setgroups", "deny")?;
    fs::write("/proc/self/uid_map", format!("{0} {0} 1", uid.as_raw()))?;
    fs::write("/proc/self/gid_map", format!("{0} {0} 1", gid.as_raw()))
}

fn enter_mount_namespace(others: UnshareFlags) -> io::Result<()> {
    process::unshare(UnshareFlags::NEWNS.union(others))?;
    Ok(mount_change("/", MountPropagationFlags::PRIVATE.union(MountPropagationFlags::REC))?)
}

/// The rest, for the init process of the namespace. What cannot be had is not added to `level_reached`.
///
/// # Errors
/// When the order is for no network, and that cannot be had.
pub(crate) fn setup_mounts(request: &SandboxRequest, level_reached: &mut SandboxLevel) -> Result<(), Failure> {
    level_reached.add(Fact::Processes);
    if process::unshare(UnshareFlags::NEWIPC).is_ok() {
        level_reached.add(Fact::Ipc);
    }
    drop_network(request, level_reached)?;
    if enter_mount_namespace(UnshareFlags::empty()).is_ok() && mount_private_files(request).is_ok() {
        level_reached.add(Fact::Mounts);
    }
    Ok(())
}

/// Takes the network away where the order says so.
///
/// # Errors
/// When that cannot be had.
pub(crate) fn drop_network(request: &SandboxRequest, level_reached: &mut SandboxLevel) -> Result<(), Failure> {
    if !request.network {
        process::unshare(UnshareFlags::NEWNET)
            .map_err(|errno| Failure::of("network", "this host gives no network of its own to a program", errno))?;
        level_reached.add(Fact::NoNetwork);
    }
    Ok(())
}

/// Where the program may write, if `setup_mounts` has added `Mounts`.
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

/// The program's own directory, which nobody else may enter.
///
/// # Errors
/// The kernel's; `AlreadyExists` too.
pub(crate) fn make_directory(path: &Path, request: &SandboxRequest) -> io::Result<()> {
    mkdir(path, Mode::RWXU)?;
    if let Some(user) = &request.user {
        rustix::fs::chown(path, Some(Uid::from_raw(user.uid)), Some(Gid::from_raw(user.gid)))?;
    }
    Ok(())
}
