//! All processes of a run, and how they are ended.
//!
//! In a PID namespace the kernel ends them with PID 1 (pid_namespaces(7)). Elsewhere they are the descendants of this
//! process, which adopts orphans (PR_SET_CHILD_SUBREAPER), so that none is left when there is no child to wait for.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::thread::sleep;
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitOptions, WaitStatus, getpid, kill_process, wait};

use crate::process;
use crate::request::User;

const POLL_INTERVAL: Duration = Duration::from_millis(1);

/// The processes of a run.
#[derive(Debug)]
pub(crate) enum ProcessTree {
    /// A PID namespace, by its PID 1.
    Namespace(Pid),
    /// The descendants of this process. A user that no other process has finds even those that fork and exit so fast
    /// that they are missing from a listing of /proc.
    Descendants { program: Pid, user: User },
}

impl ProcessTree {
    /// Return the process whose end is the end of the run.
    pub(crate) fn main(&self) -> Pid {
        match self {
            Self::Namespace(init) => *init,
            Self::Descendants { program, .. } => *program,
        }
    }

    /// Send SIGTERM to all of them.
    pub(crate) fn terminate(&self) {
        match self {
            // It forwards the signal: see `init`.
            Self::Namespace(init) => send(*init, Signal::TERM),
            Self::Descendants { .. } => descendants().into_iter().for_each(|pid| send(pid, Signal::TERM)),
        }
    }

    /// Kill at least the main process; [`Self::end`] kills the others.
    pub(crate) fn kill(&self) {
        match self {
            Self::Namespace(init) => send(*init, Signal::KILL),
            Self::Descendants { program, .. } => {
                send(*program, Signal::KILL);
                self.kill_all();
            }
        }
    }

    /// Wait until none of them is left. The main process has ended.
    pub(crate) fn end(&self) {
        while has_children() {
            self.kill_all();
            sleep(POLL_INTERVAL);
        }
    }

    fn kill_all(&self) {
        let Self::Descendants { user, .. } = self else { return };
        if user.exclusive {
            kill_all_of_user(user);
        }
        stop_all();
        descendants().into_iter().for_each(|pid| send(pid, Signal::KILL));
    }
}

/// Return the next process that has ended.
pub(crate) fn ended() -> Option<(Pid, WaitStatus)> {
    loop {
        match wait(WaitOptions::NOHANG) {
            Err(Errno::INTR) => {}
            other => return other.ok().flatten(),
        }
    }
}

/// Return the exit status as a shell does.
pub(crate) fn status(status: WaitStatus) -> i32 {
    status.exit_status().unwrap_or_else(|| 128 + status.terminating_signal().unwrap_or_default())
}

/// Reap the processes that have ended, and return whether others are left.
fn has_children() -> bool {
    loop {
        match wait(WaitOptions::NOHANG) {
            Ok(None) => return true,
            Ok(Some(_)) | Err(Errno::INTR) => {}
            Err(_) => return false,
        }
    }
}

/// Kill every process of the user in one call, during which none can be forked (kill(2)).
fn kill_all_of_user(user: &User) {
    if matches!(process::fork(), Ok(None)) {
        if privilege::drop_to(&user.privileges(), 0).is_ok() {
            process::signal_all(Signal::KILL);
        }
        process::exit(0);
    }
}

/// Stop all descendants, since a stopped process cannot fork; repeat until there is no new one.
fn stop_all() {
    let mut stopped = HashSet::new();
    loop {
        let new: Vec<Pid> = descendants().into_iter().filter(|pid| stopped.insert(*pid)).collect();
        if new.is_empty() {
            return;
        }
        new.into_iter().for_each(|pid| send(pid, Signal::STOP));
    }
}

/// Send a signal; a process that is gone is ignored.
fn send(pid: Pid, signal: Signal) {
    let _ = kill_process(pid, signal);
}

/// Return the descendants that are alive, from /proc.
fn descendants() -> Vec<Pid> {
    let parents = parents();
    let own = getpid();
    let descends = |pid: &Pid| {
        // A chain is no longer than the table; reused process ids could form a cycle while /proc is read.
        let mut chain = std::iter::successors(Some(*pid), |pid| parents.get(pid).copied()).take(parents.len() + 1);
        chain.any(|pid| pid == own)
    };
    parents.keys().copied().filter(|pid| *pid != own && descends(pid)).collect()
}

fn parents() -> HashMap<Pid, Pid> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let stats = entries.filter_map(|entry| {
        entry.file_name().to_str()?.parse::<i32>().ok()?;
        fs::read_to_string(entry.path().join("stat")).ok()
    });
    stats.filter_map(|stat| parse_stat(&stat)).collect()
}

/// Return a process and its parent, or None if it has ended (proc_pid_stat(5)). The name may contain parentheses.
fn parse_stat(stat: &str) -> Option<(Pid, Pid)> {
    let (pid, rest) = stat.split_once(" (")?;
    let mut fields = rest.rsplit_once(") ")?.1.split(' ');
    let state = fields.next()?;
    let parent = fields.next()?.parse().ok()?;
    let is_alive = !matches!(state, "Z" | "X");
    is_alive.then_some((Pid::from_raw(pid.parse().ok()?)?, Pid::from_raw(parent)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_proc_stat_is_parsed() {
        let pids = |pid, parent| Some((Pid::from_raw(pid).unwrap(), Pid::from_raw(parent).unwrap()));
        assert_eq!(parse_stat("17 (sleep) S 4 17 17 0 -1"), pids(17, 4));
        assert_eq!(parse_stat("17 (a) R 1 () S 4 17 17 0 -1"), pids(17, 4));
        assert_eq!(parse_stat("17 (sleep) Z 4 17 17 0 -1"), None);
        assert_eq!(parse_stat("1 (init) S 0 1 1 0 -1"), None);
        assert_eq!(parse_stat("nothing"), None);
    }

    #[test]
    fn a_child_descends_from_this_process_and_its_parent_does_not() {
        let mut child = std::process::Command::new("/bin/sleep").arg("60").spawn().unwrap();
        let found = descendants();
        assert!(found.iter().any(|pid| pid.as_raw_nonzero().get().unsigned_abs() == child.id()), "{found:?}");
        assert!(rustix::process::getppid().is_none_or(|parent| !found.contains(&parent)));
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
