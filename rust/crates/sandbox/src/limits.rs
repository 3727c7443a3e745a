//! Resource limits of each process of a program (setrlimit(2)).

use std::fs;
use std::os::unix::fs::MetadataExt;

use rustix::io::Errno;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::report::Failure;
use crate::request::{Limits, User};

/// Open files of each process.
const FILES: u64 = 256;
/// Processes of the sandbox that can have the program's user: supervisor and PID 1.
const OWN_PROCESSES: u64 = 2;

/// Set the limits of this process and its children. `others` are the threads of the same user outside the run, which
/// the kernel counts too.
///
/// # Errors
/// When one is refused.
pub(crate) fn set(limits: &Limits, others: u64) -> Result<(), Failure> {
    let wanted = [
        (Resource::Cpu, limits.cpu_seconds),
        (Resource::Nproc, limits.processes.saturating_add(others).saturating_add(OWN_PROCESSES)),
        (Resource::Nofile, FILES),
        (Resource::Fsize, limits.file_bytes),
        (Resource::Core, 0),
        (Resource::As, limits.memory_bytes),
    ];
    wanted
        .into_iter()
        .try_for_each(|(resource, most)| set_one(resource, most))
        .map_err(|errno| Failure::of("limits", "setrlimit", errno))
}

/// Set one limit; a lower one is kept.
fn set_one(resource: Resource, most: u64) -> Result<(), Errno> {
    let most = getrlimit(resource).maximum.map_or(most, |before| before.min(most));
    setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) })
}

/// Count the threads of the program's user outside the run. An exclusive user has none.
pub(crate) fn others(user: &User) -> u64 {
    if user.exclusive { 0 } else { threads_of(user.uid) }
}

fn threads_of(uid: u32) -> u64 {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let of_user = entries.filter(|entry| {
        let is_process =
            entry.file_name().to_str().is_some_and(|name| name.bytes().all(|octet| octet.is_ascii_digit()));
        is_process && entry.metadata().is_ok_and(|metadata| metadata.uid() == uid)
    });
    // A process that has ended meanwhile has none.
    of_user.map(|entry| fs::read_dir(entry.path().join("task")).map_or(0, |tasks| tasks.count() as u64)).sum()
}
