//! Links, addresses, routes, rules and guards of this host, and the kernel's WireGuard.

use std::sync::{Mutex, MutexGuard, PoisonError};

use hostnet::NetError;
use pyo3::prelude::*;

use crate::change::Change;
use crate::failure;
use crate::guard::{FromGuard, Guard};
use crate::net::{FromAddress, FromPrefix, ToInterface, ToNetwork};
use crate::rule::{self, FromRule, Rule};
use crate::status::{self, DeviceStatus};

/// Sockets to the network namespace of the thread that opened them.
#[pyclass(frozen, module = "warren._core")]
pub(crate) struct Netlink {
    route: Mutex<hostnet::Netlink>,
    wireguard: Mutex<hostnet::WireGuard>,
    nftables: Mutex<hostnet::Nftables>,
}

/// The state of a network link when it was queried.
#[pyclass(frozen, get_all, module = "warren._core")]
pub(crate) struct Link {
    /// Never reused in this namespace.
    index: u32,
    name: String,
    /// The MTU in octets.
    mtu: u32,
    /// Whether it is set up.
    up: bool,
    /// The kind of its driver, such as "tun"; physical links have none.
    kind: Option<String>,
    /// The alias set by its owner.
    alias: Option<String>,
    /// Whether `create_wireguard` created it, in this process or in one that has ended.
    ours: bool,
    /// Whether an IPv4 address stays when the primary address of its network is removed.
    promotes_secondaries: bool,
}

/// An address of a link.
#[pyclass(frozen, get_all, module = "warren._core")]
pub(crate) struct LinkAddress {
    address: Py<PyAny>,
    /// Whether `add_address` added it, in this process or, since Linux 5.18, in one that has ended.
    ours: bool,
}

/// A route on one link.
#[pyclass(frozen, get_all, module = "warren._core")]
pub(crate) struct LinkRoute {
    destination: Py<PyAny>,
    table: u32,
    /// The index of the link; None for several links, and for an unreachable route.
    link: Option<u32>,
    /// Whether `add_route` or `add_fallback` created it, in this process or in one that has ended.
    ours: bool,
    /// None for the MTU of the link.
    mtu: Option<u32>,
    /// Whether packets for the destination are refused.
    unreachable: bool,
}

impl Netlink {
    fn with_netlink<T: Send>(
        &self,
        py: Python<'_>,
        question: impl FnOnce(&mut hostnet::Netlink) -> Result<T, NetError> + Send,
    ) -> PyResult<T> {
        py.detach(|| question(&mut lock(&self.route))).map_err(|error| failure::net(py, &error))
    }

    fn with_wireguard<T: Send>(
        &self,
        py: Python<'_>,
        question: impl FnOnce(&mut hostnet::WireGuard) -> Result<T, NetError> + Send,
    ) -> PyResult<T> {
        py.detach(|| question(&mut lock(&self.wireguard))).map_err(|error| failure::net(py, &error))
    }

    fn with_nftables<T: Send>(
        &self,
        py: Python<'_>,
        question: impl FnOnce(&mut hostnet::Nftables) -> Result<T, NetError> + Send,
    ) -> PyResult<T> {
        py.detach(|| question(&mut lock(&self.nftables))).map_err(|error| failure::net(py, &error))
    }

    fn connect() -> Result<Self, NetError> {
        let (route, wireguard) = (hostnet::Netlink::open()?, hostnet::WireGuard::open()?);
        let nftables = hostnet::Nftables::open();
        Ok(Self { route: Mutex::new(route), wireguard: Mutex::new(wireguard), nftables: Mutex::new(nftables) })
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[pymethods]
impl Netlink {
    /// Open the sockets. Needs no privilege; changes do.
    #[staticmethod]
    fn open(py: Python<'_>) -> PyResult<Self> {
        py.detach(Self::connect).map_err(|error| failure::net(py, &error))
    }

    /// Return the link of that name. Raises InterfaceError if there is none.
    fn link(&self, py: Python<'_>, name: &str) -> PyResult<Link> {
        self.with_netlink(py, |netlink| netlink.link(name)).map(Link::from)
    }

    /// Return every link of this namespace.
    fn links(&self, py: Python<'_>) -> PyResult<Vec<Link>> {
        Ok(self.with_netlink(py, hostnet::Netlink::links)?.into_iter().map(Link::from).collect())
    }

    /// Create a link of the kernel's WireGuard: down, without keys, peers or addresses.
    ///
    /// Raises HostError with the code `engine.no_kernel` where the kernel has no WireGuard, InterfaceError if there is
    /// such a link.
    fn create_wireguard(&self, py: Python<'_>, name: &str) -> PyResult<()> {
        self.with_netlink(py, |netlink| netlink.create_wireguard(name))
    }

    /// Return the state of any link of the kernel's WireGuard.
    fn wireguard_get(&self, py: Python<'_>, name: &str) -> PyResult<DeviceStatus> {
        let found = self.with_wireguard(py, |wireguard| wireguard.get(name))?;
        status::of_kernel(py, &found)
    }

    /// Apply an InterfaceChange to a link of the kernel's WireGuard. A port in use changes nothing.
    fn wireguard_set(&self, py: Python<'_>, name: &str, change: Change<'_>) -> PyResult<()> {
        let change = change.into();
        self.with_wireguard(py, |wireguard| wireguard.set(name, &change))
    }

    /// Set the MTU in octets.
    fn set_mtu(&self, py: Python<'_>, index: u32, mtu: u32) -> PyResult<()> {
        self.with_netlink(py, |netlink| netlink.set_mtu(index, mtu))
    }

    /// Set the alias, which names the owner of a link.
    fn set_alias(&self, py: Python<'_>, index: u32, alias: &str) -> PyResult<()> {
        self.with_netlink(py, |netlink| netlink.set_alias(index, alias))
    }

    /// Set a link up or down.
    fn set_up(&self, py: Python<'_>, index: u32, up: bool) -> PyResult<()> {
        self.with_netlink(py, |netlink| netlink.set_up(index, up))
    }

    /// Delete a link, with its addresses and routes.
    fn delete_link(&self, py: Python<'_>, index: u32) -> PyResult<()> {
        self.with_netlink(py, |netlink| netlink.delete_link(index))
    }

    /// Return the addresses of a link, including link-local ones.
    fn addresses(&self, py: Python<'_>, index: u32) -> PyResult<Vec<LinkAddress>> {
        let addresses = self.with_netlink(py, |netlink| netlink.addresses(index))?;
        addresses.into_iter().map(|address| LinkAddress::new(py, address)).collect()
    }

    /// Add an address to a link; the kernel adds the route to its network.
    fn add_address(&self, py: Python<'_>, index: u32, address: FromPrefix) -> PyResult<()> {
        self.with_netlink(py, |netlink| netlink.add_address(index, address.0))
    }

    /// Remove an address from a link.
    fn remove_address(&self, py: Python<'_>, index: u32, address: FromPrefix) -> PyResult<()> {
        self.with_netlink(py, |netlink| netlink.remove_address(index, address.0))
    }

    /// Keep an IPv4 address of the link when the primary address of its network is removed.
    fn promote_secondaries(&self, py: Python<'_>, index: u32) -> PyResult<()> {
        self.with_netlink(py, |netlink| netlink.promote_secondaries(index))
    }

    /// Return the unicast routes on a link in all tables.
    fn routes(&self, py: Python<'_>, index: u32) -> PyResult<Vec<LinkRoute>> {
        let routes = self.with_netlink(py, |netlink| netlink.routes(index))?;
        routes.into_iter().map(|route| LinkRoute::new(py, &route)).collect()
    }

    /// Return the routes in the table of that number, on any link.
    fn table_routes(&self, py: Python<'_>, table: u32) -> PyResult<Vec<LinkRoute>> {
        let routes = self.with_netlink(py, |netlink| netlink.table_routes(table))?;
        routes.into_iter().map(|route| LinkRoute::new(py, &route)).collect()
    }

    /// Add a route on a link to the routing table of that number; without `mtu` it has that of the link.
    #[pyo3(signature = (index, destination, table, mtu=None))]
    fn add_route(
        &self,
        py: Python<'_>,
        index: u32,
        destination: FromPrefix,
        table: u32,
        mtu: Option<u32>,
    ) -> PyResult<()> {
        self.with_netlink(py, |netlink| netlink.add_route(index, destination.0, Some(table), mtu))
    }

    /// Set the MTU of a route that `add_route` added, without a moment in which there is none; None removes it.
    #[pyo3(signature = (index, destination, table, mtu))]
    fn set_route_mtu(
        &self,
        py: Python<'_>,
        index: u32,
        destination: FromPrefix,
        table: u32,
        mtu: Option<u32>,
    ) -> PyResult<()> {
        self.with_netlink(py, |netlink| netlink.set_route_mtu(index, destination.0, Some(table), mtu))
    }

    /// Remove a route on a link, if `add_route` created it.
    fn remove_route(&self, py: Python<'_>, index: u32, destination: FromPrefix, table: u32) -> PyResult<()> {
        self.with_netlink(py, |netlink| netlink.remove_route(index, destination.0, Some(table)))
    }

    /// Return the index of the link by which a datagram to `destination` would leave with that mark.
    ///
    /// Raises HostError if there is no route.
    fn route_to(&self, py: Python<'_>, destination: FromAddress, fwmark: u32) -> PyResult<u32> {
        self.with_netlink(py, |netlink| netlink.route_to(destination.0, None, fwmark))
    }

    /// Return the MTU of the route to `destination` with that mark, configured or learnt; None for that of the link.
    ///
    /// Raises HostError if there is no route.
    fn route_mtu(&self, py: Python<'_>, destination: FromAddress, fwmark: u32) -> PyResult<Option<u32>> {
        self.with_netlink(py, |netlink| netlink.route_mtu(destination.0, fwmark))
    }

    /// Add the route to the network of an address of a link, as the kernel adds it with the address.
    fn add_connected_route(&self, py: Python<'_>, index: u32, address: FromPrefix) -> PyResult<()> {
        self.with_netlink(py, |netlink| netlink.add_connected_route(index, address.0))
    }

    /// Return the fallbacks that `add_fallback` added to any table.
    fn fallbacks(&self, py: Python<'_>) -> PyResult<Vec<LinkRoute>> {
        let routes = self.with_netlink(py, hostnet::Netlink::fallbacks)?;
        routes.into_iter().map(|route| LinkRoute::new(py, &route)).collect()
    }

    /// Add a fallback: packets for which the table has no other route are refused.
    fn add_fallback(&self, py: Python<'_>, destination: FromPrefix, table: u32) -> PyResult<()> {
        self.with_netlink(py, |netlink| netlink.add_fallback(destination.0, table))
    }

    /// Remove a fallback, if `add_fallback` created it.
    fn remove_fallback(&self, py: Python<'_>, destination: FromPrefix, table: u32) -> PyResult<()> {
        self.with_netlink(py, |netlink| netlink.remove_fallback(destination.0, table))
    }

    /// Return the rules of policy routing that `add_rule` created, in this process or in one that has ended.
    fn rules(&self, py: Python<'_>) -> PyResult<Vec<Rule>> {
        Ok(self.with_netlink(py, hostnet::Netlink::rules)?.into_iter().map(Rule).collect())
    }

    /// Add a rule.
    fn add_rule(&self, py: Python<'_>, rule: FromRule) -> PyResult<()> {
        self.with_netlink(py, |netlink| netlink.add_rule(rule.0))
    }

    /// Remove a rule, if `add_rule` created it.
    fn remove_rule(&self, py: Python<'_>, rule: FromRule) -> PyResult<()> {
        self.with_netlink(py, |netlink| netlink.remove_rule(rule.0))
    }

    /// Return the guards of default routes that `set_guard` created, in this process or in one that has ended.
    ///
    /// Raises HostError with the code `host.no_nftables` where the kernel has no nf_tables.
    fn guards(&self, py: Python<'_>) -> PyResult<Vec<Guard>> {
        Ok(self.with_nftables(py, hostnet::Nftables::guards)?.into_iter().map(Guard).collect())
    }

    /// Create a guard, or replace the one of the same link and version, entirely or not at all, and record whether
    /// net.ipv4.conf.all.src_valid_mark is set for it.
    fn set_guard(&self, py: Python<'_>, guard: FromGuard, sets_valid_mark: bool) -> PyResult<()> {
        let guard = guard.with(py, sets_valid_mark)?;
        self.with_nftables(py, |nftables| nftables.set_guard(&guard))
    }

    /// Remove the guard of a link and an IP version, if `set_guard` created it.
    fn remove_guard(&self, py: Python<'_>, link: &str, version: u8) -> PyResult<()> {
        let version = rule::version(py, version)?;
        self.with_nftables(py, |nftables| nftables.remove_guard(version, link))
    }
}

impl From<hostnet::Link> for Link {
    fn from(link: hostnet::Link) -> Self {
        Self {
            index: link.index,
            name: link.name,
            mtu: link.mtu,
            up: link.up,
            kind: link.kind,
            alias: link.alias,
            ours: link.ours,
            promotes_secondaries: link.promotes_secondaries,
        }
    }
}

impl LinkAddress {
    fn new(py: Python<'_>, address: hostnet::Address) -> PyResult<Self> {
        Ok(Self { address: ToInterface(address.network).into_pyobject(py)?.unbind(), ours: address.ours })
    }
}

impl LinkRoute {
    fn new(py: Python<'_>, route: &hostnet::Route) -> PyResult<Self> {
        Ok(Self {
            destination: ToNetwork(route.destination).into_pyobject(py)?.unbind(),
            table: route.table,
            link: route.link,
            ours: route.protocol == hostnet::OURS,
            mtu: route.mtu,
            unreachable: route.unreachable,
        })
    }
}
