//! Prefixes and addresses as the classes of Python's `ipaddress`.

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyString, PyType};

use crate::failure;

/// A prefix, or an address with a prefix length, from any object by its `str()`.
pub(crate) struct FromPrefix(pub(crate) IpNet);

/// An endpoint, from any object by its `str()`.
pub(crate) struct FromEndpoint(pub(crate) SocketAddr);

/// An address, from any object by its `str()`.
pub(crate) struct FromAddress(pub(crate) IpAddr);

/// An `IPv4Network` or `IPv6Network`.
pub(crate) struct ToNetwork(pub(crate) IpNet);

/// An `IPv4Interface` or `IPv6Interface`.
pub(crate) struct ToInterface(pub(crate) IpNet);

static NETWORK4: PyOnceLock<Py<PyType>> = PyOnceLock::new();
static NETWORK6: PyOnceLock<Py<PyType>> = PyOnceLock::new();
static INTERFACE4: PyOnceLock<Py<PyType>> = PyOnceLock::new();
static INTERFACE6: PyOnceLock<Py<PyType>> = PyOnceLock::new();

impl<'py> FromPyObject<'_, 'py> for FromPrefix {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        let text = object.str()?.to_string();
        text.parse().map(Self).map_err(|_| failure::value(object.py(), format!("invalid prefix {text:?}")))
    }
}

impl<'py> FromPyObject<'_, 'py> for FromAddress {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        let text = object.str()?.to_string();
        text.parse().map(Self).map_err(|_| failure::value(object.py(), format!("invalid address {text:?}")))
    }
}

impl<'py> FromPyObject<'_, 'py> for FromEndpoint {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        let text = object.str()?.to_string();
        let refused =
            |_| failure::value(object.py(), format!("the endpoint {text:?} is not an address; resolve the name first"));
        text.parse().map(Self).map_err(refused)
    }
}

impl<'py> IntoPyObject<'py> for ToNetwork {
    type Target = PyAny;
    type Output = Bound<'py, PyAny>;
    type Error = PyErr;

    fn into_pyobject(self, py: Python<'py>) -> PyResult<Self::Output> {
        let class = match self.0 {
            IpNet::V4(_) => NETWORK4.import(py, "ipaddress", "IPv4Network"),
            IpNet::V6(_) => NETWORK6.import(py, "ipaddress", "IPv6Network"),
        };
        call(class?, self.0)
    }
}

impl<'py> IntoPyObject<'py> for ToInterface {
    type Target = PyAny;
    type Output = Bound<'py, PyAny>;
    type Error = PyErr;

    fn into_pyobject(self, py: Python<'py>) -> PyResult<Self::Output> {
        let class = match self.0 {
            IpNet::V4(_) => INTERFACE4.import(py, "ipaddress", "IPv4Interface"),
            IpNet::V6(_) => INTERFACE6.import(py, "ipaddress", "IPv6Interface"),
        };
        call(class?, self.0)
    }
}

/// Call a class with numbers, which costs `ipaddress` a third of reading a text.
fn call<'py>(class: &Bound<'py, PyType>, prefix: IpNet) -> PyResult<Bound<'py, PyAny>> {
    match prefix {
        IpNet::V4(prefix) => class.call1(((prefix.addr().to_bits(), prefix.prefix_len()),)),
        IpNet::V6(prefix) => class.call1(((prefix.addr().to_bits(), prefix.prefix_len()),)),
    }
}

/// Return the `IPv4Address` or `IPv6Address` of a text, or None for any other text, as for one with a zone.
#[pyfunction]
pub(crate) fn parse_address(text: &Bound<'_, PyString>) -> Option<IpAddr> {
    text.to_str().ok()?.parse().ok()
}

/// Return the `IPv4Network` or `IPv6Network` of `IP` or `IP/LENGTH`, without its host bits, or None for any other text.
#[pyfunction]
pub(crate) fn parse_prefix(text: &Bound<'_, PyString>) -> Option<ToNetwork> {
    let text = text.to_str().ok()?;
    let (address, length) = text.split_once('/').map_or((text, None), |(address, length)| (address, Some(length)));
    let address = address.parse::<IpAddr>().ok()?;
    let prefix = match length {
        None => IpNet::from(address),
        Some(digits) if digits.bytes().all(|octet| octet.is_ascii_digit()) => {
            IpNet::new(address, digits.parse().ok()?).ok()?
        }
        Some(_) => return None,
    };
    Some(ToNetwork(prefix.trunc()))
}
