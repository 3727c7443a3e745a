//! The request on the control socket: the program and its limits, one line of JSON.

use std::io::{self, Read};
use std::path::PathBuf;

use serde::Deserialize;

/// The kernel limits the arguments of a program to a quarter of this in total.
const MAX_LINE_BYTES: usize = 8 << 20;
const ROOT: u32 = 0;

/// One run.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SandboxRequest {
    /// The program, an absolute path, and its arguments.
    pub(crate) argv: Vec<String>,
    /// Set everything up and run nothing, to report the level that would be reached.
    pub(crate) probe: bool,
    /// The user to run as: neither root nor the user of this process, whose files and processes it would share.
    pub(crate) user: User,
    /// The working directory if there is no private /tmp: created here, and removed with its contents.
    pub(crate) directory: PathBuf,
    /// Further directories that it may write.
    pub(crate) writable: Vec<PathBuf>,
    /// Whether it has the host's network; otherwise it has none.
    pub(crate) network: bool,
    /// The least sandbox level, 0 to 3, at which the program may run.
    pub(crate) min_level: u8,
    pub(crate) deadline_ms: u64,
    /// The time between SIGTERM and SIGKILL.
    pub(crate) grace_ms: u64,
    pub(crate) limits: Limits,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct User {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) groups: Vec<u32>,
    /// Whether no other process has this user: then all its processes belong to this run.
    pub(crate) exclusive: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Limits {
    pub(crate) memory_bytes: u64,
    pub(crate) cpu_seconds: u64,
    pub(crate) processes: u64,
    pub(crate) file_bytes: u64,
}

impl SandboxRequest {
    /// Read one line.
    ///
    /// # Errors
    /// Those of reading; `InvalidData` for an invalid request, `UnexpectedEof` when the other end closed first.
    pub(crate) fn read(mut source: impl Read) -> io::Result<Self> {
        let mut line = Vec::new();
        let mut piece = [0; 4096];
        while !line.ends_with(b"\n") {
            let count = source.read(&mut piece)?;
            if count == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            line.extend_from_slice(&piece[..count]);
            if line.len() > MAX_LINE_BYTES {
                return Err(invalid("the request line is too long"));
            }
        }
        let request: Self = serde_json::from_slice(&line).map_err(io::Error::from)?;
        request.check()
    }

    fn check(self) -> io::Result<Self> {
        let has_nul = self.argv.iter().any(|argument| argument.contains('\0'));
        let is_absolute = self.argv.first().is_some_and(|program| program.starts_with('/'));
        if has_nul || !(is_absolute || self.probe) || !self.directory.is_absolute() {
            return Err(invalid("the program and the directory must be absolute paths without NUL"));
        }
        if [self.user.uid, self.user.gid].contains(&u32::MAX) {
            return Err(invalid("the user or group number is invalid"));
        }
        let groups = || self.user.groups.iter().copied().chain([self.user.gid]);
        if self.user.uid == ROOT || groups().any(|gid| gid == ROOT) {
            return Err(invalid("a program cannot be root or in the group of root"));
        }
        Ok(self)
    }
}

fn invalid(problem: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, problem)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = concat!(
        r#"{"argv":["/bin/true","a b"],"probe":false,"user":{"uid":61184,"gid":61184,"groups":[],"exclusive":true},"#,
        r#""directory":"/run/x","writable":["/srv"],"network":true,"min_level":1,"deadline_ms":45000,"grace_ms":5000,"#,
        r#""limits":{"memory_bytes":1,"cpu_seconds":2,"processes":3,"file_bytes":4}}"#,
        "\n"
    );

    fn is_rejected(line: &str) -> bool {
        SandboxRequest::read(line.as_bytes()).is_err()
    }

    #[test]
    fn a_valid_line_is_parsed() {
        let request = SandboxRequest::read(LINE.as_bytes()).unwrap();
        assert_eq!(request.argv, ["/bin/true", "a b"]);
        assert_eq!(request.limits, Limits { memory_bytes: 1, cpu_seconds: 2, processes: 3, file_bytes: 4 });
        assert_eq!((request.user.uid, request.user.exclusive), (61184, true));
    }

    #[test]
    fn an_invalid_line_is_rejected() {
        for line in [
            "",
            "{}\n",
            LINE.trim_end(),
            &LINE.replace("/bin/true", "true"),
            &LINE.replace("a b", "a\\u0000b"),
            &LINE.replace("/run/x", "x"),
            &LINE.replace("\"probe\"", "\"shell\":true,\"probe\""),
            &LINE.replace("\"uid\":61184", "\"uid\":4294967295"),
            &LINE.replace("\"uid\":61184", "\"uid\":-1"),
            &LINE.replace("\"uid\":61184", "\"uid\":0"),
            &LINE.replace("\"gid\":61184", "\"gid\":0"),
            &LINE.replace("\"groups\":[]", "\"groups\":[4,0]"),
            &LINE.replace("{\"uid\":61184,\"gid\":61184,\"groups\":[],\"exclusive\":true}", "null"),
            &LINE.replace("[\"/bin/true\",\"a b\"]", "[]"),
        ] {
            assert!(is_rejected(line), "{line}");
        }
    }
}
