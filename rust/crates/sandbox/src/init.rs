//! PID 1 of the namespace: starts the program, reaps orphans, forwards a request to end, and ends with the program. Its
//! end kills every process that the program has left (pid_namespaces(7)).

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::process::{Signal, set_parent_process_death_signal};
use signal_hook::consts::{SIGCHLD, SIGTERM};

use crate::process;
use crate::process_tree;
use crate::report::Failure;
use crate::signals::Signals;

/// Run `program` in a child and return its status. `parent` is the supervisor, as a descriptor. The caller has dropped
/// its privileges: this process and the program run as the same user.
///
/// # Errors
/// When the program was not started.
pub(crate) fn run(parent: &OwnedFd, program: impl FnOnce()) -> Result<i32, Failure> {
    let failed = |error: io::Error| Failure::of("processes", "the init process", error);
    die_with(parent).map_err(failed)?;
    let ended = Signals::catch(&[SIGCHLD]).map_err(failed)?;
    let signalled = Signals::catch(&[SIGTERM]).map_err(failed)?;
    let Some(child) = process::fork().map_err(failed)? else {
        program();
        process::exit(127);
    };
    process::release_streams();
    Ok(wait(child, ended, signalled))
}

/// Kill this process, and so the namespace, when the supervisor is killed. A change of user resets the setting, so it
/// is made after it; then the supervisor may be gone already.
pub(crate) fn die_with(parent: &OwnedFd) -> io::Result<()> {
    set_parent_process_death_signal(Some(Signal::KILL))?;
    let mut polled = [PollFd::new(parent, PollFlags::IN)];
    let has_gone = poll(&mut polled, Some(&rustix::time::Timespec::default()))? > 0;
    if has_gone { Err(io::ErrorKind::BrokenPipe.into()) } else { Ok(()) }
}

fn wait(child: rustix::process::Pid, mut ended: Signals, mut signalled: Signals) -> i32 {
    loop {
        while let Some((pid, status)) = process_tree::ended() {
            if pid == child {
                return process_tree::status(status);
            }
        }
        if signalled.taken() {
            process::signal_all(Signal::TERM);
        }
        let mut polled = [ended.as_fd(), signalled.as_fd()].map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN));
        match poll(&mut polled, None) {
            Ok(_) | Err(Errno::INTR) => ended.taken(),
            Err(_) => return 127,
        };
    }
}
