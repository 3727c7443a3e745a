//! The interpreter that has the package of this installation.
//!
//! It is searched from the directory of the launcher, with links resolved, in this order:
//!
//! 1. `../lib/warren/bin/python3`: a virtual environment, or a link to one, of a launcher installed by itself
//! 2. `python3` in the same directory: a virtual environment, or an interpreter that pip installed into
//! 3. `/usr/bin/python3`, if it has the package: Debian's, for which pip puts programs into /usr/local/bin

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::trust::{self, Untrusted};

const SYSTEM: &str = "/usr/bin/python3";
const SYSTEM_LIBRARIES: [&str; 2] = ["/usr/local/lib", "/usr/lib"];

/// There is no interpreter to start.
#[derive(Debug)]
pub(crate) struct Absent(PathBuf);

impl std::error::Error for Absent {}

impl std::fmt::Display for Absent {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            out,
            "no Python interpreter for {}: expected python3 in its directory, or ../lib/warren/bin/python3",
            self.0.display()
        )
    }
}

/// Return the interpreter for the launcher `own`.
pub(crate) fn interpreter(own: &Path) -> Result<PathBuf, Absent> {
    let beside = own.parent().unwrap_or(Path::new("/"));
    let above = beside.parent().unwrap_or(Path::new("/"));
    let own_candidates = [above.join("lib/warren/bin/python3"), beside.join("python3")];
    let system = system_has_package().then(|| SYSTEM.into());
    let mut candidates = own_candidates.into_iter().chain(system);
    candidates.find(|candidate| candidate.is_file()).ok_or_else(|| Absent(own.to_owned()))
}

/// Verify that only root can change what the interpreter runs: its file, its environment's configuration, and the
/// directories of its packages.
pub(crate) fn verify(interpreter: &Path) -> Result<(), Untrusted> {
    trust::verify(interpreter)?;
    let real = fs::canonicalize(interpreter).map_err(|error| Untrusted::unreadable(interpreter, error))?;
    for program in [interpreter, &real] {
        let Some(prefix) = program.parent().and_then(Path::parent) else { continue };
        verify_if_there(&prefix.join("pyvenv.cfg"))?;
        for library in libraries(&prefix.join("lib")) {
            verify_if_there(&library)?;
        }
    }
    Ok(())
}

fn system_has_package() -> bool {
    let mut found = SYSTEM_LIBRARIES.iter().flat_map(|lib| libraries(Path::new(lib)));
    found.any(|library| library.join("cli/main.py").is_file())
}

/// Return the directories of packages below `lib`, and Warren's own in them.
fn libraries(lib: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(lib).into_iter().flatten().flatten();
    let pythons = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with("python3"));
    pythons
        .flat_map(|python| ["site-packages", "dist-packages"].map(|packages| python.path().join(packages)))
        .flat_map(|packages| [packages.join("warren"), packages])
        .collect()
}

fn verify_if_there(path: &Path) -> Result<(), Untrusted> {
    match path.symlink_metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        _ => trust::verify(path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn create_file(root: &Path, path: &str) -> PathBuf {
        let file = root.join(path);
        fs::create_dir_all(file.parent().expect("below the root")).expect("a directory");
        fs::write(&file, "").expect("a file");
        file
    }

    #[test]
    fn the_environment_in_lib_has_precedence() {
        let root = tempfile::tempdir().expect("a directory");
        let own = root.path().join("bin/warren");
        let beside = create_file(root.path(), "bin/python3");
        assert_eq!(interpreter(&own).expect("found"), beside);
        let alone = create_file(root.path(), "lib/warren/bin/python3");
        assert_eq!(interpreter(&own).expect("found"), alone);
    }
}
