//! Verifies that only root can change what a path leads to.

use std::ffi::OsString;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

const ROOT: u32 = 0;
const WRITERS: u32 = 0o022;
const LINKS: usize = 40; // as many as the kernel follows (path_resolution(7))

/// A path that users other than root can change.
#[derive(Debug)]
pub(crate) struct Untrusted {
    path: PathBuf,
    reason: String,
}

impl Untrusted {
    /// Return the error for a path that cannot be examined.
    pub(crate) fn unreadable(path: &Path, error: io::Error) -> Self {
        Self { path: path.to_owned(), reason: error.to_string() }
    }

    fn writable(path: &Path) -> Self {
        Self { path: path.to_owned(), reason: "it is writable by users other than root".to_owned() }
    }
}

impl std::error::Error for Untrusted {}

impl std::fmt::Display for Untrusted {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { path, reason } = self;
        write!(
            out,
            "{}: {reason}; a program with file capabilities runs only files that root alone can change",
            path.display()
        )
    }
}

/// Verify each component of an absolute path and of every link in it: all belong to root, and no other user may write
/// any. A directory with the sticky bit counts as writable by others.
pub(crate) fn verify(path: &Path) -> Result<(), Untrusted> {
    let (mut here, mut links) = (PathBuf::from("/"), 0);
    let mut steps = reversed(path);
    verify_step(&here)?;
    while let Some(step) = steps.pop() {
        if step == ".." {
            here.pop();
            continue;
        }
        let next = here.join(step);
        if !verify_step(&next)?.is_symlink() {
            here = next;
            continue;
        }
        links += 1;
        let target = fs::read_link(&next).map_err(|error| Untrusted::unreadable(&next, error))?;
        if links > LINKS {
            return Err(Untrusted::unreadable(path, io::Error::from_raw_os_error(40))); // ELOOP
        }
        if target.is_absolute() {
            here = PathBuf::from("/");
        }
        steps.extend(reversed(&target));
    }
    Ok(())
}

fn reversed(path: &Path) -> Vec<OsString> {
    let steps = path.components().filter(|step| matches!(step, Component::Normal(_) | Component::ParentDir));
    let mut steps: Vec<_> = steps.map(|step| step.as_os_str().to_owned()).collect();
    steps.reverse();
    steps
}

fn verify_step(path: &Path) -> Result<Metadata, Untrusted> {
    let found = fs::symlink_metadata(path).map_err(|error| Untrusted::unreadable(path, error))?;
    // A link has no mode of its own: its directory decides who can change it.
    if found.uid() == ROOT && (found.is_symlink() || found.mode() & WRITERS == 0) {
        Ok(found)
    } else {
        Err(Untrusted::writable(path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn system_paths_are_accepted() {
        verify(Path::new("/usr/bin/env")).expect("root's");
        verify(Path::new("/usr/bin/../bin/env")).expect("root's");
    }

    #[test]
    fn a_path_writable_by_others_is_rejected() {
        let file = tempfile::NamedTempFile::new_in("/tmp").expect("a file");
        let refused = verify(file.path()).expect_err("everybody writes there");
        assert!(refused.to_string().starts_with("/tmp: it is writable by users other than root"), "{refused}");
    }
}
