//! Drops the privileges of root permanently (credentials(7), capabilities(7)).
//!
//! Capabilities, the bounding set and `no_new_privs` belong to a thread, and other threads would keep what this one
//! drops: so a process with several threads is an error, and threads are started afterwards.
#![forbid(unsafe_code)]

pub mod file_caps;

use std::io;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::process::{DumpableBehavior, Resource, Rlimit};
pub use rustix::process::{Gid, Uid};
use rustix::thread::{CapabilitySet, CapabilitySets};

/// Number of capabilities that a kernel can have: they are the bits of one word.
const CAPABILITIES: u32 = u64::BITS;

/// The credentials of a process.
#[derive(Debug, Clone)]
pub struct User {
    /// Its user: real, effective and saved.
    pub uid: Uid,
    /// Its group: real, effective and saved.
    pub gid: Gid,
    /// Its supplementary groups.
    pub groups: Vec<Gid>,
}

/// Why privileges were not dropped. What was done before the failed step stays: the process must end.
#[derive(Debug, thiserror::Error)]
pub enum DropError {
    /// Other threads would keep their privileges.
    #[error("cannot drop privileges with {0} threads: each thread has its own; expected one")]
    Threads(usize),
    /// The kernel refused.
    #[error("{step}: {source}")]
    Refused {
        /// The system call.
        step: &'static str,
        /// Its error.
        source: io::Error,
    },
}

/// Change this process to `user`, keeping only the capabilities whose bits are set in `keep`; no program that it starts
/// gains any. It dumps no core file, and no other process of that user can read its memory.
///
/// A process that has the user already keeps its groups.
///
/// # Errors
/// [`DropError`].
pub fn drop_to(user: &User, keep: u64) -> Result<(), DropError> {
    check_threads()?;
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    map_errno("setrlimit", rustix::process::setrlimit(Resource::Core, none))?;
    // Before the change of user, which removes CAP_SETPCAP.
    drop_bounding_set()?;
    if rustix::process::geteuid() != user.uid || rustix::process::getuid() != user.uid {
        map_errno("prctl(PR_SET_KEEPCAPS)", rustix::thread::set_keep_capabilities(true))?;
        map_errno("setgroups", rustix::thread::set_thread_groups(&user.groups))?;
        map_errno("setresgid", rustix::thread::set_thread_res_gid(user.gid, user.gid, user.gid))?;
        map_errno("setresuid", rustix::thread::set_thread_res_uid(user.uid, user.uid, user.uid))?;
        map_errno("prctl(PR_SET_KEEPCAPS)", rustix::thread::set_keep_capabilities(false))?;
    }
    map_errno("prctl(PR_CAP_AMBIENT)", rustix::thread::clear_ambient_capability_set())?;
    let kept = CapabilitySet::from_bits_retain(keep);
    let sets = CapabilitySets { effective: kept, permitted: kept, inheritable: CapabilitySet::empty() };
    map_errno("capset", rustix::thread::set_capabilities(None, sets))?;
    map_errno("prctl(PR_SET_NO_NEW_PRIVS)", rustix::thread::set_no_new_privs(true))?;
    map_errno("prctl(PR_SET_DUMPABLE)", rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable))
}

/// Drop the bounding set. Without CAP_SETPCAP that is not possible, and only `no_new_privs` keeps programs from gaining
/// capabilities.
fn drop_bounding_set() -> Result<(), DropError> {
    let own = map_errno("capget", rustix::thread::capabilities(None))?;
    if !own.effective.contains(CapabilitySet::SETPCAP) {
        return Ok(());
    }
    for number in 0..CAPABILITIES {
        let capability = CapabilitySet::from_bits_retain(1 << number);
        match rustix::thread::remove_capability_from_bounding_set(capability) {
            // The kernel has no capability of this number, nor of any above it.
            Err(Errno::INVAL) => break,
            done => map_errno("prctl(PR_CAPBSET_DROP)", done)?,
        }
    }
    Ok(())
}

fn check_threads() -> Result<(), DropError> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let tasks = map_errno("/proc/self/task", rustix::fs::open("/proc/self/task", flags, Mode::empty()))?;
    let entries = map_errno("/proc/self/task", rustix::fs::Dir::new(tasks))?;
    let threads = entries.flatten().filter(|entry| entry.file_name().to_bytes()[0] != b'.').count();
    if threads == 1 { Ok(()) } else { Err(DropError::Threads(threads)) }
}

fn map_errno<T>(step: &'static str, done: rustix::io::Result<T>) -> Result<T, DropError> {
    done.map_err(|errno| DropError::Refused { step, source: errno.into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Its effects on a process are tested with processes: tests/agent/io/test_privileges.py.
    #[test]
    fn several_threads_are_rejected_before_anything_changes() {
        let (hold, held) = std::sync::mpsc::channel::<()>();
        let other = std::thread::spawn(move || held.recv());
        let user = User { uid: Uid::ROOT, gid: Gid::ROOT, groups: Vec::new() };
        let refused = drop_to(&user, 0);
        assert!(matches!(refused, Err(DropError::Threads(2..))), "{refused:?}");
        assert!(!rustix::thread::no_new_privs().is_ok_and(|set| set));
        drop(hold);
        assert!(other.join().is_ok_and(|end| end.is_err()));
    }
}
