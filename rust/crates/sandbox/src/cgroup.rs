//! A control group for the run (cgroups(7), version 2), where the service manager has delegated one to the agent.
//!
//! systemd marks a delegated group with an extended attribute (`user.delegate`, `trusted.delegate`). Groups without it
//! belong to others, even if root could change them.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

use crate::request::Limits;

const DELEGATION_XATTRS: [&str; 2] = ["user.delegate", "trusted.delegate"];
const CONTROLLERS: [&str; 2] = ["memory", "pids"];
/// A group can be removed a moment after its last process has ended.
const ATTEMPTS: u32 = 100;
const POLL_INTERVAL: Duration = Duration::from_millis(2);

/// A group that is removed with its run.
pub(crate) struct Cgroup(PathBuf);

impl Cgroup {
    /// Create a group, or return `None` where no group is delegated.
    pub(crate) fn make(limits: &Limits) -> Option<Self> {
        let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
        let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
        let own = own_group(&mounts, &groups)?;
        // A group cannot have both processes and child groups: the agent's own group, or its parent.
        own.ancestors().take(2).filter(|group| is_delegated(group)).find_map(|group| Self::make_in(group, limits).ok())
    }

    fn make_in(group: &Path, limits: &Limits) -> io::Result<Self> {
        let controllers = group.join("cgroup.subtree_control");
        for name in CONTROLLERS {
            if !fs::read_to_string(&controllers)?.split_whitespace().any(|enabled| enabled == name) {
                fs::write(&controllers, format!("+{name}"))?;
            }
        }
        let made = Self(group.join(format!("warren-sandbox-{}", std::process::id())));
        fs::create_dir(&made.0)?;
        let bounded = made.bound(limits);
        if bounded.is_err() {
            let _ = fs::remove_dir(&made.0);
        }
        bounded.map(|()| made)
    }

    fn bound(&self, limits: &Limits) -> io::Result<()> {
        fs::write(self.0.join("memory.max"), limits.memory_bytes.to_string())?;
        fs::write(self.0.join("pids.max"), limits.processes.saturating_add(1).to_string())?;
        // Absent without swap.
        let _ = fs::write(self.0.join("memory.swap.max"), "0");
        // When memory runs out the whole run is killed, not one process that the kernel selects.
        let _ = fs::write(self.0.join("memory.oom.group"), "1");
        Ok(())
    }

    /// Move this process into the group; its children inherit it.
    ///
    /// # Errors
    /// Those of the write.
    pub(crate) fn enter(&self) -> io::Result<()> {
        fs::write(self.0.join("cgroup.procs"), "0")
    }

    /// Kill all processes of the group.
    pub(crate) fn kill(&self) {
        // Since Linux 5.14.
        let _ = fs::write(self.0.join("cgroup.kill"), "1");
    }

    /// Remove the group once its processes have ended.
    pub(crate) fn remove(self) {
        for _ in 0..ATTEMPTS {
            if fs::remove_dir(&self.0).is_ok() {
                return;
            }
            sleep(POLL_INTERVAL);
        }
    }
}

fn is_delegated(group: &Path) -> bool {
    DELEGATION_XATTRS.iter().any(|mark| {
        let mut value = [0; 8];
        rustix::fs::getxattr(group, *mark, &mut value).is_ok_and(|length| value[..length] == *b"1")
    })
}

/// Return the directory of this process's group, if version 2 is mounted.
fn own_group(mounts: &str, groups: &str) -> Option<PathBuf> {
    let path = groups.lines().find_map(|line| line.strip_prefix("0::"))?;
    mounts.lines().find_map(|line| {
        let (mount, kind) = line.split_once(" - ")?;
        let mut fields = mount.split(' ').skip(3);
        let (root, point) = (fields.next()?, fields.next()?);
        let below = Path::new(path).strip_prefix(root).ok()?;
        kind.starts_with("cgroup2 ").then(|| Path::new(point).join(below))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "\
22 1 0:20 / /proc rw - proc proc rw
30 1 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw
";

    #[test]
    fn the_group_of_a_unit_is_found() {
        let own = own_group(MOUNTS, "1:name=systemd:/x\n0::/system.slice/warren.service/agent\n");
        assert_eq!(own.unwrap(), Path::new("/sys/fs/cgroup/system.slice/warren.service/agent"));
    }

    #[test]
    fn there_is_no_group_without_cgroup_version_2() {
        assert_eq!(own_group("22 1 0:20 / /proc rw - proc proc rw\n", "0::/x\n"), None);
        assert_eq!(own_group(MOUNTS, "4:memory:/x\n"), None);
    }

    #[test]
    fn a_directory_without_the_attribute_is_not_delegated() {
        assert!(!is_delegated(tempfile::tempdir().unwrap().path()));
    }
}
