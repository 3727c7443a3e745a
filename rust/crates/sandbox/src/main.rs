//! `warren-sandbox CONTROL [IMAGE]`: run one program of a command in a sandbox, and leave no process of it behind.
//!
//! CONTROL is the number of a socket: a request arrives on it (`request`), and the result is written to it (`report`).
//! A further line requests the program to end. When the socket is closed the program is killed at once, so that nothing
//! outlives an agent that was killed. IMAGE is the number of a descriptor of the program file. The standard streams
//! belong to the program.
//!
//! Where the host provides a PID namespace there are two processes: the supervisor outside (this one, `watch`), and PID
//! 1 of the namespace inside (`init`), whose child executes the program (`program`). Elsewhere the program is the
//! supervisor's child.

mod cgroup;
mod init;
mod ipc;
mod keyring;
mod limits;
mod namespaces;
mod paths;
mod process;
mod process_tree;
mod program;
mod report;
mod request;
mod signals;
mod system_calls;
mod watch;

use std::env;
use std::os::fd::{OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::process::ExitCode;

use rustix::process::{
    DumpableBehavior, Pid, PidfdFlags, getpid, pidfd_open, set_child_subreaper, set_dumpable_behavior, setsid,
};
use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGTERM};

use crate::cgroup::Cgroup;
use crate::process_tree::ProcessTree;
use crate::program::Program;
use crate::report::{Fact, Failure, Message, SandboxLevel};
use crate::request::SandboxRequest;
use crate::signals::Signals;
use crate::watch::Watch;

const USAGE: &str =
    "usage: warren-sandbox CONTROL [IMAGE], the numbers of open descriptors; started by Warren, not manually\n";

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    if arguments == ["--version"] {
        println!("warren-sandbox {}", env!("CARGO_PKG_VERSION"));
        return ExitCode::SUCCESS;
    }
    let Some((control, image)) = descriptors(&arguments) else {
        eprint!("{USAGE}");
        return ExitCode::from(2);
    };
    let request = match SandboxRequest::read(&control) {
        Ok(request) => request,
        Err(error) => {
            Message::Failed(&Failure::of("request", "the request", error)).send_to(&control);
            return ExitCode::FAILURE;
        }
    };
    match run(&request, &control, image) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            Message::Failed(&failure).send_to(&control);
            ExitCode::FAILURE
        }
    }
}

/// Take ownership of the descriptors that were passed on, and close all others.
fn descriptors(arguments: &[String]) -> Option<(UnixStream, Option<OwnedFd>)> {
    let numbers: Vec<RawFd> = arguments.iter().map(|text| text.parse().ok()).collect::<Option<_>>()?;
    let is_distinct = numbers.iter().all(|number| *number > 2) && numbers.first() != numbers.get(1);
    if !is_distinct || !(1..=2).contains(&numbers.len()) {
        return None;
    }
    process::close_all_but(&numbers);
    let control = process::adopt(numbers[0]).ok()?;
    let image = numbers.get(1).map(|number| process::adopt(*number)).transpose().ok()?;
    Some((control.into(), image))
}

/// Carry out a request and report its result.
fn run(request: &SandboxRequest, control: &UnixStream, image: Option<OwnedFd>) -> Result<(), Failure> {
    // Refused when this process leads a session already.
    let _ = setsid();
    let failed = |error: std::io::Error| Failure::of("supervisor", "the supervisor", error);
    set_child_subreaper(Some(getpid())).map_err(|errno| failed(errno.into()))?;
    let supervisor = pidfd_open(getpid(), PidfdFlags::empty()).map_err(|errno| failed(errno.into()))?;
    let has_pid_namespace = namespaces::unshare();
    set_dumpable_behavior(DumpableBehavior::NotDumpable).map_err(|errno| failed(errno.into()))?;
    if request.directory.symlink_metadata().is_ok() {
        return Err(Failure::new("directory", format!("{} already exists", request.directory.display())));
    }
    let others = limits::others(&request.user);
    let cgroup = Cgroup::make(&request.limits);
    let Some(child) = process::fork().map_err(failed)? else {
        let program =
            Program { request, image: image.as_ref(), control, sandbox_level: SandboxLevel::default(), others };
        process::exit(child_main(program, has_pid_namespace, &supervisor, cgroup.as_ref()));
    };
    drop(image);
    process::release_streams();
    let process_tree = process_tree(child, has_pid_namespace, request);
    let ended = watch(request, control, &process_tree);
    if let Some(cgroup) = cgroup {
        cgroup.kill();
        process_tree.end();
        cgroup.remove();
    }
    process_tree.end();
    ipc::remove_objects(&request.user);
    program::remove_directory(&request.directory);
    let (status, kind) = ended.map_err(failed)?;
    Message::Exited { status, kind }.send_to(control);
    Ok(())
}

fn process_tree(child: Pid, has_pid_namespace: bool, request: &SandboxRequest) -> ProcessTree {
    if has_pid_namespace {
        ProcessTree::Namespace(child)
    } else {
        ProcessTree::Descendants { program: child, user: request.user.clone() }
    }
}

/// Wait for the end of the run; after an error all processes are killed.
fn watch(
    request: &SandboxRequest,
    control: &UnixStream,
    process_tree: &ProcessTree,
) -> std::io::Result<(i32, report::ExitKind)> {
    let prepare = || {
        control.set_nonblocking(true)?;
        Ok((Signals::catch(&[SIGCHLD])?, Signals::catch(&[SIGTERM, SIGINT, SIGHUP])?))
    };
    let watched = prepare()
        .map(|(mut ended, mut signalled)| Watch::new(request, control, process_tree).run(&mut ended, &mut signalled));
    watched.inspect_err(|_| process_tree.kill())
}

/// Run the child process and return its exit status.
fn child_main(mut program: Program<'_>, has_pid_namespace: bool, supervisor: &OwnedFd, cgroup: Option<&Cgroup>) -> i32 {
    let control = program.control;
    if cgroup.is_some_and(|cgroup| cgroup.enter().is_ok()) {
        program.sandbox_level.add(Fact::Cgroup);
    }
    let done =
        if has_pid_namespace { run_with_init(program, supervisor) } else { run_without_init(program, supervisor) };
    done.unwrap_or_else(|failure| {
        Message::Failed(&failure).send_to(control);
        127
    })
}

fn run_with_init(mut program: Program<'_>, supervisor: &OwnedFd) -> Result<i32, Failure> {
    namespaces::setup_mounts(program.request, &mut program.sandbox_level)?;
    let rules = program.drop_privileges()?;
    init::run(supervisor, || program.exec(rules))
}

fn run_without_init(mut program: Program<'_>, supervisor: &OwnedFd) -> Result<i32, Failure> {
    namespaces::drop_network(program.request, &mut program.sandbox_level)?;
    let rules = program.drop_privileges()?;
    init::die_with(supervisor).map_err(|error| Failure::of("supervisor", "the supervisor", error))?;
    program.exec(rules);
    Ok(127)
}
