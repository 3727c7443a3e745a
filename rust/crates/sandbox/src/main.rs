//! `warren-sandbox CONTROL [IMAGE]`: runs one program for a command, contained, and leaves no process of it behind.
//!
//! CONTROL is the number of a socket: an order comes in (`order`), what becomes of it goes out (`report`). A line that
//! follows asks the program to end; the end of the socket kills it at once, so that nothing outlives an agent that was
//! killed. IMAGE is the number of a descriptor with the program's text. Standard streams are the program's.
//!
//! Two processes of ours, where the host has namespaces of processes: the supervisor (this one, `watch`) outside, and
//! the first of the namespace inside (`first`), whose child becomes the program (`program`). Else the program is the
//! supervisor's child.

mod cgroup;
mod first;
mod household;
mod limits;
mod namespaces;
mod order;
mod paths;
mod process;
mod program;
mod report;
mod signals;
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
use crate::household::Household;
use crate::order::Order;
use crate::program::Program;
use crate::report::{Fact, Message, Reached, Refusal};
use crate::signals::Signals;
use crate::watch::Watch;

const USAGE: &str =
    "usage: warren-sandbox CONTROL [IMAGE], the numbers of open descriptors; Warren starts it by itself\n";

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
    let order = match Order::read(&control) {
        Ok(order) => order,
        Err(error) => {
            Message::Refused(&Refusal::of("order", "the order", error)).tell(&control);
            return ExitCode::FAILURE;
        }
    };
    match run(&order, &control, image) {
        Ok(()) => ExitCode::SUCCESS,
        Err(refusal) => {
            Message::Refused(&refusal).tell(&control);
            ExitCode::FAILURE
        }
    }
}

/// Those that were passed on; all others are closed.
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

/// Everything from the order to its end, which is told.
fn run(order: &Order, control: &UnixStream, image: Option<OwnedFd>) -> Result<(), Refusal> {
    // Refused where it leads a session already.
    let _ = setsid();
    let refused = |error: std::io::Error| Refusal::of("supervisor", "the supervisor", error);
    set_child_subreaper(Some(getpid())).map_err(|errno| refused(errno.into()))?;
    let supervisor = pidfd_open(getpid(), PidfdFlags::empty()).map_err(|errno| refused(errno.into()))?;
    let is_secluded = namespaces::seclude();
    set_dumpable_behavior(DumpableBehavior::NotDumpable).map_err(|errno| refused(errno.into()))?;
    if order.directory.symlink_metadata().is_ok() {
        return Err(Refusal::new("directory", format!("{} is there already", order.directory.display())));
    }
    let others = limits::others(order.user.as_ref(), is_secluded);
    let cgroup = Cgroup::make(&order.limits);
    let Some(child) = process::fork().map_err(refused)? else {
        let program = Program { order, image: image.as_ref(), control, reached: Reached::default(), others };
        process::exit(live(program, is_secluded, &supervisor, cgroup.as_ref()));
    };
    drop(image);
    process::leave_streams();
    let household = household(child, is_secluded, order);
    let ended = watch(order, control, &household);
    if let Some(cgroup) = cgroup {
        cgroup.kill();
        household.end();
        cgroup.remove();
    }
    household.end();
    program::remove_own(&order.directory);
    let (status, how) = ended.map_err(refused)?;
    Message::Ended { status, how }.tell(control);
    Ok(())
}

fn household(child: Pid, is_secluded: bool, order: &Order) -> Household {
    if is_secluded {
        Household::Namespace(child)
    } else {
        Household::Descendants { program: child, user: order.user.clone() }
    }
}

/// Until the end; an error has killed what there was.
fn watch(order: &Order, control: &UnixStream, household: &Household) -> std::io::Result<(i32, report::End)> {
    let prepare = || {
        control.set_nonblocking(true)?;
        Ok((Signals::catch(&[SIGCHLD])?, Signals::catch(&[SIGTERM, SIGINT, SIGHUP])?))
    };
    let watched =
        prepare().map(|(mut ended, mut asked)| Watch::new(order, control, household).until_end(&mut ended, &mut asked));
    watched.inspect_err(|_| household.kill())
}

/// The child's whole life: its status.
fn live(mut program: Program<'_>, is_secluded: bool, supervisor: &OwnedFd, cgroup: Option<&Cgroup>) -> i32 {
    let control = program.control;
    if cgroup.is_some_and(|cgroup| cgroup.enter().is_ok()) {
        program.reached.add(Fact::Cgroup);
    }
    let done = if is_secluded { live_first(program, supervisor) } else { live_alone(program, supervisor) };
    done.unwrap_or_else(|refusal| {
        Message::Refused(&refusal).tell(control);
        127
    })
}

fn live_first(mut program: Program<'_>, supervisor: &OwnedFd) -> Result<i32, Refusal> {
    namespaces::furnish(program.order, &mut program.reached)?;
    let rules = program.settle()?;
    first::keep(supervisor, || program.become_it(rules))
}

fn live_alone(mut program: Program<'_>, supervisor: &OwnedFd) -> Result<i32, Refusal> {
    namespaces::cut_off(program.order, &mut program.reached)?;
    let rules = program.settle()?;
    first::follow(supervisor).map_err(|error| Refusal::of("supervisor", "the supervisor", error))?;
    program.become_it(rules);
    Ok(127)
}
