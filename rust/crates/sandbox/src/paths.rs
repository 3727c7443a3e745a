//! The files that the program may access by Landlock, in addition to file modes.

use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access, AccessFs, BitFlags, PathBeneath, PathFd, PathFdError, Ruleset, RulesetAttr, RulesetCreated,
    RulesetCreatedAttr, RulesetError, RulesetStatus, Scope,
};

use crate::report::Failure;

/// The newest ABI known here. An older kernel applies what it supports.
const LATEST_ABI: ABI = ABI::V7;
const DEVICES: [&str; 3] = ["/dev/null", "/dev/zero", "/dev/full"];
/// What the program may access.
#[derive(Debug)]
pub(crate) struct Paths {
    pub(crate) own: Vec<PathBuf>,
    pub(crate) writable: Vec<PathBuf>,
}

/// The rules, created while this process may still open every path.
pub(crate) struct Rules(RulesetCreated);

impl Rules {
    /// Create the rules.
    ///
    /// # Errors
    /// When a writable directory cannot be opened.
    pub(crate) fn make(paths: &Paths) -> Result<Self, Failure> {
        Self::create(paths).map_err(|error| Failure::new("paths", error))
    }

    fn create(paths: &Paths) -> Result<Self, String> {
        let map_error = |error: RulesetError| format!("Landlock: {error}");
        let ruleset = Ruleset::default().handle_access(AccessFs::from_all(LATEST_ABI)).map_err(map_error)?;
        let ruleset = ruleset.scope(Scope::from_all(LATEST_ABI)).map_err(map_error)?;
        let mut rules = ruleset.create().map_err(map_error)?;
        // It reads what the modes of files permit its user.
        let everything = PathFd::new("/").map_err(|error| error.to_string())?;
        rules = rules.add_rule(allow(everything, AccessFs::from_read(LATEST_ABI))).map_err(map_error)?;
        for device in DEVICES {
            if let Ok(opened) = PathFd::new(device) {
                rules = rules.add_rule(allow(opened, AccessFs::from_all(LATEST_ABI))).map_err(map_error)?;
            }
        }
        for path in paths.own.iter().chain(&paths.writable) {
            let opened = PathFd::new(path).map_err(|error| unusable(path, &error))?;
            rules = rules.add_rule(allow(opened, AccessFs::from_all(LATEST_ABI))).map_err(map_error)?;
        }
        Ok(Self(rules))
    }

    /// Apply the rules to this process and its children. Return whether the kernel has Landlock.
    ///
    /// # Errors
    /// When the kernel has it and refuses.
    pub(crate) fn apply(self) -> Result<bool, Failure> {
        let applied = self.0.restrict_self().map_err(|error| Failure::new("paths", format!("Landlock: {error}")))?;
        Ok(applied.ruleset != RulesetStatus::NotEnforced)
    }
}

/// Allow an access; rights that apply only to directories are left out for a file.
fn allow(opened: PathFd, access: BitFlags<AccessFs>) -> PathBeneath<PathFd> {
    PathBeneath::new(opened, access)
}

fn unusable(path: &Path, error: &PathFdError) -> String {
    format!("{}: cannot open a path of [sandbox] writable: {error}", path.display())
}
