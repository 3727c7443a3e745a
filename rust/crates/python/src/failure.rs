//! Errors of Rust as the exceptions of `warren.errors`: the text and a stable code come from here, fault and hint from
//! there.

use std::io;

use device::control::ControlError;
use device::tun::TunError;
use device::uapi::{ClientError, ListenError, PathError};
use dns::lookup::LookupError;
use hostnet::NetError;
use privilege::DropError;
use proto::key::KeyError;
use pyo3::prelude::*;
use pyo3::types::PyDict;

/// Errors of the kernel with a code of their own.
const EPERM: i32 = 1;
const EACCES: i32 = 13;
const EADDRINUSE: i32 = 98;

/// Raise `warren.errors.CLASS(problem, code=code, errno=errno)`.
fn raise(py: Python<'_>, class: &str, code: &str, problem: String, errno: Option<i32>) -> PyErr {
    let exception = || {
        let values = PyDict::new(py);
        values.set_item("code", code)?;
        values.set_item("errno", errno)?;
        py.import("warren.errors")?.getattr(class)?.call((problem,), Some(&values))
    };
    exception().map_or_else(|error| error, PyErr::from_value)
}

/// A text that is not a key.
pub(crate) fn key_text(py: Python<'_>, error: KeyError) -> PyErr {
    raise(py, "KeyTextError", "key.malformed", error.to_string(), None)
}

/// A value of the right type that is invalid.
pub(crate) fn value(py: Python<'_>, problem: String) -> PyErr {
    raise(py, "InputError", "value.invalid", problem, None)
}

/// An error of this host.
fn host(py: Python<'_>, problem: String, errno: Option<i32>) -> PyErr {
    let code = match errno {
        Some(EPERM | EACCES) => "host.not_permitted",
        Some(EADDRINUSE) => "host.port_in_use",
        _ => "host.refused",
    };
    raise(py, "HostError", code, problem, errno)
}

fn interface(py: Python<'_>, code: &str, problem: String) -> PyErr {
    raise(py, "InterfaceError", code, problem, None)
}

pub(crate) fn control(py: Python<'_>, error: &ControlError) -> PyErr {
    match error {
        ControlError::Port { source, .. } | ControlError::Fwmark { source, .. } => {
            host(py, error.to_string(), source.raw_os_error())
        }
        ControlError::Closed => interface(py, "interface.closed", error.to_string()),
    }
}

pub(crate) fn client(py: Python<'_>, error: &ClientError) -> PyErr {
    match error {
        ClientError::Path(_) => value(py, error.to_string()),
        ClientError::NotServed { .. } => interface(py, "interface.not_served", error.to_string()),
        ClientError::System { source, .. } => host(py, error.to_string(), source.raw_os_error()),
        ClientError::Refused { source, .. } => {
            raise(py, "RemoteError", "uapi.refused", error.to_string(), source.raw_os_error())
        }
        ClientError::Malformed { .. } | ClientError::Incomplete { .. } => {
            raise(py, "RemoteError", "uapi.malformed", error.to_string(), None)
        }
    }
}

pub(crate) fn net(py: Python<'_>, error: &NetError) -> PyErr {
    match error {
        NetError::NoSuchLink { .. } => interface(py, "interface.missing", error.to_string()),
        NetError::LinkExists { .. } => interface(py, "interface.exists", error.to_string()),
        NetError::NotWireGuard { .. } => interface(py, "interface.not_owned", error.to_string()),
        NetError::NoWireGuard => raise(py, "HostError", "engine.no_kernel", error.to_string(), error.errno()),
        NetError::NoNftables { .. } => raise(py, "HostError", "host.no_nftables", error.to_string(), error.errno()),
        NetError::NotPermitted { .. } | NetError::Refused { .. } => host(py, error.to_string(), error.errno()),
    }
}

/// Why a name has no address.
pub(crate) fn lookup(py: Python<'_>, error: &LookupError) -> PyErr {
    raise(py, "RemoteError", "endpoint.unresolved", error.to_string(), None)
}

pub(crate) fn lookup_not_started(py: Python<'_>, error: &io::Error) -> PyErr {
    host(py, format!("the lookup did not start: {error}"), error.raw_os_error())
}

pub(crate) fn privilege(py: Python<'_>, error: &DropError) -> PyErr {
    let errno = match error {
        DropError::Threads(_) => None,
        DropError::Refused { source, .. } => source.raw_os_error(),
    };
    host(py, error.to_string(), errno)
}

/// A stack whose device has ended.
pub(crate) fn stack_ended(py: Python<'_>) -> PyErr {
    interface(py, "interface.closed", "the device has ended".into())
}

/// A device that has a link, and so no stack.
pub(crate) fn no_stack(py: Python<'_>) -> PyErr {
    value(py, "the device has a link and no network stack".into())
}

pub(crate) fn stack_system(py: Python<'_>, error: &io::Error) -> PyErr {
    host(py, format!("no stream for the network stack: {error}"), error.raw_os_error())
}

pub(crate) fn stack_listen(py: Python<'_>, error: &netstack::ListenError) -> PyErr {
    match error {
        netstack::ListenError::InUse(_) => host(py, error.to_string(), Some(EADDRINUSE)),
        netstack::ListenError::Ended(_) => stack_ended(py),
        netstack::ListenError::System(source) => stack_system(py, source),
    }
}

pub(crate) fn stack_capture(py: Python<'_>, error: &netstack::CaptureError) -> PyErr {
    match error {
        netstack::CaptureError::Running => interface(py, "capture.running", error.to_string()),
        netstack::CaptureError::Ended(_) => stack_ended(py),
        netstack::CaptureError::System(source) => stack_system(py, source),
    }
}

/// Why a device did not start.
pub(crate) enum Start {
    Tun(TunError),
    Listen(ListenError),
    System(io::Error),
}

impl Start {
    pub(crate) fn raise(&self, py: Python<'_>) -> PyErr {
        match self {
            Self::Tun(error) => tun(py, error),
            Self::Listen(error) => listen(py, error),
            Self::System(error) => host(py, format!("the device did not start: {error}"), error.raw_os_error()),
        }
    }
}

fn tun(py: Python<'_>, error: &TunError) -> PyErr {
    let problem = error.to_string();
    match error {
        TunError::NoDriver => raise(py, "HostError", "host.no_tun", problem, None),
        TunError::NoAccess => host(py, problem, Some(EACCES)),
        TunError::NotPermitted { .. } => host(py, problem, Some(EPERM)),
        TunError::Busy { .. } | TunError::OtherKind { .. } => interface(py, "interface.exists", problem),
        TunError::Name { .. } => value(py, problem),
        TunError::NotTun(_) => host(py, problem, None),
        TunError::Refused { source, .. } => host(py, problem, source.raw_os_error()),
    }
}

fn listen(py: Python<'_>, error: &ListenError) -> PyErr {
    let problem = error.to_string();
    match error {
        ListenError::Path(PathError::Name(_) | PathError::TooLong { .. }) => value(py, problem),
        ListenError::Taken { .. } => interface(py, "interface.exists", problem),
        ListenError::NotASocket(_) => host(py, problem, None),
        ListenError::System { source, .. } | ListenError::Inherited(source) => host(py, problem, source.raw_os_error()),
    }
}

impl From<TunError> for Start {
    fn from(error: TunError) -> Self {
        Self::Tun(error)
    }
}

impl From<ListenError> for Start {
    fn from(error: ListenError) -> Self {
        Self::Listen(error)
    }
}

impl From<io::Error> for Start {
    fn from(error: io::Error) -> Self {
        Self::System(error)
    }
}
