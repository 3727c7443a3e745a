//! The UAPI client for interfaces of other processes.

use std::path::PathBuf;

use device::uapi::{self, client};
use proto::change::InterfaceChange;
use pyo3::prelude::*;

use crate::change::Change;
use crate::failure;
use crate::status::{self, DeviceStatus};

/// Return the state of the interface `name`, whichever program serves it.
#[pyfunction]
#[pyo3(signature = (name, *, directory = PathBuf::from(uapi::DEFAULT_DIRECTORY)))]
pub(crate) fn uapi_get(py: Python<'_>, name: &str, directory: PathBuf) -> PyResult<DeviceStatus> {
    let status = py.detach(|| client::get(&directory, name)).map_err(|error| failure::client(py, &error))?;
    status::of_interface(py, &status)
}

/// Apply an InterfaceChange to the interface `name`; Warren's engine applies it entirely or not at all.
#[pyfunction]
#[pyo3(signature = (name, change, *, directory = PathBuf::from(uapi::DEFAULT_DIRECTORY)))]
pub(crate) fn uapi_set(py: Python<'_>, name: &str, change: Change<'_>, directory: PathBuf) -> PyResult<()> {
    let change = InterfaceChange::from(change);
    py.detach(|| client::set(&directory, name, &change)).map_err(|error| failure::client(py, &error))
}
