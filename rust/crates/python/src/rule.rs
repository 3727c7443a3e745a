//! `warren.tunnel.routes.Rule`, read by its attributes, and what the host has of such.

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

    /// Lower ones are asked first.
    #[getter]
    fn priority(&self) -> u32 {
        self.0.priority
    }

    /// What the mark of a packet is compared with.
    #[getter]
    fn fwmark(&self) -> u32 {
        self.0.fwmark
    }

    /// The bits in which it is compared.
    #[getter]
    fn fwmask(&self) -> u32 {
        self.0.fwmask
    }

    /// Whether it is for the packets that do not match.
    #[getter]
    fn invert(&self) -> bool {
        self.0.invert
    }

    /// Where the route is looked for.
    #[getter]
    fn table(&self) -> u32 {
        self.0.table
    }

    /// Routes whose prefix is this long or shorter do not count; None where all do.
    #[getter]
    fn suppress_prefix_length(&self) -> Option<u32> {
        self.0.suppress_prefix_length
    }
}

/// A version of IP as Python has it.
pub(crate) fn number(version: Version) -> u8 {
    match version {
        Version::V4 => 4,
        Version::V6 => 6,
    }
}

/// The version of IP of that number. Raises InputError if there is none.
pub(crate) fn version(py: Python<'_>, number: u8) -> PyResult<Version> {
    match number {
        4 => Ok(Version::V4),
        6 => Ok(Version::V6),
        other => Err(failure::value(py, format!("invalid IP version {other}: expected 4 or 6"))),
    }
}

/// The attributes of a rule, by Python's names.
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
