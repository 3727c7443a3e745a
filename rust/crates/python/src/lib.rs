//! `warren._core`: the interface of Rust to Python. Converts arguments, results and errors, and decides nothing.
//!
//! Every call that may wait is made detached from the interpreter, and no thread of the engine ever attaches to it: a
//! Python that hangs stops no packet. Classes are frozen, and their mutable state has its own locks, so the module
//! needs none of the interpreter's (PEP 703). `src/warren/_core.pyi` has the types; stubtest compares the two.
#![forbid(unsafe_code)]

mod change;
mod device;
mod failure;
mod guard;
mod host;
mod key;
mod keymemory;
mod lookup;
mod monitor;
mod net;
mod privilege;
mod rule;
mod stack;
mod stack_names;
mod status;
mod uapi;

/// The engine, the UAPI client and netlink.
#[pyo3::pymodule(gil_used = false)]
mod _core {
    #[pymodule_export]
    use crate::device::{Device, Event, Events};
    #[pymodule_export]
    use crate::guard::Guard;
    #[pymodule_export]
    use crate::host::{Link, LinkAddress, LinkRoute, Netlink};
    #[pymodule_export]
    use crate::key::{PresharedKey, PrivateKey, PublicKey};
    #[pymodule_export]
    use crate::keymemory::{KeyMemory, key_memory};
    #[pymodule_export]
    use crate::lookup::HostLookup;
    #[pymodule_export]
    use crate::monitor::{HostChanges, HostMonitor};
    #[pymodule_export]
    use crate::net::{parse_address, parse_prefix};
    #[pymodule_export]
    use crate::privilege::drop_privileges;
    #[pymodule_export]
    use crate::rule::Rule;
    #[pymodule_export]
    use crate::status::{DevicePeer, DeviceStatus};
    #[pymodule_export]
    use crate::uapi::{uapi_get, uapi_set};

    /// The version of the workspace, and so of the program.
    #[pymodule_export]
    #[allow(non_upper_case_globals)]
    const __version__: &str = env!("CARGO_PKG_VERSION");

    /// The directory of the sockets of userspace interfaces.
    #[pymodule_export]
    const UAPI_DIRECTORY: &str = device::uapi::DEFAULT_DIRECTORY;
}
