//! Errors of Rust as the exceptions of `warren.errors`, which adds whose fault it is and what to do.

use proto::key::KeyError;
use pyo3::PyErr;

mod raised {
    pyo3::import_exception!(warren.errors, KeyTextError);
}

/// A text that is no key.
pub(crate) fn key_text(error: KeyError) -> PyErr {
    raised::KeyTextError::new_err(error.to_string())
}
