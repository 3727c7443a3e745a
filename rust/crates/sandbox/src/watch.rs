//! The supervisor: waits for the end of a run, brings it about where it has to, and sees that nothing is left.

use std::io::Read;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::time::Timespec;

use crate::household::{self, Household};
use crate::order::Order;
use crate::report::End;
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
        how: End,
    },
    Killed {
        how: End,
    },
}

/// One run, from the outside.
pub(crate) struct Watch<'a> {
    control: &'a UnixStream,
    household: &'a Household,
    grace: Duration,
    stage: Stage,
}

impl<'a> Watch<'a> {
    pub(crate) fn new(order: &Order, control: &'a UnixStream, household: &'a Household) -> Self {
        let deadline = Instant::now() + Duration::from_millis(order.deadline_ms);
        let grace = Duration::from_millis(order.grace_ms);
        Self { control, household, grace, stage: Stage::Running { deadline } }
    }

    /// Returns when the main process has ended: its status, and how it came to that.
    ///
    /// `ended` and `asked` are the signals of children and of whoever ends this process.
    pub(crate) fn until_end(mut self, ended: &mut Signals, asked: &mut Signals) -> (i32, End) {
        loop {
            while let Some((pid, status)) = household::ended() {
                if pid == self.household.main() {
                    return (household::status(status), self.how());
                }
            }
            self.advance(Instant::now());
            self.wait(ended, asked);
            if asked.taken() {
                self.stop();
            }
            self.listen();
        }
    }

    fn how(&self) -> End {
        match self.stage {
            Stage::Running { .. } => End::Exited,
            Stage::Ending { how, .. } | Stage::Killed { how } => how,
        }
    }

    fn advance(&mut self, now: Instant) {
        match self.stage {
            Stage::Running { deadline } if deadline <= now => self.ask(End::Deadline, now),
            Stage::Ending { kill, how } if kill <= now => self.kill(how),
            _ => {}
        }
    }

    fn ask(&mut self, how: End, now: Instant) {
        self.household.terminate();
        self.stage = Stage::Ending { kill: now + self.grace, how };
    }

    fn kill(&mut self, how: End) {
        self.household.kill();
        self.stage = Stage::Killed { how };
    }

    fn stop(&mut self) {
        if matches!(self.stage, Stage::Running { .. }) {
            self.ask(End::Stopped, Instant::now());
        }
    }

    fn wait(&self, ended: &mut Signals, asked: &Signals) {
        let due = match self.stage {
            Stage::Running { deadline } => Some(deadline),
            Stage::Ending { kill, .. } => Some(kill),
            Stage::Killed { .. } => None,
        };
        let patience = due.and_then(|due| Timespec::try_from(due.saturating_duration_since(Instant::now())).ok());
        let watched: &[_] = &[ended.as_fd(), asked.as_fd(), self.control.as_fd()];
        // The other end that has gone would be readable for ever.
        let is_abandoned = matches!(self.stage, Stage::Killed { how: End::Abandoned });
        let watched = if is_abandoned { &watched[..2] } else { watched };
        let mut polled: Vec<PollFd<'_>> =
            watched.iter().map(|fd| PollFd::from_borrowed_fd(*fd, PollFlags::IN)).collect();
        // Interrupted or not, all is looked at again.
        let _ = poll(&mut polled, patience.as_ref());
        drop(polled);
        ended.taken();
    }

    /// Any line is a request to stop. The end of them is that of whoever asked for the run.
    fn listen(&mut self) {
        let mut octets = [0; 64];
        match (&mut &*self.control).read(&mut octets) {
            Ok(0) => self.kill(End::Abandoned),
            Ok(_) => self.stop(),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(_) => self.kill(End::Abandoned),
        }
    }
}
