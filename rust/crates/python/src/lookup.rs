//! Lookups of host names.

use std::net::IpAddr;
use std::os::fd::{AsFd, AsRawFd};
use std::sync::{Mutex, MutexGuard, PoisonError};

use dns::client::Query;
use dns::resolv_conf::{ResolvConf, Server};
use dns::task::Task;
use pyo3::prelude::*;

use crate::failure;

/// A lookup of a host name on a thread that never attaches to the interpreter; dropping or closing it cancels it.
#[pyclass(frozen, module = "warren._core")]
pub(crate) struct HostLookup {
    task: Mutex<Option<Task>>,
}

/// A name server, from any object by its `str()`, which may have a zone.
struct FromServer(Server);

impl<'py> FromPyObject<'_, 'py> for FromServer {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        let text = object.str()?.to_string();
        Server::parse(&text).map(Self).ok_or_else(|| failure::value(object.py(), format!("invalid address {text:?}")))
    }
}

impl HostLookup {
    fn task(&self) -> MutexGuard<'_, Option<Task>> {
        self.task.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn closed(py: Python<'_>) -> PyErr {
        failure::value(py, "the lookup is closed".into())
    }
}

#[pymethods]
impl HostLookup {
    /// Start to look up `name` with the texts of resolv.conf(5) and hosts(5). `host_name` is this host's own.
    ///
    /// `servers` take the place of those of `resolv_conf`, and packets carry `mark`.
    #[staticmethod]
    #[pyo3(signature = (name, resolv_conf, hosts, host_name, servers=None, mark=0))]
    fn start(
        py: Python<'_>,
        name: &str,
        resolv_conf: &str,
        hosts: &str,
        host_name: &str,
        servers: Option<Vec<FromServer>>,
        mark: u32,
    ) -> PyResult<Self> {
        let conf = ResolvConf::parse(resolv_conf, host_name);
        let mut query = Query { name: name.to_owned(), hosts: hosts.to_owned(), conf, mark };
        if let Some(servers) = servers {
            query = query.with_servers(servers.into_iter().map(|server| server.0));
        }
        let task = py.detach(|| Task::start(query)).map_err(|error| failure::lookup_not_started(py, &error))?;
        Ok(Self { task: Mutex::new(Some(task)) })
    }

    /// Return the descriptor that is readable once the lookup has ended. Raises InputError after `close`.
    fn fileno(&self, py: Python<'_>) -> PyResult<i32> {
        self.task().as_ref().map(|task| task.as_fd().as_raw_fd()).ok_or_else(|| Self::closed(py))
    }

    /// Return the addresses in the order in which to try them; None until the lookup has ended.
    ///
    /// Raises RemoteError if the name does not resolve, InputError after `close`.
    fn addresses(&self, py: Python<'_>) -> PyResult<Option<Vec<String>>> {
        let task = self.task();
        let text = |addresses: &Vec<IpAddr>| addresses.iter().map(ToString::to_string).collect();
        match task.as_ref().ok_or_else(|| Self::closed(py))?.outcome() {
            None => Ok(None),
            Some(Ok(addresses)) => Ok(Some(text(addresses))),
            Some(Err(error)) => Err(failure::lookup(py, error)),
        }
    }

    /// Cancel the lookup if it has not ended, and close the descriptor.
    fn close(&self) {
        self.task().take();
    }
}
