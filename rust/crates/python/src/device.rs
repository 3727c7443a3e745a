//! A device in this process, and the events that it tells.

use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use device::control::Control;
use device::events::{Event as Happened, EventQueue};
use device::inherited;
use device::tun::Tun;
use device::uapi::{self, Listener, Server};
use device::{Device as Engine, Handle};
use pyo3::prelude::*;

use crate::change::Change;
use crate::failure;
use crate::key::PublicKey;
use crate::status::{self, DeviceStatus};

/// A WireGuard interface whose packet thread runs in this process. It serves the socket that `wg show` asks, and makes it
/// again where others have removed it.
#[pyclass(frozen, module = "warren._core")]
pub(crate) struct Device {
    name: String,
    handle: Handle,
    events: Arc<EventQueue>,
    running: Mutex<Option<Running>>,
}

/// In the order in which they end: nobody asks a device that is gone.
struct Running {
    _server: Server,
    _engine: Engine,
}

/// What happened to a device: bounded, with a count of what was lost for want of a reader.
#[pyclass(frozen, module = "warren._core")]
pub(crate) struct Events(Arc<EventQueue>);

/// One thing that happened.
#[pyclass(frozen, module = "warren._core")]
#[derive(Debug)]
pub(crate) enum Event {
    /// The link was set up; packets pass once a port is bound.
    LinkUp {},
    /// The link was set down; sessions and the port are gone.
    LinkDown {},
    /// The UDP port is bound.
    PortBound { port: u16 },
    /// The UDP port could not be bound; it is tried again every second.
    PortRefused { port: u16, reason: String },
    /// Something that the kernel could do is done without it: slower, and as right.
    OffloadOff { name: String, reason: String },
    /// A session stands, and the peer has shown that it holds its keys.
    HandshakeCompleted { peer: PublicKey },
    /// No answer to a handshake for 90 seconds.
    HandshakeGaveUp { peer: PublicKey },
    /// A peer was heard from another address.
    EndpointMoved { peer: PublicKey, before: Option<String>, after: String },
    /// The device has ended; this is its last event.
    Ended { reason: String },
}

#[pymethods]
impl Device {
    /// Makes the link `name` and starts its engine, without keys or peers, and with its link down.
    ///
    /// `driver` is a descriptor of /dev/net/tun for a process that may not open it; it stays the caller's.
    #[staticmethod]
    #[pyo3(signature = (name, driver=None))]
    fn open(py: Python<'_>, name: String, driver: Option<RawFd>) -> PyResult<Self> {
        py.detach(|| Self::start(name, driver)).map_err(|error| error.raise(py))
    }

    /// The link's name when it was made.
    #[getter]
    fn name(&self) -> &str {
        &self.name
    }

    /// Carries out an InterfaceChange, whole or not at all.
    fn configure(&self, py: Python<'_>, change: Change<'_>) -> PyResult<()> {
        let change = change.into();
        py.detach(|| self.handle.apply(change)).map_err(|error| failure::control(py, &error))
    }

    /// The state of this moment.
    fn status(&self, py: Python<'_>) -> PyResult<DeviceStatus> {
        let status = py.detach(|| self.handle.status()).map_err(|error| failure::control(py, &error))?;
        status::of_device(py, &status)
    }

    /// What happened and was not drained yet; there after the end, too.
    #[getter]
    fn events(&self) -> Events {
        Events(Arc::clone(&self.events))
    }

    /// Ends the device: its link is gone and its port free when this returns. A second time does nothing.
    fn close(&self, py: Python<'_>) {
        py.detach(|| drop(self.running.lock().unwrap_or_else(PoisonError::into_inner).take()));
    }

    fn __enter__(this: Py<Self>) -> Py<Self> {
        this
    }

    #[pyo3(signature = (*_exception))]
    fn __exit__(&self, py: Python<'_>, _exception: &Bound<'_, pyo3::types::PyTuple>) {
        self.close(py);
    }
}

impl Device {
    fn start(name: String, driver: Option<RawFd>) -> Result<Self, failure::Start> {
        let tun = match driver {
            None => Tun::create(&name)?,
            Some(number) => Tun::create_on(inherited::duplicate(number)?, &name)?,
        };
        let engine = Engine::open(tun)?;
        let listener = Listener::open(Path::new(uapi::DEFAULT_DIRECTORY), &name)?;
        let handle = engine.handle();
        let server = Server::keep(listener, Arc::new(handle.clone()), Arc::new(|_| {}))?;
        let events = Arc::clone(engine.events());
        Ok(Self { name, handle, events, running: Mutex::new(Some(Running { _server: server, _engine: engine })) })
    }
}

#[pymethods]
impl Event {
    fn __repr__(&self) -> String {
        format!("{self:?}")
    }
}

#[pymethods]
impl Events {
    /// Takes all events there are, oldest first.
    fn drain(&self) -> Vec<Event> {
        self.0.drain().into_iter().map(Event::from).collect()
    }

    /// Events lost so far because nobody drained them.
    #[getter]
    fn dropped(&self) -> u64 {
        self.0.dropped()
    }

    /// A descriptor that polls readable while there are events: for `loop.add_reader`. It stays this object's.
    fn fileno(&self) -> i32 {
        self.0.as_fd().as_raw_fd()
    }
}

impl From<Happened> for Event {
    fn from(event: Happened) -> Self {
        match event {
            Happened::LinkUp => Self::LinkUp {},
            Happened::LinkDown => Self::LinkDown {},
            Happened::PortBound { port } => Self::PortBound { port },
            Happened::PortRefused { port, reason } => Self::PortRefused { port, reason },
            Happened::OffloadOff { name, reason } => Self::OffloadOff { name, reason },
            Happened::HandshakeCompleted { peer } => Self::HandshakeCompleted { peer: PublicKey(peer) },
            Happened::HandshakeGaveUp { peer } => Self::HandshakeGaveUp { peer: PublicKey(peer) },
            Happened::EndpointMoved { peer, from, to } => Self::EndpointMoved {
                peer: PublicKey(peer),
                before: from.map(|address| address.to_string()),
                after: to.to_string(),
            },
            Happened::Ended { reason } => Self::Ended { reason: reason.to_string() },
        }
    }
}
