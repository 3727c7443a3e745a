//! A device without a link: its network stack, as Python configures and uses it.

use std::net::{IpAddr, SocketAddr};
use std::os::fd::{IntoRawFd, RawFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use ipnet::IpNet;
use netstack::capture::Limits;
use netstack::dial::{Caller, Connect, Failure};
use netstack::local::config::{Listen, Listener, Login, Protocol, Proxy, Service};
use netstack::mapping::Filtering;
use netstack::policy::{Entry, Rules};
use netstack::target::Target;
use netstack::{Exit, Forward, Tables};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::failure;
use crate::stack_names::FromDns;

/// The tables of `warren.tunnel.netstack`, by their names there.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub(crate) struct FromTables {
    addresses: Vec<String>,
    mtu: u16,
    congestion: String,
    memory: usize,
    max_flows: usize,
    udp_filtering: String,
    exit: Option<FromExit>,
    forwards: Vec<FromForward>,
    proxies: Vec<FromProxy>,
    dns: FromDns,
}

#[derive(FromPyObject)]
#[pyo3(from_item_all)]
struct FromExit {
    routes: Vec<String>,
    allow: Vec<String>,
    deny: Vec<String>,
    allow_lan: bool,
    mesh: Vec<String>,
}

#[derive(FromPyObject)]
#[pyo3(from_item_all)]
struct FromForward {
    protocol: String,
    listen: Option<String>,
    tunnel_port: Option<u16>,
    to: String,
    from: Vec<String>,
}

#[derive(FromPyObject)]
#[pyo3(from_item_all)]
struct FromProxy {
    kind: String,
    listen: String,
    user: Option<String>,
    password: Option<String>,
    outside: String,
}

impl FromTables {
    /// Return the tables of the stack. Raises InputError for a text that is not what it should be.
    pub(crate) fn tables(self, py: Python<'_>) -> PyResult<Tables> {
        let mut listeners = Vec::new();
        for proxy in self.proxies {
            listeners.push(proxy.listener(py)?);
        }
        for forward in &self.forwards {
            listeners.extend(forward.listener(py)?);
        }
        let addresses = prefixes(py, &self.addresses)?;
        let mesh = addresses.iter().map(IpNet::trunc).collect();
        Ok(Tables {
            dns: Some(self.dns.rules(py, mesh, self.exit.is_some())?),
            listeners,
            addresses,
            mtu: self.mtu,
            congestion: match self.congestion.as_str() {
                "bbr" => tcp::Algorithm::Bbr,
                "cubic" => tcp::Algorithm::Cubic,
                other => return Err(unknown(py, "congestion control", other)),
            },
            memory: self.memory,
            max_flows: self.max_flows,
            udp_filtering: match self.udp_filtering.as_str() {
                "address" => Filtering::Address,
                "endpoint-independent" => Filtering::EndpointIndependent,
                "address-and-port" => Filtering::AddressAndPort,
                other => return Err(unknown(py, "filtering", other)),
            },
            forwards: self
                .forwards
                .into_iter()
                .filter_map(|forward| forward.tunnel_forward(py).transpose())
                .collect::<PyResult<_>>()?,
            exit: self.exit.map(|exit| exit.exit(py)).transpose()?,
        })
    }
}

impl FromExit {
    fn exit(self, py: Python<'_>) -> PyResult<Exit> {
        let rules = Rules {
            deny: entries(py, &self.deny)?,
            allow: entries(py, &self.allow)?,
            routes: prefixes(py, &self.routes)?,
            allow_lan: self.allow_lan,
        };
        Ok(Exit { rules, mesh: prefixes(py, &self.mesh)?, endpoints: Vec::new() })
    }
}

impl FromForward {
    /// Return the forward of a port of the tunnel, if it is one.
    fn tunnel_forward(self, py: Python<'_>) -> PyResult<Option<Forward>> {
        let Some(port) = self.tunnel_port.filter(|_| self.protocol == "tcp") else { return Ok(None) };
        let to = self.to.parse().map_err(|_| unknown(py, "target", &self.to))?;
        Ok(Some(Forward { port, to, from: prefixes(py, &self.from)? }))
    }

    /// Return the listener of a port of this host, if it has one.
    fn listener(&self, py: Python<'_>) -> PyResult<Option<Listener>> {
        let Some(text) = self.listen.as_ref().filter(|_| self.protocol == "tcp") else { return Ok(None) };
        let target = Target::parse(&self.to, None).map_err(|_| unknown(py, "target", &self.to))?;
        Ok(Some(Listener { listen: listen_at(py, text)?, service: Service::Forward(target) }))
    }
}

impl FromProxy {
    fn listener(self, py: Python<'_>) -> PyResult<Listener> {
        let protocol = match self.kind.as_str() {
            "socks5" => Protocol::Socks5,
            "http" => Protocol::Http,
            "mixed" => Protocol::Mixed,
            other => return Err(unknown(py, "kind of proxy", other)),
        };
        let login =
            self.user.zip(self.password).map(|(user, password)| Login { user, password: password.into_bytes() });
        let is_direct = match self.outside.as_str() {
            "direct" => true,
            "refuse" => false,
            other => return Err(unknown(py, "value of outside", other)),
        };
        let service = Service::Proxy(Proxy { protocol, login, is_direct });
        Ok(Listener { listen: listen_at(py, &self.listen)?, service })
    }
}

/// Return where a listener listens: `ADDRESS:PORT`, or `unix:` and a path.
fn listen_at(py: Python<'_>, text: &str) -> PyResult<Listen> {
    match text.strip_prefix("unix:") {
        Some(path) => Ok(Listen::Unix(path.into())),
        None => text.parse().map(Listen::Tcp).map_err(|_| unknown(py, "address to listen on", text)),
    }
}

fn prefixes(py: Python<'_>, texts: &[String]) -> PyResult<Vec<IpNet>> {
    let parse = |text: &String| {
        let network = text.parse().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
        network.map_err(|_| unknown(py, "prefix", text))
    };
    texts.iter().map(parse).collect()
}

fn entries(py: Python<'_>, texts: &[String]) -> PyResult<Vec<Entry>> {
    texts.iter().map(|text| text.parse().map_err(|_| unknown(py, "entry", text))).collect()
}

fn unknown(py: Python<'_>, what: &str, text: &str) -> PyErr {
    failure::value(py, format!("invalid {what} {text:?}"))
}

/// Writes the outcome of a dial in two bytes before the stream: 0, or the number of a failure.
struct Outcome;

impl Caller for Outcome {
    fn connected(&mut self, _remote: SocketAddr) -> Vec<u8> {
        vec![0, 0]
    }

    fn failed(&mut self, failure: Failure) -> Vec<u8> {
        let number = match failure {
            Failure::NoPeer => 1,
            Failure::Unreachable => 2,
            Failure::NetworkUnreachable => 3,
            Failure::Prohibited => 4,
            Failure::Refused => 5,
            Failure::TimedOut => 6,
            Failure::Limit => 7,
            Failure::Closed => 8,
            Failure::UnknownName => 9,
        };
        vec![0, number]
    }
}

/// Dial a target, and return the descriptor of the stream.
pub(crate) fn dial(py: Python<'_>, stack: &netstack::Handle, target: Target, timeout: Duration) -> PyResult<RawFd> {
    let pair = || -> std::io::Result<_> {
        let (ours, theirs) = UnixStream::pair()?;
        ours.set_nonblocking(true)?;
        Ok((ours, theirs))
    };
    let (ours, theirs) = pair().map_err(|error| failure::stack_system(py, &error))?;
    let caller = Box::new(Outcome);
    let connect = Connect { target, timeout, client: ours.into(), caller, is_direct: false };
    stack.connect(connect).map_err(|_| failure::stack_ended(py))?;
    Ok(theirs.into_raw_fd())
}

/// Resolve a name by the rules of the network, and return the addresses in the order in which to try them.
pub(crate) fn resolve(py: Python<'_>, stack: &netstack::Handle, name: &str) -> PyResult<Vec<String>> {
    let addresses = py.detach(|| stack.resolve(name).ok().and_then(|answer| answer.recv().ok()));
    let addresses = addresses.ok_or_else(|| failure::stack_ended(py))?;
    Ok(addresses.iter().map(ToString::to_string).collect())
}

/// Open a port of UDP, the given one or any for 0, and return its number and the descriptor of its datagrams.
pub(crate) fn datagrams(py: Python<'_>, stack: &netstack::Handle, port: u16) -> PyResult<(u16, RawFd)> {
    let opened = py.detach(|| stack.datagrams(port)).map_err(|error| failure::stack_listen(py, &error))?;
    Ok((opened.0, opened.1.into_raw_fd()))
}

/// Listen at a port, and return the descriptor over which accepted connections come.
pub(crate) fn listen(py: Python<'_>, stack: &netstack::Handle, port: u16) -> PyResult<RawFd> {
    let listening = py.detach(|| stack.listen(port));
    listening.map(IntoRawFd::into_raw_fd).map_err(|error| failure::stack_listen(py, &error))
}

/// Begin a capture, and return the descriptor of its stream.
pub(crate) fn capture(py: Python<'_>, stack: &netstack::Handle, name: &str, limits: Limits) -> PyResult<RawFd> {
    let capture = py.detach(|| stack.capture(name, limits));
    capture.map(IntoRawFd::into_raw_fd).map_err(|error| failure::stack_capture(py, &error))
}

/// Return a snapshot of the stack as a dict.
pub(crate) fn status<'py>(py: Python<'py>, stack: &netstack::Handle) -> PyResult<Bound<'py, PyDict>> {
    let status = py.detach(|| stack.status()).map_err(|_| failure::stack_ended(py))?;
    let refused = PyDict::new(py);
    for (reason, count) in status.counts.refused() {
        refused.set_item(reason, count)?;
    }
    let values = PyDict::new(py);
    values.set_item("tcp_flows", status.tcp_flows)?;
    values.set_item("max_flows", status.max_flows)?;
    values.set_item("udp_mappings", status.udp_mappings)?;
    values.set_item("echo_sessions", status.echo_sessions)?;
    values.set_item("no_exit", status.no_exit)?;
    values.set_item("no_icmp", status.no_icmp)?;
    values.set_item("memory", status.memory)?;
    values.set_item("refused", refused)?;
    let bad_packets = PyDict::new(py);
    for (reason, count) in status.counts.bad_packets() {
        bad_packets.set_item(reason, count)?;
    }
    values.set_item("bad_packets", bad_packets)?;
    values.set_item("dropped_packets", status.dropped)?;
    let listeners = PyDict::new(py);
    for (listener, state) in status.listeners {
        listeners.set_item(listener, state.err())?;
    }
    values.set_item("listeners", listeners)?;
    Ok(values)
}
