//! The supervisor: waits for the end of a run, brings it about where it has to, and sees that nothing is left.

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

/// When what comes next is due.
#[derive(Debug, Clone, Copy)]
enum Stage {
    Running {
        deadline: Instant,
    },
    /// It was asked to end.
    Ending {
        kill: Instant,
        kind: ExitKind,
    },
    Killed {
        kind: ExitKind,
    },
}

/// One run, from the outside.
pub(crate) struct Watch<'a> {
    control: &'a UnixStream,
    process_tree: &'a ProcessTree,
    grace: Duration,
    stage: Stage,
}

impl<'a> Watch<'a> {
    pub(crate) fn new(request: &SandboxRequest, control: &'a UnixStream, process_tree: &'a ProcessTree) -> Self {
        let deadline = Instant::now() + Duration::from_millis(request.deadline_ms);
        let grace = Duration::from_millis(request.grace_ms);
        Self { control, process_tree, grace, stage: Stage::Running { deadline } }
    }

    /// Returns when the main process has ended: its status, and how it came to that.
    ///
    /// `ended` and `signalled` are the signals of children and of whoever ends this process.
    pub(crate) fn until_end(mut self, ended: &mut Signals, signalled: &mut Signals) -> (i32, ExitKind) {
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
            self.listen();
        }
    }

    fn kind(&self) -> ExitKind {
        match self.stage {
            Stage::Running { .. } => ExitKind::Exited,
            Stage::Ending { kind, .. } | Stage::Killed { kind } => kind,
        }
    }

    fn advance(&mut self, now: Instant) {
        match self.stage {
            Stage::Running { deadline } if deadline <= now => self.request_end(ExitKind::Deadline, now),
            Stage::Ending { kill, kind } if kill <= now => self.kill(kind),
            _ => {}
        }
    }

    fn request_end(&mut self, kind: ExitKind, now: Instant) {
        self.process_tree.terminate();
        self.stage = Stage::Ending { kill: now + self.grace, kind };
    }

    fn kill(&mut self, kind: ExitKind) {
        self.process_tree.kill();
        self.stage = Stage::Killed { kind };
    }

    fn stop(&mut self) {
        if matches!(self.stage, Stage::Running { .. }) {
            self.request_end(ExitKind::Stopped, Instant::now());
        }
    }

    fn wait(&self, ended: &mut Signals, signalled: &Signals) {
        let due = match self.stage {
            Stage::Running { deadline } => Some(deadline),
            Stage::Ending { kill, .. } => Some(kill),
            Stage::Killed { .. } => None,
        };
        let poll_timeout = due.and_then(|due| Timespec::try_from(due.saturating_duration_since(Instant::now())).ok());
        let watched: &[_] = &[ended.as_fd(), signalled.as_fd(), self.control.as_fd()];
        // The other end that has gone would be readable for ever.
        let is_abandoned = matches!(self.stage, Stage::Killed { kind: ExitKind::Abandoned });
        let watched = if is_abandoned { &watched[..2] } else { watched };
        let mut polled: Vec<PollFd<'_>> =
            watched.iter().map(|fd| PollFd::from_borrowed_fd(*fd, PollFlags::IN)).collect();
        // Interrupted or not, all is looked at again.
        let _ = poll(&mut polled, poll_timeout.as_ref());
        drop(polled);
        ended.taken();
    }

    /// Any line is a request to stop. The end of them is that of whoever asked for the run.
    fn listen(&mut self) {
        let mut octets = [0; 64];
        match (&mut &*self.control).read(&mut octets) {
            Ok(0) => self.kill(ExitKind::Abandoned),
            Ok(_) => self.stop(),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(_) => self.kill(ExitKind::Abandoned),
        }
    }
}
