//! Namespaces (namespaces(7)): processes that end together, a /tmp and a /proc of the program's own, no network.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, mkdir};
use rustix::io::Errno;
use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_bind, mount_change};
use rustix::process::{Gid, Uid, WaitOptions, waitpid};
use rustix::thread::UnshareFlags;

use crate::order::Order;
use crate::process;
use crate::report::{Fact, Reached, Refusal};

/// Where the program works: a directory of a file system that goes when its last process has gone.
pub(crate) const OWN: &str = "/tmp/own";
const TMP: &str = "/tmp";
/// Where else everybody may write. They become the same file system, so that one bound holds for all of it.
const LIKE_TMP: [&str; 2] = ["/var/tmp", "/dev/shm"];
/// Files and directories there, together: each takes a kibibyte of the kernel's memory.
const MAX_INODES: u32 = 16_384;
const NOTHING_SPECIAL: MountFlags = MountFlags::NOSUID.union(MountFlags::NODEV);

/// The children of this process are first and others in a namespace of processes. Whether that could be had: root needs
/// the right to, others a user namespace.
pub(crate) fn seclude() -> bool {
    if rustix::process::geteuid().is_root() {
        return process::unshare(UnshareFlags::NEWPID).is_ok();
    }
    is_allowed_to_others() && own_users().is_ok() && process::unshare(UnshareFlags::NEWPID).is_ok()
}

/// Tried in a child first: some systems allow the namespace and then nothing in it, and there is no way back out.
fn is_allowed_to_others() -> bool {
    match process::fork() {
        Ok(None) => process::exit(i32::from(own_users().and_then(|()| own_mounts(UnshareFlags::NEWPID)).is_err())),
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

fn own_users() -> io::Result<()> {
    let (uid, gid) = (rustix::process::geteuid(), rustix::process::getegid());
    process::unshare(UnshareFlags::NEWUSER)?;
    fs::write("/proc/self/setgroups", "deny")?;
    fs::write("/proc/self/uid_map", format!("{0} {0} 1", uid.as_raw()))?;
    fs::write("/proc/self/gid_map", format!("{0} {0} 1", gid.as_raw()))
}

fn own_mounts(others: UnshareFlags) -> io::Result<()> {
    process::unshare(UnshareFlags::NEWNS.union(others))?;
    Ok(mount_change("/", MountPropagationFlags::PRIVATE.union(MountPropagationFlags::REC))?)
}

/// The rest, for the first process of the namespace. What cannot be had is not added to `reached`.
///
/// # Errors
/// When the order is for no network, and that cannot be had.
pub(crate) fn furnish(order: &Order, reached: &mut Reached) -> Result<(), Refusal> {
    reached.add(Fact::Processes);
    if process::unshare(UnshareFlags::NEWIPC).is_ok() {
        reached.add(Fact::Ipc);
    }
    cut_off(order, reached)?;
    if own_mounts(UnshareFlags::empty()).is_ok() && own_files(order).is_ok() {
        reached.add(Fact::Mounts);
    }
    Ok(())
}

/// Takes the network away where the order says so.
///
/// # Errors
/// When that cannot be had.
pub(crate) fn cut_off(order: &Order, reached: &mut Reached) -> Result<(), Refusal> {
    if !order.network {
        process::unshare(UnshareFlags::NEWNET)
            .map_err(|errno| Refusal::of("network", "this host gives no network of its own to a program", errno))?;
        reached.add(Fact::NoNetwork);
    }
    Ok(())
}

/// Where the program may write, if `furnish` has added `Mounts`.
pub(crate) fn own_places() -> Vec<PathBuf> {
    LIKE_TMP.iter().copied().chain([TMP]).map(PathBuf::from).filter(|path| path.is_dir()).collect()
}

fn own_files(order: &Order) -> io::Result<()> {
    let options = format!("mode=1777,size={},nr_inodes={MAX_INODES}", order.limits.file_bytes);
    let options = std::ffi::CString::new(options)?;
    mount("proc", "/proc", "proc", NOTHING_SPECIAL.union(MountFlags::NOEXEC), None)?;
    mount("tmpfs", TMP, "tmpfs", NOTHING_SPECIAL, Some(options.as_c_str()))?;
    for other in LIKE_TMP {
        if Path::new(other).is_dir() {
            mount_bind(TMP, other)?;
        }
    }
    make_own(Path::new(OWN), order)
}

/// The program's own directory, which nobody else may enter.
///
/// # Errors
/// The kernel's; `AlreadyExists` too.
pub(crate) fn make_own(path: &Path, order: &Order) -> io::Result<()> {
    mkdir(path, Mode::RWXU)?;
    if let Some(user) = &order.user {
        rustix::fs::chown(path, Some(Uid::from_raw(user.uid)), Some(Gid::from_raw(user.gid)))?;
    }
    Ok(())
}
