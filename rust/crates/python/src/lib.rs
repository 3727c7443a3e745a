//! `warren._core`: what Rust does for Python. Converts arguments, results and errors, and decides nothing.
//!
//! Every call that may wait is made detached from the interpreter, and no thread of the engine ever attaches to it: a
//! Python that hangs stops no packet. Classes are frozen, so the module needs no lock of the interpreter's
//! (PEP 703). `src/warren/_core.pyi` is its description; stubtest compares the two.
#![forbid(unsafe_code)]

mod failure;
mod key;

#[pyo3::pymodule(gil_used = false)]
mod _core {
    #[pymodule_export]
    use crate::key::{PresharedKey, PrivateKey, PublicKey};

    /// The version of the workspace, and so of the program.
    #[pymodule_export]
    #[allow(non_upper_case_globals)]
    const __version__: &str = env!("CARGO_PKG_VERSION");
}
