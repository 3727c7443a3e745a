//! All processes of a run, and how they end.
//!
//! In a namespace of processes they end with its first, and the kernel sees to it (pid_namespaces(7)). Without one they
//! are the descendants of this process, which adopts whoever loses its parent (PR_SET_CHILD_SUBREAPER), so that there
//! are none left when there is nothing more to wait for.

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
    /// A namespace, by its first process.
    Namespace(Pid),
    /// The descendants of this process. A user that is theirs alone finds even those that multiply and die so fast that
    /// no list has them.
    Descendants { program: Pid, user: Option<User> },
}

impl ProcessTree {
    /// The one whose end is the end of the run.
    pub(crate) fn main(&self) -> Pid {
        match self {
            Self::Namespace(init) => *init,
            Self::Descendants { program, .. } => *program,
        }
    }

    /// Asks all of them to end.
    pub(crate) fn terminate(&self) {
        match self {
            // It hands on what it is signalled: see `init`.
            Self::Namespace(init) => send(*init, Signal::TERM),
            Self::Descendants { .. } => descendants().into_iter().for_each(|pid| send(pid, Signal::TERM)),
        }
    }

    /// Ends the main process at the least; `end` ends the others.
    pub(crate) fn kill(&self) {
        match self {
            Self::Namespace(init) => send(*init, Signal::KILL),
            Self::Descendants { program, .. } => {
                send(*program, Signal::KILL);
                self.kill_all();
            }
        }
    }

    /// Returns when none of them is left. The main one has ended.
    pub(crate) fn end(&self) {
        while has_children() {
            self.kill_all();
            sleep(POLL_INTERVAL);
        }
    }

    fn kill_all(&self) {
        let Self::Descendants { user, .. } = self else { return };
        if let Some(user) = user.as_ref().filter(|user| user.exclusive) {
            kill_all_of_user(user);
        }
        stop_all();
        descendants().into_iter().for_each(|pid| send(pid, Signal::KILL));
    }
}

/// What has ended, one after the other.
pub(crate) fn ended() -> Option<(Pid, WaitStatus)> {
    loop {
        match wait(WaitOptions::NOHANG) {
            Err(Errno::INTR) => {}
            other => return other.ok().flatten(),
        }
    }
}

/// As a shell tells it.
pub(crate) fn status(status: WaitStatus) -> i32 {
    status.exit_status().unwrap_or_else(|| 128 + status.terminating_signal().unwrap_or_default())
}

/// Takes what has ended out of the table of processes; whether there are others.
fn has_children() -> bool {
    loop {
        match wait(WaitOptions::NOHANG) {
            Ok(None) => return true,
            Ok(Some(_)) | Err(Errno::INTR) => {}
            Err(_) => return false,
        }
    }
}

/// One call, and no process of the user can be born while it lasts (kill(2)).
fn kill_all_of_user(user: &User) {
    if matches!(process::fork(), Ok(None)) {
        if privilege::drop_to(&user.privileges(), 0).is_ok() {
            process::signal_all(Signal::KILL);
        }
        process::exit(0);
    }
}

/// What is stopped bears no more children. Again until nobody is new.
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

/// Who has gone need not be told.
fn send(pid: Pid, signal: Signal) {
    let _ = kill_process(pid, signal);
}

/// The living ones, as /proc has them.
fn descendants() -> Vec<Pid> {
    let parents = parents();
    let own = getpid();
    let descends = |pid: &Pid| {
        // No chain is longer than the table; while it is read, numbers may be given anew and make a circle.
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

/// A process and its parent, unless it has ended (proc_pid_stat(5)). Its name can hold anything, parentheses too.
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
    fn a_line_of_proc() {
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
