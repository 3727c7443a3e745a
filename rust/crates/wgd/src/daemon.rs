//! Daemonizing without fork: the program executes itself again, passes on the TUN and the socket, and waits until the
//! daemon reports that the interface is ready, or why not. Then it confirms, and the daemon continues.
//!
//! A process with threads cannot be forked safely, and exec needs no unsafe code. If either process is killed, the
//! connection between them is closed: then the parent reports a failure, or the daemon ends and the link is deleted.

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

/// The environment variables that pass the descriptors.
pub(crate) const TUN_FD: &str = "WG_TUN_FD";
pub(crate) const UAPI_FD: &str = "WG_UAPI_FD";
const PARENT_FD: &str = "WARREN_PARENT_FD";

/// Sent by the daemon when it is ready. Anything else is the text of an error.
const READY: u8 = 0;
/// Sent by the parent to confirm.
const CONFIRM: u8 = 1;

/// Start the daemon and return when it is ready.
///
/// # Errors
/// Why it is not. Link and socket are then removed.
pub(crate) fn start(ifname: &str, tun: &Tun, listener: &Listener, keep_stderr: bool) -> Result<(), Box<dyn Error>> {
    let started = spawn(ifname, tun, listener, keep_stderr);
    if started.is_err() {
        // The daemon does this too, unless it was killed.
        let _ = listener.unlink();
    }
    started
}

fn spawn(ifname: &str, tun: &Tun, listener: &Listener, keep_stderr: bool) -> Result<(), Box<dyn Error>> {
    let (mut to_daemon, to_parent) = UnixStream::pair()?;
    let mut command = Command::new("/proc/self/exe");
    command.arg0(env::args_os().next().unwrap_or("warren-wg".into())).args(["--foreground", ifname]);
    command.stdin(Stdio::null()).stdout(Stdio::null());
    if !keep_stderr {
        command.stderr(Stdio::null());
    }
    for (variable, descriptor) in [(TUN_FD, tun.as_fd()), (UAPI_FD, listener.as_fd()), (PARENT_FD, to_parent.as_fd())] {
        fcntl_setfd(descriptor, FdFlags::empty())?;
        command.env(variable, descriptor.as_raw_fd().to_string());
    }
    let mut daemon = command.spawn().map_err(|error| format!("starting the daemon from /proc/self/exe: {error}"))?;
    drop(to_parent);
    let mut first_octet = [0];
    if to_daemon.read(&mut first_octet)? == 0 {
        return Err(format!("the daemon ended before it was ready ({})", daemon.wait()?).into());
    }
    if first_octet == [READY] {
        return Ok(to_daemon.write_all(&[CONFIRM])?);
    }
    let mut failure = first_octet.to_vec();
    to_daemon.read_to_end(&mut failure)?;
    daemon.wait()?;
    Err(String::from_utf8_lossy(&failure).into())
}

/// The parent, which waits for this process.
pub(crate) struct Parent(UnixStream);

impl Parent {
    /// Return the parent, if this process was started as a daemon.
    pub(crate) fn inherited() -> Result<Option<Self>, Box<dyn Error>> {
        Ok(inherited::take(PARENT_FD)?.map(|stream| Self(stream.into())))
    }

    /// Leave the session, the directory and the process name of the parent.
    pub(crate) fn detach(&self) -> io::Result<()> {
        setsid()?;
        chdir("/")?;
        // Otherwise the process would be named "exe".
        Ok(rustix::thread::set_name(c"warren-wg")?)
    }

    /// Report that the interface is ready, and wait for the confirmation.
    ///
    /// # Errors
    /// When the parent is gone: it was killed, so the interface is not wanted.
    pub(crate) fn report_ready(mut self) -> io::Result<()> {
        self.0.write_all(&[READY])?;
        self.0.read_exact(&mut [CONFIRM])
    }

    /// Report a failure.
    pub(crate) fn report_failure(mut self, failure: &dyn Error) {
        // If the parent is gone, the error is dropped.
        let _ = write!(self.0, "{failure}");
    }
}
