//! Notifications of what changed on the host, for an event loop.

use std::collections::BTreeSet;
use std::os::fd::AsRawFd;
use std::sync::{Mutex, PoisonError};

use pyo3::prelude::*;
use pyo3::types::PyFrozenSet;

use crate::failure;
use crate::net::ToNetwork;

/// Sockets that report changes of the network namespace of the thread that opened them.
#[pyclass(frozen, module = "warren._core")]
pub(crate) struct HostMonitor(Mutex<hostnet::Monitor>);

/// What changed on the host.
#[pyclass(frozen, get_all, module = "warren._core")]
pub(crate) struct HostChanges {
    /// Whether notifications were lost, so that anything may have changed.
    lost: bool,
    /// The indices of links that changed, or whose addresses or routes did.
    links: Py<PyFrozenSet>,
    /// The tables in which a route without a link changed, or took the place of another.
    tables: Py<PyFrozenSet>,
    /// The destinations for which one route took the place of another.
    replaced: Py<PyFrozenSet>,
    /// Whether a rule of Warren was added or deleted.
    rules: bool,
    /// The names of links whose guard changed.
    guards: Py<PyFrozenSet>,
}

#[pymethods]
impl HostMonitor {
    /// Open the sockets. Needs no privilege; without CAP_NET_ADMIN, changes of nftables are not reported.
    #[staticmethod]
    fn open(py: Python<'_>) -> PyResult<Self> {
        let monitor = py.detach(hostnet::Monitor::open).map_err(|error| failure::net(py, &error))?;
        Ok(Self(Mutex::new(monitor)))
    }

    /// Return the descriptors that are readable while there are notifications, for `loop.add_reader`. This object keeps
    /// them open.
    fn descriptors(&self) -> Vec<i32> {
        let monitor = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        monitor.descriptors().map(|descriptor| descriptor.as_raw_fd()).collect()
    }

    /// Read the pending notifications. Raises OSError if a socket cannot be used any more.
    fn drain(&self, py: Python<'_>) -> PyResult<HostChanges> {
        let changes = py.detach(|| self.0.lock().unwrap_or_else(PoisonError::into_inner).drain())?;
        HostChanges::new(py, changes)
    }
}

impl HostChanges {
    fn new(py: Python<'_>, changes: hostnet::HostChanges) -> PyResult<Self> {
        let hostnet::HostChanges { lost, links, tables, replaced, rules, guards } = changes;
        Ok(Self {
            lost,
            links: frozen(py, links)?,
            tables: frozen(py, tables)?,
            replaced: PyFrozenSet::new(py, replaced.into_iter().map(ToNetwork))?.unbind(),
            rules,
            guards: frozen(py, guards)?,
        })
    }
}

fn frozen<'py, T: IntoPyObject<'py>>(py: Python<'py>, values: BTreeSet<T>) -> PyResult<Py<PyFrozenSet>> {
    Ok(PyFrozenSet::new(py, values)?.unbind())
}
