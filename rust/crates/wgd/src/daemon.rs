//! Going to the background without a fork: this program starts itself again, passes on the TUN and the socket, and
//! waits until the other one says that the interface answers, or why not. Only then is it told to stay.
//!
//! A process that has threads cannot be forked safely, and exec needs no unsafe code. Whoever is killed on the way
//! ends the conversation: then the starter reports a failure, or the daemon ends, and the link goes with both of them.

use std::env;
use std::error::Error;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use device::inherited;
use device::tun::Tun;
use device::uapi::Listener;
use rustix::io::{FdFlags, fcntl_setfd};
use rustix::process::{chdir, setsid};

/// The variables that carry the descriptors over.
pub(crate) const TUN_FD: &str = "WG_TUN_FD";
pub(crate) const UAPI_FD: &str = "WG_UAPI_FD";
const STARTER_FD: &str = "WARREN_STARTER_FD";

/// What the daemon says when all is well. Everything else is the text of an error.
const READY: u8 = 0;
/// What the starter says when it has heard that.
const STAY: u8 = 1;

/// Starts the daemon and returns when it answers.
///
/// # Errors
/// Why it does not. Link and socket are then gone.
pub(crate) fn start(ifname: &str, tun: &Tun, listener: &Listener, keep_stderr: bool) -> Result<(), Box<dyn Error>> {
    let started = spawn(ifname, tun, listener, keep_stderr);
    if started.is_err() {
        // The daemon does this too, unless it was killed.
        let _ = listener.unlink();
    }
    started
}

fn spawn(ifname: &str, tun: &Tun, listener: &Listener, keep_stderr: bool) -> Result<(), Box<dyn Error>> {
    let (mut daemons, starters) = UnixStream::pair()?;
    let mut command = Command::new("/proc/self/exe");
    command.arg0(env::args_os().next().unwrap_or("warren-wg".into())).args(["--foreground", ifname]);
    command.stdin(Stdio::null()).stdout(Stdio::null());
    if !keep_stderr {
        command.stderr(Stdio::null());
    }
    for (variable, descriptor) in [(TUN_FD, tun.as_fd()), (UAPI_FD, listener.as_fd()), (STARTER_FD, starters.as_fd())] {
        fcntl_setfd(descriptor, FdFlags::empty())?;
        command.env(variable, descriptor.as_raw_fd().to_string());
    }
    let mut daemon = command.spawn().map_err(|error| format!("starting the daemon from /proc/self/exe: {error}"))?;
    drop(starters);
    let mut said = [0];
    if daemons.read(&mut said)? == 0 {
        return Err(format!("the daemon ended before it was ready ({})", daemon.wait()?).into());
    }
    if said == [READY] {
        return Ok(daemons.write_all(&[STAY])?);
    }
    let mut failure = said.to_vec();
    daemons.read_to_end(&mut failure)?;
    daemon.wait()?;
    Err(String::from_utf8_lossy(&failure).into())
}

/// The one that waits for this process.
pub(crate) struct Starter(UnixStream);

impl Starter {
    /// The starter, if this process was started as a daemon.
    pub(crate) fn inherited() -> Result<Option<Self>, Box<dyn Error>> {
        Ok(inherited::take(STARTER_FD)?.map(|stream| Self(stream.into())))
    }

    /// Leaves the terminal, the directory and the name that came from the starter.
    pub(crate) fn leave(&self) -> io::Result<()> {
        setsid()?;
        chdir("/")?;
        // Else the process would be called "exe".
        Ok(rustix::thread::set_name(c"warren-wg")?)
    }

    /// Says that the interface answers, and waits to be told to stay.
    ///
    /// # Errors
    /// When nobody waits any more: the starter was killed, and so the interface is not wanted.
    pub(crate) fn tell_ready(mut self) -> io::Result<()> {
        self.0.write_all(&[READY])?;
        self.0.read_exact(&mut [STAY])
    }

    /// Says why not.
    pub(crate) fn tell_failure(mut self, failure: &dyn Error) {
        // Where nobody waits, nobody is to be told.
        let _ = write!(self.0, "{failure}");
    }
}
