//! A device in this process, and its events.

use std::io;
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use device::control::Control;
use device::events::{Event as Happened, EventQueue};
use device::inherited;
use device::tun::Tun;
use device::uapi::{self, ListenError, Listener, Server};
use device::{Device as Engine, Handle};
use netstack::capture::Limits;
use netstack::target::{Host, Target};
use netstack::{Stack, Tables};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::change::Change;
use crate::failure;
use crate::key::PublicKey;
use crate::stack::{self, FromTables};
use crate::status::{self, DeviceStatus};

/// A WireGuard interface whose packet thread runs in this process. It serves the socket of `wg show`, and creates it
/// again when it is removed.
#[pyclass(frozen, module = "warren._core")]
pub(crate) struct Device {
    name: String,
    handle: Handle,
    events: Arc<EventQueue>,
    /// The network stack of a device without a link.
    stack: Option<netstack::Handle>,
    running: Mutex<Option<Running>>,
}

/// In the order in which they are dropped: no client can query a closed device.
struct Running {
    _server: Option<Server>,
    _engine: Engine,
}

/// The events of a device: a bounded queue that counts dropped events.
#[pyclass(frozen, module = "warren._core")]
pub(crate) struct Events(Arc<EventQueue>);

/// An event of a device.
#[pyclass(frozen, module = "warren._core")]
#[derive(Debug)]
pub(crate) enum Event {
    /// The link was set up; packets pass once a port is bound.
    LinkUp {},
    /// The link was set down; sessions are dropped and the port is closed.
    LinkDown {},
    /// The UDP port is bound.
    PortBound { port: u16 },
    /// The UDP port could not be bound; it is retried every second.
    PortBindFailed { port: u16, reason: String },
    /// An offload of the kernel is not used: slower, with the same result.
    OffloadDisabled { name: String, reason: String },
    /// A session is established, and the peer has proven that it holds the keys.
    HandshakeCompleted { peer: PublicKey },
    /// A handshake had no answer for 90 seconds.
    HandshakeTimedOut { peer: PublicKey },
    /// A peer has sent from a new address.
    EndpointChanged { peer: PublicKey, before: Option<String>, after: String },
    /// The path MTU to a peer was found, or is another one; None if it is unknown.
    PathMtuChanged { peer: PublicKey, mtu: Option<u16> },
    /// The device has ended; this is its last event.
    Ended { reason: String },
}

#[pymethods]
impl Device {
    /// Create the link `name` and start its engine, without keys or peers, and with its link down.
    ///
    /// `driver` is a descriptor of /dev/net/tun for a process that may not open it; the caller keeps it.
    #[staticmethod]
    #[pyo3(signature = (name, driver=None))]
    fn open(py: Python<'_>, name: String, driver: Option<RawFd>) -> PyResult<Self> {
        py.detach(|| Self::start(name, driver)).map_err(|error| error.raise(py))
    }

    /// Create a device without a link, whose packets end in a network stack of this process. Needs no privilege.
    #[staticmethod]
    fn without_link(py: Python<'_>, name: String, tables: FromTables) -> PyResult<Self> {
        let tables = tables.tables(py)?;
        py.detach(|| Self::start_stack(name, tables)).map_err(|error| error.raise(py))
    }

    /// Replace the tables of the network stack. Flows that they forbid are reset; the others go on.
    fn set_tables(&self, py: Python<'_>, tables: FromTables) -> PyResult<()> {
        let tables = tables.tables(py)?;
        self.stack(py)?.set_tables(tables).map_err(|_| failure::stack_ended(py))
    }

    /// Dial an address or a name in the tunnel. Return a descriptor whose first two bytes are the outcome, followed by
    /// the stream.
    fn dial(&self, py: Python<'_>, host: &str, port: u16, timeout: f64) -> PyResult<i32> {
        let host = Host::parse(host).map_err(|_| failure::value(py, format!("invalid host {host:?}")))?;
        let timeout = Duration::try_from_secs_f64(timeout).map_err(|error| failure::value(py, error.to_string()))?;
        stack::dial(py, self.stack(py)?, Target { host, port }, timeout)
    }

    /// Return the addresses of a name by the rules of the network, in the order in which to try them.
    fn resolve(&self, py: Python<'_>, name: &str) -> PyResult<Vec<String>> {
        stack::resolve(py, self.stack(py)?, name)
    }

    /// Open a port of UDP of the own addresses, any for 0. Return its number and a descriptor whose messages are datagrams,
    /// each behind the far address in 20 octets.
    #[pyo3(signature = (port=0))]
    fn datagrams(&self, py: Python<'_>, port: u16) -> PyResult<(u16, i32)> {
        stack::datagrams(py, self.stack(py)?, port)
    }

    /// Listen at a port of the own addresses. Return a descriptor whose messages are accepted connections: the descriptor
    /// of a stream (SCM_RIGHTS) with the far address.
    fn listen(&self, py: Python<'_>, port: u16) -> PyResult<i32> {
        stack::listen(py, self.stack(py)?, port)
    }

    /// Capture the packets inside the tunnel, up to `max_bytes` and `seconds`. Return a descriptor that gives pcapng.
    fn capture(&self, py: Python<'_>, max_bytes: u64, seconds: f64) -> PyResult<i32> {
        let duration = Duration::try_from_secs_f64(seconds).map_err(|error| failure::value(py, error.to_string()))?;
        stack::capture(py, self.stack(py)?, &self.name, Limits { octets: max_bytes, duration })
    }

    /// Return a snapshot of the network stack.
    fn netstack_status<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        stack::status(py, self.stack(py)?)
    }

    /// The name of the link when it was created.
    #[getter]
    fn name(&self) -> &str {
        &self.name
    }

    /// Apply an InterfaceChange, entirely or not at all.
    fn configure(&self, py: Python<'_>, change: Change<'_>) -> PyResult<()> {
        let change = change.into();
        py.detach(|| self.handle.apply(change)).map_err(|error| failure::control(py, &error))
    }

    /// Return the current state.
    fn status(&self, py: Python<'_>) -> PyResult<DeviceStatus> {
        let status = py.detach(|| self.handle.status()).map_err(|error| failure::control(py, &error))?;
        status::of_device(py, &status)
    }

    /// The events that were not drained yet, available also after the end.
    #[getter]
    fn events(&self) -> Events {
        Events(Arc::clone(&self.events))
    }

    /// Close the device: its link is deleted and its port free when this returns. Does nothing when called again.
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
        Self::serve(name, engine, Some(listener), None)
    }

    /// Start a device without a link. Its UAPI socket exists where this process may make it.
    fn start_stack(name: String, tables: Tables) -> Result<Self, failure::Start> {
        let (stack, handle) = Stack::new(tables)?;
        let listener = match Listener::open(Path::new(uapi::DEFAULT_DIRECTORY), &name) {
            Ok(listener) => Some(listener),
            Err(ListenError::System { source, .. }) if is_closed_to_us(&source) => None,
            Err(error) => return Err(error.into()),
        };
        let engine = Engine::with_inner(stack, &name)?;
        Self::serve(name, engine, listener, Some(handle))
    }

    fn serve(
        name: String,
        engine: Engine,
        listener: Option<Listener>,
        stack: Option<netstack::Handle>,
    ) -> Result<Self, failure::Start> {
        let handle = engine.handle();
        let serve = |listener| Server::start_reopening(listener, Arc::new(handle.clone()), Arc::new(|_| {}));
        let server = listener.map(serve).transpose()?;
        let events = Arc::clone(engine.events());
        let running = Mutex::new(Some(Running { _server: server, _engine: engine }));
        Ok(Self { name, handle, events, stack, running })
    }

    fn stack(&self, py: Python<'_>) -> PyResult<&netstack::Handle> {
        self.stack.as_ref().ok_or_else(|| failure::no_stack(py))
    }
}

/// Return whether this process may not make sockets in a directory.
fn is_closed_to_us(error: &io::Error) -> bool {
    use io::ErrorKind::{NotFound, PermissionDenied, ReadOnlyFilesystem};
    matches!(error.kind(), NotFound | PermissionDenied | ReadOnlyFilesystem)
}

#[pymethods]
impl Event {
    fn __repr__(&self) -> String {
        format!("{self:?}")
    }
}

#[pymethods]
impl Events {
    /// Take all events, oldest first.
    fn drain(&self) -> Vec<Event> {
        self.0.drain().into_iter().map(Event::from).collect()
    }

    /// Return the number of events dropped because nobody drained them.
    #[getter]
    fn dropped(&self) -> u64 {
        self.0.dropped()
    }

    /// Return a descriptor that is readable while there are events, for `loop.add_reader`. This object keeps it open.
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
            Happened::PortBindFailed { port, reason } => Self::PortBindFailed { port, reason },
            Happened::OffloadDisabled { name, reason } => Self::OffloadDisabled { name, reason },
            Happened::HandshakeCompleted { peer } => Self::HandshakeCompleted { peer: PublicKey(peer) },
            Happened::HandshakeTimedOut { peer } => Self::HandshakeTimedOut { peer: PublicKey(peer) },
            Happened::EndpointChanged { peer, from, to } => Self::EndpointChanged {
                peer: PublicKey(peer),
                before: from.map(|address| address.to_string()),
                after: to.to_string(),
            },
            Happened::PathMtuChanged { peer, mtu } => Self::PathMtuChanged { peer: PublicKey(peer), mtu },
            Happened::Ended { reason } => Self::Ended { reason: reason.to_string() },
        }
    }
}
