//! The part of the command line that is read before Python starts.

use std::ffi::OsString;
use std::path::Path;

/// The capabilities that the agent keeps (linux/capability.h): CAP_NET_ADMIN, CAP_NET_RAW, CAP_IPC_LOCK.
pub(crate) const KEPT_CAPABILITIES: u64 = 1 << 12 | 1 << 13 | 1 << 14;

/// Return the name by which the program was called; a renamed file is `warren` under another name.
pub(crate) fn program(called: Option<OsString>) -> String {
    let name = called.as_deref().and_then(|called| Path::new(called).file_name());
    name.and_then(|name| name.to_str()).unwrap_or("warren").to_owned()
}

/// Return whether the agent is started, the one command that needs capabilities. `arguments` are without the name.
pub(crate) fn is_start(name: &str, arguments: &[OsString]) -> bool {
    let start: &[&str] = if name == "harmony-agent" { &["start"] } else { &["agent", "start"] };
    arguments.len() >= start.len() && start.iter().zip(arguments).all(|(word, given)| given == word)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(args: &[&str]) -> Vec<OsString> {
        args.iter().map(OsString::from).collect()
    }

    #[test]
    fn the_program_name_is_that_of_the_file() {
        for (called, name) in [("harmony-agent", "harmony-agent"), ("/opt/x/warren", "warren"), ("", "warren")] {
            assert_eq!(program(Some(called.into())), name);
        }
        assert_eq!(program(None), "warren");
    }

    #[test]
    fn only_the_start_of_the_agent_is_recognized() {
        assert!(is_start("warren", &line(&["agent", "start", "--verbose"])));
        assert!(is_start("harmony-agent", &line(&["start"])));
        for (name, args) in [
            ("warren", &["start"][..]),
            ("warren", &["agent"]),
            ("warren", &["agent", "stop", "start"]),
            ("warren", &["--help", "agent", "start"]),
            ("harmony-agent", &["agent", "start"]),
            ("harmony-agent", &["status", "start"]),
            ("harmony-agent", &[]),
        ] {
            assert!(!is_start(name, &line(args)), "{name} {args:?}");
        }
    }
}
