//! The running interface: device, socket and log, until one of them or a signal ends it.

use std::error::Error;
use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use device::Device;
use device::events::{EndReason, Event, EventQueue};
use device::tun::Tun;
use device::uapi::{Listener, Server, client};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;

use crate::log::Log;
use crate::record::Record;
use crate::signals::Signals;

/// A served interface. Dropping it removes the socket and, with the last descriptor of its TUN, the link.
pub(crate) struct Interface {
    // Dropped in this order: all clients are closed before the device.
    server: Server,
    device: Device,
    signals: Signals,
    socket: PathBuf,
    log: Arc<Log>,
}

impl Interface {
    /// Start the packet thread and the server. After an error the socket's file is removed.
    pub(crate) fn start(tun: Tun, listener: Listener, log: Log) -> Result<Self, Box<dyn Error>> {
        let signals = Signals::catch().inspect_err(|_| unlink_socket(&listener))?;
        let device = Device::open(tun)
            .inspect_err(|_| unlink_socket(&listener))
            .map_err(|error| format!("starting the packet thread: {error}"))?;
        let log = Arc::new(log);
        let server_log = Arc::clone(&log);
        let socket = listener.path().to_owned();
        let server = Server::start(
            listener,
            Arc::new(device.handle()),
            Arc::new(move |notice| server_log.write(&Record::from(&notice))),
        )
        .map_err(|error| format!("serving {}: {error}", socket.display()))?;
        Ok(Self { server, device, signals, socket, log })
    }

    /// Query the interface through its own socket, as `wg show` does.
    pub(crate) fn answers(&self) -> Result<(), Box<dyn Error>> {
        let (directory, name) = (self.socket.parent(), self.socket.file_stem().and_then(OsStr::to_str));
        client::get(directory.unwrap_or(Path::new("/")), name.unwrap_or_default())?;
        Ok(())
    }

    /// Serve until a signal is received, or the socket or the link is deleted.
    ///
    /// # Errors
    /// The failure of the device.
    pub(crate) fn run(self) -> Result<(), Box<dyn Error>> {
        let mut ended = None;
        while ended.is_none() && self.wait()? {
            ended = report(&self.log, self.device.events());
        }
        let Self { server, device, log, .. } = self;
        server.close();
        let events = Arc::clone(device.events());
        device.close();
        match ended.or(report(&log, &events)) {
            Some(EndReason::Failed(reason)) => Err(reason.into()),
            _ => Ok(()),
        }
    }

    /// Wait for events of the device; `false` after a signal or when the server has ended.
    fn wait(&self) -> io::Result<bool> {
        let mut sources = [
            PollFd::new(&self.signals, PollFlags::IN),
            PollFd::from_borrowed_fd(self.server.ended(), PollFlags::empty()),
            PollFd::new(&**self.device.events(), PollFlags::IN),
        ];
        while let Err(errno) = poll(&mut sources, None) {
            if errno != Errno::INTR {
                return Err(errno.into());
            }
        }
        Ok(sources[..2].iter().all(|source| source.revents().is_empty()))
    }
}

/// Log the events; return the reason if the device has ended.
fn report(log: &Log, events: &EventQueue) -> Option<EndReason> {
    let events = events.drain();
    events.iter().for_each(|event| log.write(&Record::from(event)));
    events.into_iter().find_map(|event| match event {
        Event::Ended { reason } => Some(reason),
        _ => None,
    })
}

/// Remove the socket's file; the original error is reported, and a remaining file is found stale later.
fn unlink_socket(listener: &Listener) {
    let _ = listener.unlink();
}
