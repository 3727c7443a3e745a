//! Which files the program may use (Landlock), beside what their modes say.

use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access, AccessFs, BitFlags, PathBeneath, PathFd, PathFdError, Ruleset, RulesetAttr, RulesetCreated,
    RulesetCreatedAttr, RulesetError, RulesetStatus, Scope,
};

use crate::report::Failure;

/// The newest that is known here. An older kernel does what it can.
const KNOWN: ABI = ABI::V7;
const DEVICES: [&str; 3] = ["/dev/null", "/dev/zero", "/dev/full"];
/// What one that runs as the agent's own user may read, as modes keep nothing of the agent's from it: programs and what
/// they cannot do without.
const SYSTEM: [&str; 25] = [
    "/bin",
    "/sbin",
    "/lib",
    "/lib32",
    "/lib64",
    "/usr",
    "/opt",
    "/proc",
    "/sys",
    "/dev/random",
    "/dev/urandom",
    "/etc/alternatives",
    "/etc/group",
    "/etc/hosts",
    "/etc/ld.so.cache",
    "/etc/localtime",
    "/etc/nsswitch.conf",
    "/etc/passwd",
    "/etc/protocols",
    "/etc/python3",
    "/etc/resolv.conf",
    "/etc/services",
    "/etc/ssl/certs",
    "/etc/ssl/openssl.cnf",
    "/etc/os-release",
];

/// What it may write, and where it comes from.
#[derive(Debug)]
pub(crate) struct Paths {
    pub(crate) program: PathBuf,
    pub(crate) own: Vec<PathBuf>,
    pub(crate) writable: Vec<PathBuf>,
    /// Whether it may read whatever its user may.
    pub(crate) reads_all: bool,
}

/// The rules, made while this process may still open every path.
pub(crate) struct Rules(RulesetCreated);

impl Rules {
    /// # Errors
    /// When one of the directories that are to be writable cannot be opened.
    pub(crate) fn make(paths: &Paths) -> Result<Self, Failure> {
        Self::made(paths).map_err(|error| Failure::new("paths", error))
    }

    fn made(paths: &Paths) -> Result<Self, String> {
        let map_error = |error: RulesetError| format!("Landlock: {error}");
        let ruleset = Ruleset::default().handle_access(AccessFs::from_all(KNOWN)).map_err(map_error)?;
        let ruleset = ruleset.scope(Scope::from_all(KNOWN)).map_err(map_error)?;
        let mut rules = ruleset.create().map_err(map_error)?;
        for path in readable(paths) {
            if let Ok(opened) = PathFd::new(path) {
                rules = rules.add_rule(allow(opened, AccessFs::from_read(KNOWN))).map_err(map_error)?;
            }
        }
        for device in DEVICES {
            if let Ok(opened) = PathFd::new(device) {
                rules = rules.add_rule(allow(opened, AccessFs::from_all(KNOWN))).map_err(map_error)?;
            }
        }
        for path in paths.own.iter().chain(&paths.writable) {
            let opened = PathFd::new(path).map_err(|error| unusable(path, &error))?;
            rules = rules.add_rule(allow(opened, AccessFs::from_all(KNOWN))).map_err(map_error)?;
        }
        Ok(Self(rules))
    }

    /// This process keeps to them, and all that it starts. Whether the kernel knows Landlock.
    ///
    /// # Errors
    /// When it does and refuses.
    pub(crate) fn keep(self) -> Result<bool, Failure> {
        let kept = self.0.restrict_self().map_err(|error| Failure::new("paths", format!("Landlock: {error}")))?;
        Ok(kept.ruleset != RulesetStatus::NotEnforced)
    }
}

/// A file can have fewer rights than a directory; those that it cannot have are left out.
fn allow(opened: PathFd, access: BitFlags<AccessFs>) -> PathBeneath<PathFd> {
    PathBeneath::new(opened, access)
}

fn readable(paths: &Paths) -> Vec<&Path> {
    if paths.reads_all {
        return vec![Path::new("/")];
    }
    SYSTEM.iter().map(Path::new).chain([paths.program.as_path()]).collect()
}

fn unusable(path: &Path, error: &PathFdError) -> String {
    format!("{} of [sandbox] writable cannot be opened: {error}", path.display())
}
