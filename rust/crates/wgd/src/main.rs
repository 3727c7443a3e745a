//! `warren-wg IFNAME`: the engine as a program of its own. It replaces wireguard-go wherever that is started by name.
#![forbid(unsafe_code)]

mod arguments;
mod daemon;
mod interface;
mod log;
mod record;
mod signals;

use std::env;
use std::error::Error;
use std::path::Path;
use std::process::ExitCode;

use device::inherited;
use device::tun::Tun;
use device::uapi::{DEFAULT_DIRECTORY, Listener};
use hostnet::Netlink;

use crate::arguments::{HELP, Request};
use crate::daemon::{Parent, TUN_FD, UAPI_FD};
use crate::interface::Interface;
use crate::log::Log;
use crate::record::{Level, Record};

/// An Ethernet MTU of 1500 less 40 of IPv6, 8 of UDP and 32 of WireGuard, as in wireguard-go.
const DEFAULT_MTU: u32 = 1420;

fn main() -> ExitCode {
    let outcome = match Request::parse(env::args_os().skip(1)) {
        Some(Request::Serve { ifname, foreground }) => {
            serve(&ifname, foreground || arguments::foreground_by_environment())
        }
        Some(Request::Help) => {
            print!("{HELP}");
            Ok(())
        }
        Some(Request::Version) => {
            println!("warren-wg {}", env!("CARGO_PKG_VERSION"));
            Ok(())
        }
        None => {
            eprint!("{HELP}");
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("warren-wg: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Create link and socket, so that their errors are reported here, and serve in this process or in a daemon.
fn serve(ifname: &str, foreground: bool) -> Result<(), Box<dyn Error>> {
    let Some(parent) = Parent::inherited()? else {
        let (tun, ifname) = link(ifname)?;
        let listener = socket(&ifname)?;
        return if foreground {
            work(tun, listener, &ifname, |_| Ok(()))
        } else {
            daemon::start(&ifname, &tun, &listener, arguments::log_wanted())
        };
    };
    serve_as_daemon(ifname, parent)
}

/// Serve as a daemon and report readiness to the parent.
fn serve_as_daemon(ifname: &str, parent: Parent) -> Result<(), Box<dyn Error>> {
    let mut parent = Some(parent);
    let worked = parent.iter().try_for_each(Parent::detach).map_err(Box::from).and_then(|()| {
        let (tun, ifname) = link(ifname)?;
        let listener = socket(&ifname)?;
        work(tun, listener, &ifname, |interface| {
            interface.answers()?;
            parent.take().map_or(Ok(()), Parent::report_ready)?;
            Ok(())
        })
    });
    match (worked, parent) {
        (Err(failure), Some(parent)) => {
            parent.report_failure(&*failure);
            Ok(())
        }
        (worked, _) => worked,
    }
}

/// Return the inherited TUN or a new one, and its name as the kernel has it.
fn link(ifname: &str) -> Result<(Tun, String), Box<dyn Error>> {
    if let Some(descriptor) = inherited::take(TUN_FD)? {
        let tun = Tun::from_fd(descriptor)?;
        let ifname = tun.name()?;
        return Ok((tun, ifname));
    }
    let tun = Tun::create(ifname)?;
    let mut netlink = Netlink::open()?;
    let index = netlink.link(ifname)?.index;
    netlink.set_mtu(index, DEFAULT_MTU)?;
    Ok((tun, ifname.to_owned()))
}

/// Return the inherited listening socket or a new one.
fn socket(ifname: &str) -> Result<Listener, Box<dyn Error>> {
    match inherited::take(UAPI_FD)? {
        Some(descriptor) => Ok(Listener::inherit(descriptor)?),
        None => Ok(Listener::open(Path::new(DEFAULT_DIRECTORY), ifname)?),
    }
}

/// Serve the interface until it ends; `started` is called once it answers requests.
fn work(
    tun: Tun,
    listener: Listener,
    ifname: &str,
    started: impl FnOnce(&Interface) -> Result<(), Box<dyn Error>>,
) -> Result<(), Box<dyn Error>> {
    let log = Log::new(arguments::log_threshold(), ifname);
    log.write(&Record::new(Level::Info, "interface.started").with("version", env!("CARGO_PKG_VERSION")));
    if let Some(refusal) = keymem::state().refusal {
        log.write(&Record::new(Level::Warning, "key_memory.unlocked").with("reason", refusal));
    }
    let interface = Interface::start(tun, listener, log)?;
    started(&interface)?;
    interface.run()
}
