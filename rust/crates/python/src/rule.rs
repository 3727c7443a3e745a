//! `warren.tunnel.routes.Rule`, read by its attributes, and the rules of the host.

use hostnet::Version;
use pyo3::prelude::*;

use crate::failure;

/// A rule of policy routing.
#[pyclass(frozen, name = "PolicyRule", module = "warren._core")]
pub(crate) struct Rule(pub(crate) hostnet::Rule);

/// A rule, from any object that has its attributes.
pub(crate) struct FromRule(pub(crate) hostnet::Rule);

#[pymethods]
impl Rule {
    /// 4 or 6.
    #[getter]
    fn version(&self) -> u8 {
        number(self.0.version)
    }

    /// Rules with lower priority values are evaluated first.
    #[getter]
    fn priority(&self) -> u32 {
        self.0.priority
    }

    /// The value that the mark of a packet is compared with.
    #[getter]
    fn fwmark(&self) -> u32 {
        self.0.fwmark
    }

    /// The bits that are compared.
    #[getter]
    fn fwmask(&self) -> u32 {
        self.0.fwmask
    }

    /// Whether the rule applies to packets that do not match.
    #[getter]
    fn invert(&self) -> bool {
        self.0.invert
    }

    /// The table of the route look-up.
    #[getter]
    fn table(&self) -> u32 {
        self.0.table
    }

    /// Routes with a prefix of this length or shorter are ignored; None for no limit.
    #[getter]
    fn suppress_prefix_length(&self) -> Option<u32> {
        self.0.suppress_prefix_length
    }
}

/// Return an IP version as a number.
pub(crate) fn number(version: Version) -> u8 {
    match version {
        Version::V4 => 4,
        Version::V6 => 6,
    }
}

/// Return the IP version of that number. Raises InputError if it is invalid.
pub(crate) fn version(py: Python<'_>, number: u8) -> PyResult<Version> {
    match number {
        4 => Ok(Version::V4),
        6 => Ok(Version::V6),
        other => Err(failure::value(py, format!("invalid IP version {other}: expected 4 or 6"))),
    }
}

/// The attributes of a rule, with Python's names.
#[derive(FromPyObject)]
struct Fields {
    version: u8,
    priority: u32,
    fwmark: u32,
    fwmask: u32,
    invert: bool,
    table: u32,
    suppress_prefix_length: Option<u32>,
}

impl<'py> FromPyObject<'_, 'py> for FromRule {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        let fields = object.extract::<Fields>()?;
        let version = version(object.py(), fields.version)?;
        let Fields { priority, fwmark, fwmask, invert, table, suppress_prefix_length, .. } = fields;
        Ok(Self(hostnet::Rule { version, priority, fwmark, fwmask, invert, table, suppress_prefix_length }))
    }
}
