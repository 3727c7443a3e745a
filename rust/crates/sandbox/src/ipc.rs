//! System V and POSIX objects of a run's user, which outlive the processes that made them (sysvipc(7), shm_overview(7),
//! mq_overview(7)).
//!
//! In an IPC namespace they end with it, and elsewhere the filter of system calls denies them. What a host without
//! either leaves is removed here, for a user that no other process has.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::ptr;

use crate::process;
use crate::request::User;

const TABLES: [(&str, Kind); 3] = [
    ("/proc/sysvipc/shm", Kind::SharedMemory),
    ("/proc/sysvipc/sem", Kind::Semaphores),
    ("/proc/sysvipc/msg", Kind::Messages),
];
/// Directories of the kernel's or the library's, whose files are the objects.
const DIRECTORIES: [&str; 2] = ["/dev/shm", "/dev/mqueue"];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    SharedMemory,
    Semaphores,
    Messages,
}

/// Remove the objects of a user whose processes have all ended. Nothing is done for a user that others share.
pub(crate) fn remove_objects(user: &User) {
    if !user.exclusive {
        return;
    }
    let objects = system_v_objects(user.uid);
    let files = files_of(user.uid);
    if objects.is_empty() && files.is_empty() {
        return;
    }
    // As the user itself: then it can be no one else's object, whatever happened since it was found.
    match process::fork() {
        Ok(None) => {
            if privilege::drop_to(&user.privileges(), 0).is_ok() {
                objects.into_iter().for_each(|(kind, id)| remove(kind, id));
                files.into_iter().for_each(|path| drop(fs::remove_file(path)));
            }
            process::exit(0);
        }
        Ok(Some(child)) => process::wait_for(child),
        Err(_) => {}
    }
}

fn system_v_objects(uid: u32) -> Vec<(Kind, i32)> {
    let mut objects = Vec::new();
    for (path, kind) in TABLES {
        // Absent in a kernel without System V IPC.
        let table = fs::read_to_string(path).unwrap_or_default();
        objects.extend(ids_of(&table, uid).into_iter().map(|id| (kind, id)));
    }
    objects
}

/// Return the ids of a table of /proc/sysvipc whose owner or creator is the user; its first line names the columns.
fn ids_of(table: &str, uid: u32) -> Vec<i32> {
    let mut lines = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let Some(names) = lines.next() else { return Vec::new() };
    let column = |wanted: &str| names.iter().position(|name| *name == wanted);
    let (Some(owner), Some(creator)) = (column("uid"), column("cuid")) else { return Vec::new() };
    let number = uid.to_string();
    let is_of_user = |fields: &Vec<&str>| [owner, creator].iter().any(|at| fields.get(*at) == Some(&number.as_str()));
    lines.filter(is_of_user).filter_map(|fields| fields.get(1)?.parse().ok()).collect()
}

fn files_of(uid: u32) -> Vec<PathBuf> {
    let entries = DIRECTORIES.iter().filter_map(|directory| fs::read_dir(directory).ok()).flatten().flatten();
    let of_user = entries.filter(|entry| entry.metadata().is_ok_and(|status| status.uid() == uid && !status.is_dir()));
    of_user.map(|entry| entry.path()).collect()
}

fn remove(kind: Kind, id: i32) {
    // SAFETY: this operation reads and writes no memory of the caller's.
    unsafe {
        match kind {
            Kind::SharedMemory => libc::shmctl(id, libc::IPC_RMID, ptr::null_mut()),
            Kind::Semaphores => libc::semctl(id, 0, libc::IPC_RMID),
            Kind::Messages => libc::msgctl(id, libc::IPC_RMID, ptr::null_mut()),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHARED_MEMORY: &str = "\
       key      shmid perms                  size  cpid  lpid nattch   uid   gid  cuid  cgid      atime      dtime      ctime                   rss                  swap
         0          5   600                4096   100   100      0 61184 61184 61184 61184          0          0 1796000000                     0                     0
        17          6   600                4096   100   100      0  1000  1000 61184 61184          0          0 1796000000                     0                     0
         0          7   600               61184   100   100      0  1000  1000  1000  1000          0          0 1796000000                     0                     0
";

    #[test]
    fn objects_that_a_user_owns_or_created_are_found() {
        assert_eq!(ids_of(SHARED_MEMORY, 61184), [5, 6]);
        assert_eq!(ids_of(SHARED_MEMORY, 1), [0; 0]);
        assert_eq!(ids_of("", 61184), [0; 0]);
    }

    #[test]
    fn objects_of_an_exclusive_user_are_removed() {
        if !rustix::process::geteuid().is_root() {
            return;
        }
        // None that a program of another test can have.
        let uid = 66_000 + std::process::id() % 1_000;
        let user = User { uid, gid: uid, groups: Vec::new(), exclusive: true };
        match process::fork().unwrap() {
            None => {
                let dropped = privilege::drop_to(&user.privileges(), 0);
                // SAFETY: creates an object, and touches no memory.
                let made = unsafe { libc::shmget(libc::IPC_PRIVATE, 4096, libc::IPC_CREAT | 0o600) };
                process::exit(i32::from(dropped.is_err() || made < 0));
            }
            Some(child) => process::wait_for(child),
        }
        assert_eq!(system_v_objects(uid).len(), 1);
        remove_objects(&User { exclusive: false, ..user.clone() });
        assert_eq!(system_v_objects(uid).len(), 1);
        remove_objects(&user);
        assert_eq!(system_v_objects(uid), []);
    }
}
