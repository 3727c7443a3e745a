//! The environment of a Python with file capabilities: only what it needs.

use std::process::Command;

/// The variables of the service manager for the agent (sd_notify(3), sd_listen_fds(3), systemd.exec(5)), those that the
/// agent reads, and the type of the terminal. None is a path of a library, a program or code, and none is used as one.
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

/// Tells Python that it has file capabilities: it then reads only configurations and keys of root and of the service's
/// user.
const FILE_CAPS: &str = "WARREN_FILE_CAPS";

/// Keep only these variables, a fixed PATH, and that flag.
pub(crate) fn confine(python: &mut Command) {
    python.env_clear();
    for name in KEPT {
        if let Some(value) = std::env::var_os(name) {
            python.env(name, value);
        }
    }
    python.env("PATH", PATH).env(FILE_CAPS, "1");
}
