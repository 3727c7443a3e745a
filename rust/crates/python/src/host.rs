//! Links, addresses and routes of this host.

use std::sync::{Mutex, MutexGuard, PoisonError};

use hostnet::NetError;
use pyo3::prelude::*;

use crate::failure;
use crate::net::{FromPrefix, ToInterface, ToNetwork};

/// A socket to the network namespace of the thread that opened it.
#[pyclass(frozen, module = "warren._core")]
pub(crate) struct Netlink(Mutex<hostnet::Netlink>);

/// A network link as it was when it was asked for.
#[pyclass(frozen, get_all, module = "warren._core")]
pub(crate) struct Link {
    /// Never used again in this namespace after the link is gone.
    index: u32,
    name: String,
    /// Octets of its largest packet.
    mtu: u32,
    /// Whether it was set up.
    up: bool,
    /// The driver's word for it, such as "tun"; physical links have none.
    kind: Option<String>,
}

/// A route by one link.
#[pyclass(frozen, get_all, module = "warren._core")]
pub(crate) struct LinkRoute {
    destination: Py<PyAny>,
    table: u32,
    /// True if the kernel made it, from an address.
    by_kernel: bool,
    /// True if packets go to another router first.
    has_gateway: bool,
}

impl Netlink {
    fn ask<T: Send>(
        &self,
        py: Python<'_>,
        question: impl FnOnce(&mut hostnet::Netlink) -> Result<T, NetError> + Send,
    ) -> PyResult<T> {
        py.detach(|| question(&mut self.lock())).map_err(|error| failure::net(py, &error))
    }

    fn lock(&self) -> MutexGuard<'_, hostnet::Netlink> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[pymethods]
impl Netlink {
    /// Needs no privilege; changes do.
    #[staticmethod]
    fn open(py: Python<'_>) -> PyResult<Self> {
        py.detach(hostnet::Netlink::open)
            .map(|netlink| Self(Mutex::new(netlink)))
            .map_err(|error| failure::net(py, &error))
    }

    /// The link of that name. Raises InterfaceError if there is none.
    fn link(&self, py: Python<'_>, name: &str) -> PyResult<Link> {
        self.ask(py, |netlink| netlink.link(name)).map(Link::from)
    }

    /// Sets the size of the largest packet, in octets.
    fn set_mtu(&self, py: Python<'_>, index: u32, mtu: u32) -> PyResult<()> {
        self.ask(py, |netlink| netlink.set_mtu(index, mtu))
    }

    /// Sets a link up or down.
    fn set_up(&self, py: Python<'_>, index: u32, up: bool) -> PyResult<()> {
        self.ask(py, |netlink| netlink.set_up(index, up))
    }

    /// Deletes a link, with its addresses and routes.
    fn delete_link(&self, py: Python<'_>, index: u32) -> PyResult<()> {
        self.ask(py, |netlink| netlink.delete_link(index))
    }

    /// The addresses of a link, link-local ones too.
    fn addresses(&self, py: Python<'_>, index: u32) -> PyResult<Vec<ToInterface>> {
        let addresses = self.ask(py, |netlink| netlink.addresses(index))?;
        Ok(addresses.into_iter().map(ToInterface).collect())
    }

    /// Gives a link an address; the kernel makes the route to its network.
    fn add_address(&self, py: Python<'_>, index: u32, address: FromPrefix) -> PyResult<()> {
        self.ask(py, |netlink| netlink.add_address(index, address.0))
    }

    /// Takes an address from a link.
    fn remove_address(&self, py: Python<'_>, index: u32, address: FromPrefix) -> PyResult<()> {
        self.ask(py, |netlink| netlink.remove_address(index, address.0))
    }

    /// The unicast routes by a link in all tables.
    fn routes(&self, py: Python<'_>, index: u32) -> PyResult<Vec<LinkRoute>> {
        let routes = self.ask(py, |netlink| netlink.routes(index))?;
        routes.into_iter().map(|route| LinkRoute::new(py, &route)).collect()
    }

    /// Adds a route by a link, to the routing table of that number.
    fn add_route(&self, py: Python<'_>, index: u32, destination: FromPrefix, table: u32) -> PyResult<()> {
        self.ask(py, |netlink| netlink.add_route(index, destination.0, Some(table)))
    }

    /// Removes a route by a link.
    fn remove_route(&self, py: Python<'_>, index: u32, destination: FromPrefix, table: u32) -> PyResult<()> {
        self.ask(py, |netlink| netlink.remove_route(index, destination.0, Some(table)))
    }
}

impl From<hostnet::Link> for Link {
    fn from(link: hostnet::Link) -> Self {
        Self { index: link.index, name: link.name, mtu: link.mtu, up: link.up, kind: link.kind }
    }
}

impl LinkRoute {
    fn new(py: Python<'_>, route: &hostnet::Route) -> PyResult<Self> {
        Ok(Self {
            destination: ToNetwork(route.destination).into_pyobject(py)?.unbind(),
            table: route.table,
            by_kernel: route.protocol == hostnet::Route::BY_KERNEL,
            has_gateway: route.gateway.is_some(),
        })
    }
}
