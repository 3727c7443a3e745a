//! The first process of a namespace: it starts the program, takes in whoever loses its parent, hands on what it is asked
//! to end, and ends with the program; and with it all that the program has left.

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

/// Runs `program` in a child and returns its status. It must not return before this process can do no more than the
/// program can: they are of one user. `parent` is the supervisor, as a descriptor.
///
/// # Errors
/// When the program was not started.
pub(crate) fn keep(parent: &OwnedFd, program: impl FnOnce()) -> Result<i32, Failure> {
    let refused = |error: io::Error| Failure::of("processes", "the init process", error);
    follow(parent).map_err(refused)?;
    let ended = Signals::catch(&[SIGCHLD]).map_err(refused)?;
    let signalled = Signals::catch(&[SIGTERM]).map_err(refused)?;
    let Some(child) = process::fork().map_err(refused)? else {
        program();
        process::exit(127);
    };
    process::release_streams();
    Ok(wait(child, ended, signalled))
}

/// Whoever kills the supervisor ends this process, and so the namespace. The setting does not outlive a change of user,
/// and so comes after; the supervisor may have gone before.
pub(crate) fn follow(parent: &OwnedFd) -> io::Result<()> {
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
