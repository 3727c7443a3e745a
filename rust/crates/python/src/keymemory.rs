//! The key memory of this process.

use pyo3::prelude::*;

/// The state of the key memory at one moment.
#[pyclass(frozen, get_all, eq, module = "warren._core")]
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct KeyMemory {
    used_bytes: usize,
    mapped_bytes: usize,
    locked_bytes: usize,
    refusal: Option<String>,
    errno: Option<i32>,
}

#[pymethods]
impl KeyMemory {
    fn __repr__(&self) -> String {
        format!("{self:?}")
    }
}

/// Return the state of the key memory. The first call maps a page, so that a refusal to lock it is known before there
/// is a key.
#[pyfunction]
pub(crate) fn key_memory() -> KeyMemory {
    let keymem::State { used_bytes, mapped_bytes, locked_bytes, refusal } = keymem::state();
    KeyMemory {
        used_bytes,
        mapped_bytes,
        locked_bytes,
        refusal: refusal.map(|refusal| refusal.to_string()),
        errno: refusal.map(|refusal| refusal.errno),
    }
}
