//! Dropping privileges.

use privilege::{Gid, Uid, User};
use pyo3::prelude::*;

use crate::failure;

/// Change this process to that user, keep the capabilities whose bits are set, and never gain any again.
///
/// Raises HostError in a process with several threads, or if the kernel refuses: then the process must end.
#[pyfunction]
pub(crate) fn drop_privileges(py: Python<'_>, uid: u32, gid: u32, groups: Vec<u32>, capabilities: u64) -> PyResult<()> {
    let groups = groups.into_iter().map(Gid::from_raw).collect();
    let user = User { uid: Uid::from_raw(uid), gid: Gid::from_raw(gid), groups };
    privilege::drop_to(&user, capabilities).map_err(|error| failure::privilege(py, &error))
}
