//! What is to run and within which limits, as it comes over the control socket: one line of JSON.

use std::io::{self, Read};
use std::path::PathBuf;

use serde::Deserialize;

/// Octets. Arguments of a program are bounded by the kernel at a quarter of this, all together.
const MAX_LINE_BYTES: usize = 8 << 20;

/// One run.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SandboxRequest {
    /// The program, an absolute path, and its arguments.
    pub(crate) argv: Vec<String>,
    /// Goes all the way and runs nothing: what would be reached.
    pub(crate) probe: bool,
    /// Whom it runs as; `None` is whoever runs the sandbox.
    pub(crate) user: Option<User>,
    /// Where it works when /tmp cannot be its own: made here, and removed with all that is in it.
    pub(crate) directory: PathBuf,
    /// What else it may write.
    pub(crate) writable: Vec<PathBuf>,
    /// Whether it has the host's network; else it has none.
    pub(crate) network: bool,
    /// Of L0 to L3: where less is reached, nothing runs.
    pub(crate) min_level: u8,
    pub(crate) deadline_ms: u64,
    /// Between TERM and KILL.
    pub(crate) grace_ms: u64,
    pub(crate) limits: Limits,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct User {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) groups: Vec<u32>,
    /// Whether nobody else is this user: then all that is, is part of this run.
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
    /// Reads one line and nothing after it.
    ///
    /// # Errors
    /// Of reading; `InvalidData` for what is no request, `UnexpectedEof` when the other end closed init.
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
                return Err(invalid("the request is too long"));
            }
        }
        let request: Self = serde_json::from_slice(&line).map_err(io::Error::from)?;
        request.check()
    }

    fn check(self) -> io::Result<Self> {
        let has_nul = self.argv.iter().any(|argument| argument.contains('\0'));
        let is_absolute = self.argv.first().is_some_and(|program| program.starts_with('/'));
        if has_nul || !(is_absolute || self.probe) || !self.directory.is_absolute() {
            return Err(invalid("the request names no program by an absolute path"));
        }
        if self.user.as_ref().is_some_and(|user| [user.uid, user.gid].contains(&u32::MAX)) {
            return Err(invalid("the request names no user"));
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

    fn refused(line: &str) -> bool {
        SandboxRequest::read(line.as_bytes()).is_err()
    }

    #[test]
    fn a_line_is_an_order() {
        let request = SandboxRequest::read(LINE.as_bytes()).unwrap();
        assert_eq!(request.argv, ["/bin/true", "a b"]);
        assert_eq!(request.limits, Limits { memory_bytes: 1, cpu_seconds: 2, processes: 3, file_bytes: 4 });
        assert_eq!(request.user.map(|user| (user.uid, user.exclusive)), Some((61184, true)));
    }

    #[test]
    fn what_is_none() {
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
            &LINE.replace("[\"/bin/true\",\"a b\"]", "[]"),
        ] {
            assert!(refused(line), "{line}");
        }
    }
}
