//! The environment of a Python that has capabilities its caller has not: nothing that it does not need.

use std::process::Command;

/// What the service manager says to the agent (sd_notify(3), sd_listen_fds(3), systemd.exec(5)), what the agent itself
/// reads, and what a terminal is. None is a path of a library, of a program or of code, and none is believed as one.
const KEPT: [&str; 13] = [
    "CREDENTIALS_DIRECTORY",
    "INVOCATION_ID",
    "JOURNAL_STREAM",
    "LISTEN_FDNAMES",
    "LISTEN_FDS",
    "LISTEN_PID",
    "NOTIFY_SOCKET",
    "NO_COLOR",
    "RUST_LOG",
    "TERM",
    "VIW_AGENT_LOG_LEVEL",
    "WATCHDOG_PID",
    "WATCHDOG_USEC",
];
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Tells Python that its capabilities came by the file: it then reads configurations and keys of root and of the
/// service's user alone.
const FILE_CAPS: &str = "WARREN_FILE_CAPS";

/// Leaves `python` those, a path of the system's own, and that word.
pub(crate) fn confine(python: &mut Command) {
    python.env_clear();
    for name in KEPT {
        if let Some(value) = std::env::var_os(name) {
            python.env(name, value);
        }
    }
    python.env("PATH", PATH).env(FILE_CAPS, "1");
}
