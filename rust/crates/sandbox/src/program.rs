//! The transition to the program: this process gives up everything that the program must not have, in this order.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use privilege::{Gid, Uid};
use rustix::fs::{FileType, Mode, fchown, fstat};
use rustix::io::{FdFlags, fcntl_setfd};
use rustix::process::{geteuid, setsid, umask};

use crate::keyring;
use crate::limits;
use crate::namespaces::{self, PRIVATE_DIRECTORY, make_directory};
use crate::paths::{Paths, Rules};
use crate::process;
use crate::report::{Fact, Failure, Message, SandboxLevel};
use crate::request::{SandboxRequest, User};
use crate::system_calls;

/// V-59: only these two.
const ENVIRONMENT: [&str; 2] = ["PATH=/usr/bin:/bin", "LC_ALL=C"];

/// The program to execute.
pub(crate) struct Program<'a> {
    pub(crate) request: &'a SandboxRequest,
    /// Its file, when it was read and verified before; otherwise it is opened by its path.
    pub(crate) image: Option<&'a OwnedFd>,
    pub(crate) control: &'a UnixStream,
    pub(crate) sandbox_level: SandboxLevel,
    /// Threads of the same user that do not belong to the run.
    pub(crate) others: u64,
}

impl Program<'_> {
    /// Enter the program's directory and become its user.
    ///
    /// # Errors
    /// When a privilege could not be dropped.
    pub(crate) fn drop_privileges(&mut self) -> Result<Rules, Failure> {
        let request = self.request;
        let own = self.own_directory().map_err(|error| Failure::of("directory", "the program's directory", error))?;
        std::env::set_current_dir(&own).map_err(|error| Failure::of("directory", own.display(), error))?;
        let rules = Rules::make(&Paths {
            own: if self.sandbox_level.has(Fact::Mounts) { namespaces::writable_mounts() } else { vec![own] },
            writable: request.writable.clone(),
        })?;
        self.become_user()?;
        Ok(rules)
    }

    fn own_directory(&self) -> io::Result<PathBuf> {
        if self.sandbox_level.has(Fact::Mounts) {
            return Ok(PRIVATE_DIRECTORY.into());
        }
        make_directory(&self.request.directory, self.request)?;
        Ok(self.request.directory.clone())
    }

    fn become_user(&mut self) -> Result<(), Failure> {
        let user = &self.request.user;
        if geteuid().as_raw() == user.uid {
            return Err(Failure::new("user", "the program would be the user of the process that runs it"));
        }
        chown_streams(user).map_err(|error| Failure::of("user", "the standard streams", error))?;
        privilege::drop_to(&user.privileges(), 0).map_err(|error| Failure::new("user", error.to_string()))?;
        for fact in [Fact::User, Fact::NoNewPrivs, Fact::NoCapabilities] {
            self.sandbox_level.add(fact);
        }
        if keyring::leave_session() {
            self.sandbox_level.add(Fact::Keyring);
        }
        Ok(())
    }

    /// Execute the program. Return when it could not be started, after reporting why, or when this is a probe.
    pub(crate) fn exec(mut self, rules: Rules) {
        if let Err(failure) = self.start(rules) {
            Message::Failed(&failure).send_to(self.control);
        }
    }

    fn start(&mut self, rules: Rules) -> Result<(), Failure> {
        let _ = setsid();
        umask(Mode::from_raw_mode(0o077));
        if rules.apply()? {
            self.sandbox_level.add(Fact::Paths);
        }
        limits::set(&self.request.limits, self.others)?;
        self.sandbox_level.add(Fact::Limits);
        self.filter_system_calls()?;
        Message::of_level(&self.sandbox_level).send_to(self.control);
        let (level, wanted) = (self.sandbox_level.level(), self.request.min_level);
        if level < wanted {
            return Err(Failure::new(
                "level",
                format!("sandbox level L{level} is available here; L{wanted} is required"),
            ));
        }
        if self.request.probe {
            process::exit(0);
        }
        self.execute().map_err(|error| Failure::of("program", &self.request.argv[0], error))
    }

    fn filter_system_calls(&mut self) -> Result<(), Failure> {
        let level = &mut self.sandbox_level;
        let isolation = system_calls::Isolation { has_ipc: level.has(Fact::Ipc), has_cgroup: level.has(Fact::Cgroup) };
        if system_calls::filter(isolation)? {
            level.add(Fact::SystemCalls);
        }
        // Files in memory are bounded by the size of the private /tmp, or cannot be written.
        let are_files_bounded = level.has(Fact::Mounts) || level.has(Fact::Paths);
        if level.has(Fact::Cgroup) || (level.has(Fact::SystemCalls) && are_files_bounded) {
            level.add(Fact::Memory);
        }
        Ok(())
    }

    fn execute(&self) -> io::Result<()> {
        let mut path = self.request.argv[0].clone();
        if let Some(image) = self.image {
            // An interpreter opens it again by this name, so it stays open.
            fcntl_setfd(image, FdFlags::empty())?;
            path = format!("/proc/self/fd/{}", image.as_raw_fd());
        }
        process::reset_signals();
        process::execute(&path, &self.request.argv, &ENVIRONMENT)?;
        Ok(())
    }
}

/// Let the program reopen /dev/stdout: a pipe belongs to the user that created it (pipe(7)).
fn chown_streams(user: &User) -> io::Result<()> {
    let (stdin, stdout, stderr) = (io::stdin(), io::stdout(), io::stderr());
    for stream in [stdin.as_fd(), stdout.as_fd(), stderr.as_fd()] {
        if FileType::from_raw_mode(fstat(stream)?.st_mode) == FileType::Fifo {
            fchown(stream, Some(Uid::from_raw(user.uid)), Some(Gid::from_raw(user.gid)))?;
        }
    }
    Ok(())
}

impl User {
    pub(crate) fn privileges(&self) -> privilege::User {
        let groups = self.groups.iter().map(|gid| Gid::from_raw(*gid)).collect();
        privilege::User { uid: Uid::from_raw(self.uid), gid: Gid::from_raw(self.gid), groups }
    }
}

/// Remove the directory of a run that had no private /tmp. None of its processes is left that could change it
/// meanwhile.
pub(crate) fn remove_directory(directory: &Path) {
    // It is absent when it was never created.
    let _ = std::fs::remove_dir_all(directory);
}
