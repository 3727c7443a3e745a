//! From a process of ours to the program: everything that it is not to have is given up here, in this order.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use privilege::{Gid, Uid};
use rustix::fs::{FileType, Mode, fchown, fstat};
use rustix::io::{FdFlags, fcntl_setfd};
use rustix::process::{geteuid, setsid, umask};

use crate::limits;
use crate::namespaces::{self, PRIVATE_DIRECTORY, make_directory};
use crate::paths::{Paths, Rules};
use crate::process;
use crate::report::{Fact, Failure, Message, SandboxLevel};
use crate::request::{SandboxRequest, User};

/// V-59: these two and no others.
const ENVIRONMENT: [&str; 2] = ["PATH=/usr/bin:/bin", "LC_ALL=C"];

/// What is to become the program.
pub(crate) struct Program<'a> {
    pub(crate) request: &'a SandboxRequest,
    /// Its text, where it was read and checked before; else it is opened by its path.
    pub(crate) image: Option<&'a OwnedFd>,
    pub(crate) control: &'a UnixStream,
    pub(crate) level_reached: SandboxLevel,
    /// Threads that its user has beside it.
    pub(crate) others: u64,
}

impl Program<'_> {
    /// This process is the program's user from here on, in its directory, and whoever it forks.
    ///
    /// # Errors
    /// When something could not be given up.
    pub(crate) fn drop_privileges_in_directory(&mut self) -> Result<Rules, Failure> {
        let request = self.request;
        let own = self.own_directory().map_err(|error| Failure::of("directory", "its own directory", error))?;
        std::env::set_current_dir(&own).map_err(|error| Failure::of("directory", own.display(), error))?;
        let rules = Rules::make(&Paths {
            program: request.argv.first().map(PathBuf::from).unwrap_or_default(),
            own: if self.level_reached.has(Fact::Mounts) { namespaces::writable_mounts() } else { vec![own] },
            writable: request.writable.clone(),
            reads_all: request.user.is_some(),
        })?;
        self.drop_privileges()?;
        Ok(rules)
    }

    fn own_directory(&self) -> io::Result<PathBuf> {
        if self.level_reached.has(Fact::Mounts) {
            return Ok(PRIVATE_DIRECTORY.into());
        }
        make_directory(&self.request.directory, self.request)?;
        Ok(self.request.directory.clone())
    }

    fn drop_privileges(&mut self) -> Result<(), Failure> {
        let before = geteuid();
        if let Some(user) = &self.request.user {
            chown_streams(user).map_err(|error| Failure::of("user", "its streams", error))?;
        }
        let user = self.request.user.as_ref().map_or_else(User::current, User::privileges);
        privilege::drop_to(&user, 0).map_err(|error| Failure::new("user", error.to_string()))?;
        if user.uid != before && !user.uid.is_root() {
            self.level_reached.add(Fact::User);
        }
        self.level_reached.add(Fact::NoNewPrivs);
        self.level_reached.add(Fact::NoCapabilities);
        Ok(())
    }

    /// Returns when the program could not be started, and has said why; or when nothing was to be.
    pub(crate) fn exec(mut self, rules: Rules) {
        if let Err(failure) = self.begin(rules) {
            Message::Refused(&failure).send_to(self.control);
        }
    }

    fn begin(&mut self, rules: Rules) -> Result<(), Failure> {
        let _ = setsid();
        umask(Mode::from_raw_mode(0o077));
        if rules.keep()? {
            self.level_reached.add(Fact::Paths);
        }
        limits::set(&self.request.limits, self.others)?;
        self.level_reached.add(Fact::Limits);
        Message::of_level(&self.level_reached).send_to(self.control);
        let (level, wanted) = (self.level_reached.level(), self.request.min_level);
        if level < wanted {
            return Err(Failure::new(
                "level",
                format!("L{level} is level_reached here, and L{wanted} is signalled for"),
            ));
        }
        if self.request.probe {
            process::exit(0);
        }
        self.execute().map_err(|error| Failure::of("program", &self.request.argv[0], error))
    }

    fn execute(&self) -> io::Result<()> {
        let mut path = self.request.argv[0].clone();
        if let Some(image) = self.image {
            // An interpreter opens it anew by this name, and so it stays open.
            fcntl_setfd(image, FdFlags::empty())?;
            path = format!("/proc/self/fd/{}", image.as_raw_fd());
        }
        process::forget_signals();
        process::execute(&path, &self.request.argv, &ENVIRONMENT)?;
        Ok(())
    }
}

/// Programs that open /dev/stdout anew may: a pipe belongs to whoever made it (pipe(7)).
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

    fn current() -> privilege::User {
        privilege::User { uid: geteuid(), gid: rustix::process::getegid(), groups: Vec::new() }
    }
}

/// Removes the directory of a run whose /tmp was not its own. None of its processes is left that could change it
/// meanwhile.
pub(crate) fn remove_directory(directory: &Path) {
    // Absent where it was never made.
    let _ = std::fs::remove_dir_all(directory);
}
