//! A device: the packet thread, and the calls that reach it from other threads.

use std::io;
use std::os::fd::OwnedFd;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;

use aead::Aead;
use proto::change::InterfaceChange;
use proto::status::InterfaceStatus;
use rustix::event::{EventfdFlags, eventfd};

use crate::control::{Control, ControlError, Request};
use crate::events::{EndReason, Event, EventQueue};
use crate::inner::Inner;
use crate::tun::Tun;
use crate::tun_inner::TunInner;
use crate::worker::Worker;

/// A WireGuard interface. It runs until it is closed or its link is deleted.
pub struct Device {
    handle: Handle,
    events: Arc<EventQueue>,
    thread: Option<JoinHandle<()>>,
}

/// Reaches a device from any thread.
#[derive(Clone)]
pub struct Handle {
    requests: mpsc::Sender<Request>,
    wakeup: Arc<OwnedFd>,
}

impl Device {
    /// Start the packet thread of a device on a TUN, as by [`Device::with_inner`].
    ///
    /// # Errors
    /// Those of [`Device::with_inner`], or the error of TUNGETIFF or socket(2).
    pub fn open(tun: Tun) -> io::Result<Self> {
        let name = tun.name()?;
        Self::with_inner(TunInner::new(tun)?, &name)
    }

    /// Start the packet thread, named `warren-NAME`. It seals and opens with the AEAD that the environment variable
    /// `WARREN_AEAD` names (`auto`, `avx512`, `avx2`, `ring`), by default the fastest of this processor. UDP sockets
    /// are opened when the inner side is up, in the network namespace of the calling thread.
    ///
    /// # Errors
    /// `InvalidInput` for an unknown or unavailable AEAD, or the error of eventfd(2), epoll(7), netlink(7) or clone(2).
    pub fn with_inner(inner: impl Inner, name: &str) -> io::Result<Self> {
        let events = Arc::new(EventQueue::new()?);
        let wakeup = Arc::new(eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC)?);
        let (sender, requests) = mpsc::channel();
        let worker = Worker::new(inner, aead_by_environment()?, requests, Arc::clone(&wakeup), Arc::clone(&events))?;
        let watched = Arc::clone(&events);
        let thread =
            std::thread::Builder::new().name(format!("warren-{name}")).spawn(move || watched.push(run(worker)))?;
        Ok(Self { handle: Handle { requests: sender, wakeup }, events, thread: Some(thread) })
    }

    /// Return the events. The last one is [`Event::Ended`].
    #[must_use]
    pub fn events(&self) -> &Arc<EventQueue> {
        &self.events
    }

    /// Return a handle for other threads.
    #[must_use]
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Close the device. The link is deleted and the port is free when this returns.
    pub fn close(mut self) {
        self.end();
    }

    fn end(&mut self) {
        self.handle.send(Request::Close);
        if let Some(thread) = self.thread.take() {
            // A panic there has been reported as an event.
            let _ = thread.join();
        }
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        self.end();
    }
}

fn aead_by_environment() -> io::Result<Aead> {
    let name = std::env::var("WARREN_AEAD").unwrap_or_else(|_| "auto".into());
    name.parse().map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, format!("WARREN_AEAD: {error}")))
}

/// Run the worker. Session keys are copied to the stack, so it is protected.
fn run(worker: Worker<impl Inner>) -> Event {
    let work = || std::panic::catch_unwind(AssertUnwindSafe(|| worker.run()));
    // SAFETY: the packet thread starts no process.
    let reason = unsafe { keymem::with_protected_stack(work) }
        .unwrap_or_else(|_| EndReason::Failed("the packet thread panicked".into()));
    Event::Ended { reason }
}

impl Handle {
    fn send(&self, request: Request) {
        // A thread that has ended receives no requests; a caller that waits for an answer then finds the channel
        // closed.
        if self.requests.send(request).is_ok() {
            let _ = rustix::io::write(&self.wakeup, &1u64.to_ne_bytes());
        }
    }
}

impl Control for Handle {
    fn apply(&self, change: InterfaceChange) -> Result<(), ControlError> {
        let (answer, answered) = mpsc::sync_channel(1);
        self.send(Request::Apply(Box::new(change), answer));
        answered.recv().unwrap_or(Err(ControlError::Closed))
    }

    fn status(&self) -> Result<InterfaceStatus, ControlError> {
        let (answer, answered) = mpsc::sync_channel(1);
        self.send(Request::Status(answer));
        answered.recv().map(|status| *status).map_err(|_| ControlError::Closed)
    }
}
