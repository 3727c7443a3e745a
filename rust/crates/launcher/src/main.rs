//! `warren`, `harmony-agent`: starts Python isolated (`-I`) with the package of its own installation.
//!
//! A script cannot carry file capabilities; this program can (H-75). They apply to every user who may execute the file.
//! So they are passed only to `start`, and then nothing that the caller controls decides what runs: neither the
//! environment nor an interpreter that users other than root can write (H-76). Without file capabilities, nothing is
//! changed.
#![forbid(unsafe_code)]

mod args;
mod environment;
mod installation;
mod trust;

use std::env;
use std::error::Error;
use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use privilege::file_caps;

/// The code that Python runs; the arguments after it are the program's, its name first.
const BOOT: &str = "import sys; del sys.argv[0]; from warren.cli.main import main; sys.exit(main())";

fn main() -> ExitCode {
    let mut arguments = env::args_os();
    let name = args::program(arguments.next());
    let Err(error) = launch(&name, &arguments.collect::<Vec<_>>());
    eprintln!("{name}: {error}");
    ExitCode::FAILURE
}

/// Execute Python; return only the reason why it failed.
fn launch(name: &str, arguments: &[OsString]) -> Result<std::convert::Infallible, Box<dyn Error>> {
    let own = env::current_exe()?;
    let interpreter = installation::interpreter(&own)?;
    let mut python = Command::new(&interpreter);
    python.args(["-I", "-c", BOOT]).arg(program(own, name)).args(arguments);
    let file_caps = file_caps::gained()?;
    if file_caps != 0 && args::is_start(name, arguments) {
        installation::verify(&interpreter)?;
        environment::confine(&mut python);
        file_caps::pass_on(file_caps & args::KEPT_CAPABILITIES)?;
    } else if file_caps != 0 {
        file_caps::pass_on(0)?;
    }
    Err(format!("{}: {}", interpreter.display(), python.exec()).into())
}

/// Return the program's own path: this file under the name by which it was called.
fn program(own: PathBuf, name: &str) -> PathBuf {
    own.with_file_name(name)
}
