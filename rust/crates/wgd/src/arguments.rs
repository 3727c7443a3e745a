//! The command line and the environment, both compatible with wireguard-go.

use std::env;
use std::ffi::OsString;

use crate::log::Threshold;

/// The text of `--help`.
pub(crate) const HELP: &str = "\
usage: warren-wg [-f|--foreground] IFNAME

Create interface IFNAME and serve it: wg(8) and wg-quick(8) configure it through /var/run/wireguard/IFNAME.sock.
Daemonizes once its socket is ready; exits when the link or the socket is deleted.

  -f, --foreground   stay in the foreground
  -h, --help         show this help
  --version          show the version

environment:
  LOG_LEVEL                silent, error (default; also warnings), verbose or debug
  WARREN_AEAD              AEAD implementation: auto (default), avx512, avx2 or ring
  WG_PROCESS_FOREGROUND=1  same as --foreground
  WG_TUN_FD, WG_UAPI_FD    descriptors of an open TUN and of a listening UAPI socket to use
";

/// The request on the command line.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Request {
    Serve { ifname: String, foreground: bool },
    Help,
    Version,
}

impl Request {
    /// Parse the arguments after the program's name; `None` for invalid ones.
    pub(crate) fn parse(arguments: impl IntoIterator<Item = OsString>) -> Option<Self> {
        let arguments: Option<Vec<String>> =
            arguments.into_iter().map(|argument| argument.into_string().ok()).collect();
        let arguments = arguments?;
        match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            ["-h" | "--help"] => Some(Self::Help),
            ["--version"] => Some(Self::Version),
            ["-f" | "--foreground", ifname] => Self::serve(ifname, true),
            [ifname] => Self::serve(ifname, false),
            _ => None,
        }
    }

    /// A link can be named `-x`, but that is treated as a mistyped option.
    fn serve(ifname: &str, foreground: bool) -> Option<Self> {
        (!ifname.starts_with('-')).then(|| Self::Serve { ifname: ifname.to_owned(), foreground })
    }
}

/// Return whether the environment requests the foreground.
pub(crate) fn foreground_by_environment() -> bool {
    env::var_os("WG_PROCESS_FOREGROUND").is_some_and(|value| value == "1")
}

/// Return the lowest level to log.
pub(crate) fn log_threshold() -> Threshold {
    match env::var("LOG_LEVEL").as_deref() {
        Ok("verbose" | "debug") => Threshold::Verbose,
        Ok("silent") => Threshold::Silent,
        _ => Threshold::Error,
    }
}

/// Return whether logging is configured explicitly: only then a daemon keeps its standard error.
pub(crate) fn log_wanted() -> bool {
    env::var_os("LOG_LEVEL").is_some_and(|level| !level.is_empty() && level != "silent")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Option<Request> {
        Request::parse(line.split_whitespace().map(OsString::from))
    }

    #[test]
    fn command_lines_of_wireguard_go_are_parsed() {
        let serve = |foreground| Some(Request::Serve { ifname: "wg0".to_owned(), foreground });
        assert_eq!(parse("wg0"), serve(false));
        assert_eq!(parse("-f wg0"), serve(true));
        assert_eq!(parse("--foreground wg0"), serve(true));
        assert_eq!(parse("--version"), Some(Request::Version));
        assert_eq!(parse("--help"), Some(Request::Help));
    }

    #[test]
    fn invalid_command_lines_are_rejected() {
        for line in ["", "wg0 wg1", "-f", "--foregruond", "-f -f", "wg0 -f", "-f wg0 wg1"] {
            assert_eq!(parse(line), None, "{line}");
        }
    }
}
