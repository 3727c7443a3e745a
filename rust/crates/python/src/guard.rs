//! `warren.tunnel.nft_guard.Guard`, read by its attributes, and the guards of the host.

use std::net::IpAddr;

use pyo3::prelude::*;

use crate::rule;

/// The guard of a default route.
#[pyclass(frozen, name = "RouteGuard", module = "warren._core")]
pub(crate) struct Guard(pub(crate) hostnet::Guard);

/// A guard, from any object that has its attributes.
#[derive(FromPyObject)]
pub(crate) struct FromGuard {
    link: String,
    version: u8,
    fwmark: u32,
    addresses: Vec<IpAddr>,
}

#[pymethods]
impl Guard {
    /// The link of the tunnel.
    #[getter]
    fn link(&self) -> &str {
        &self.0.link
    }

    /// 4 or 6.
    #[getter]
    fn version(&self) -> u8 {
        rule::number(self.0.version)
    }

    /// The mark of the tunnel's own datagrams; 0 if others have changed the guard.
    #[getter]
    fn fwmark(&self) -> u32 {
        self.0.fwmark
    }

    /// The addresses of the link that only it may receive packets for.
    #[getter]
    fn addresses(&self) -> Vec<IpAddr> {
        self.0.addresses.clone()
    }

    /// Whether net.ipv4.conf.all.src_valid_mark was set for it.
    #[getter]
    fn sets_valid_mark(&self) -> bool {
        self.0.sets_valid_mark
    }
}

impl FromGuard {
    pub(crate) fn with(self, py: Python<'_>, sets_valid_mark: bool) -> PyResult<hostnet::Guard> {
        let Self { link, version, fwmark, addresses } = self;
        Ok(hostnet::Guard { link, version: rule::version(py, version)?, fwmark, addresses, sets_valid_mark })
    }
}
