//! The supervisor: waits for the end of a run, ends it when it has to, and ensures that no process is left.

use std::io::Read;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::time::Timespec;

use crate::process_tree::{self, ProcessTree};
use crate::report::ExitKind;
use crate::request::SandboxRequest;
use crate::signals::Signals;

/// The phase of a run and its next deadline.
#[derive(Debug, Clone, Copy)]
enum Phase {
    Running {
        deadline: Instant,
    },
    /// It was requested to end.
    Ending {
        kill: Instant,
        kind: ExitKind,
    },
    Killed {
        kind: ExitKind,
    },
}

/// The supervision of one run.
pub(crate) struct Watch<'a> {
    control: &'a UnixStream,
    process_tree: &'a ProcessTree,
    grace: Duration,
    phase: Phase,
}

impl<'a> Watch<'a> {
    pub(crate) fn new(request: &SandboxRequest, control: &'a UnixStream, process_tree: &'a ProcessTree) -> Self {
        let deadline = Instant::now() + Duration::from_millis(request.deadline_ms);
        let grace = Duration::from_millis(request.grace_ms);
        Self { control, process_tree, grace, phase: Phase::Running { deadline } }
    }

    /// Wait until the main process has ended and return its status and the kind of exit.
    ///
    /// `ended` and `signalled` receive SIGCHLD and the signals that end this process.
    pub(crate) fn run(mut self, ended: &mut Signals, signalled: &mut Signals) -> (i32, ExitKind) {
        loop {
            while let Some((pid, status)) = process_tree::ended() {
                if pid == self.process_tree.main() {
                    return (process_tree::status(status), self.kind());
                }
            }
            self.advance(Instant::now());
            self.wait(ended, signalled);
            if signalled.taken() {
                self.stop();
            }
            self.read_control();
        }
    }

    fn kind(&self) -> ExitKind {
        match self.phase {
            Phase::Running { .. } => ExitKind::Exited,
            Phase::Ending { kind, .. } | Phase::Killed { kind } => kind,
        }
    }

    fn advance(&mut self, now: Instant) {
        match self.phase {
            Phase::Running { deadline } if deadline <= now => self.request_end(ExitKind::Deadline, now),
            Phase::Ending { kill, kind } if kill <= now => self.kill(kind),
            _ => {}
        }
    }

    fn request_end(&mut self, kind: ExitKind, now: Instant) {
        self.process_tree.terminate();
        self.phase = Phase::Ending { kill: now + self.grace, kind };
    }

    fn kill(&mut self, kind: ExitKind) {
        self.process_tree.kill();
        self.phase = Phase::Killed { kind };
    }

    fn stop(&mut self) {
        if matches!(self.phase, Phase::Running { .. }) {
            self.request_end(ExitKind::Stopped, Instant::now());
        }
    }

    fn wait(&self, ended: &mut Signals, signalled: &Signals) {
        let due = match self.phase {
            Phase::Running { deadline } => Some(deadline),
            Phase::Ending { kill, .. } => Some(kill),
            Phase::Killed { .. } => None,
        };
        let poll_timeout = due.and_then(|due| Timespec::try_from(due.saturating_duration_since(Instant::now())).ok());
        let watched: &[_] = &[ended.as_fd(), signalled.as_fd(), self.control.as_fd()];
        // A closed socket stays readable.
        let is_abandoned = matches!(self.phase, Phase::Killed { kind: ExitKind::Abandoned });
        let watched = if is_abandoned { &watched[..2] } else { watched };
        let mut polled: Vec<PollFd<'_>> =
            watched.iter().map(|fd| PollFd::from_borrowed_fd(*fd, PollFlags::IN)).collect();
        // The state is examined again whether or not the call was interrupted.
        let _ = poll(&mut polled, poll_timeout.as_ref());
        drop(polled);
        ended.taken();
    }

    /// Handle a line, which is a request to stop, or the end of the stream: the requesting process is gone.
    fn read_control(&mut self) {
        let mut octets = [0; 64];
        match (&mut &*self.control).read(&mut octets) {
            Ok(0) => self.kill(ExitKind::Abandoned),
            Ok(_) => self.stop(),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(_) => self.kill(ExitKind::Abandoned),
        }
    }
}
