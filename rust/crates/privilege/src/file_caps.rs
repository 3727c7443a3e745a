//! File capabilities of a process (capabilities(7), "File capabilities"), and how they are passed on.

use std::io;

use rustix::process::{getegid, geteuid, getgid, getuid};
use rustix::thread::{CapabilitySet, CapabilitySets};

use crate::{CAPABILITIES, DropError, drop_bounding_set, map_errno};

/// Return the bits of the capabilities that this process has from its program's file and its caller does not have.
///
/// Those of root are its own, and so are ambient ones: a service manager or setpriv(1) gave them.
///
/// # Errors
/// [`DropError`], also for a program that is setuid or setgid, which would give more than capabilities.
pub fn gained() -> Result<u64, DropError> {
    if getuid() != geteuid() || getgid() != getegid() {
        let source = io::Error::other("the program is setuid or setgid; use setcap to give it capabilities instead");
        return Err(DropError::Refused { step: "execve", source });
    }
    if geteuid().is_root() {
        return Ok(0);
    }
    let permitted = map_errno("capget", rustix::thread::capabilities(None))?.permitted;
    let mut file_caps = 0;
    for capability in (0..CAPABILITIES).map(|number| CapabilitySet::from_bits_retain(1 << number)) {
        let is_given = permitted.contains(capability)
            && !map_errno("prctl(PR_CAP_AMBIENT)", rustix::thread::capability_is_in_ambient_set(capability))?;
        file_caps |= if is_given { capability.bits() } else { 0 };
    }
    Ok(file_caps)
}

/// Keep only the capabilities whose bits are set in `kept`, for this process and the program that it executes; neither
/// ever gains any.
///
/// # Errors
/// [`DropError`]; what was done before the failed step stays.
pub fn pass_on(kept: u64) -> Result<(), DropError> {
    drop_bounding_set()?;
    map_errno("prctl(PR_CAP_AMBIENT)", rustix::thread::clear_ambient_capability_set())?;
    let set = CapabilitySet::from_bits_retain(kept);
    let sets = CapabilitySets { effective: set, permitted: set, inheritable: set };
    map_errno("capset", rustix::thread::set_capabilities(None, sets))?;
    for capability in (0..CAPABILITIES).map(|number| CapabilitySet::from_bits_retain(1 << number)) {
        if set.contains(capability) {
            let raised = rustix::thread::configure_capability_in_ambient_set(capability, true);
            map_errno("prctl(PR_CAP_AMBIENT_RAISE)", raised)?;
        }
    }
    map_errno("prctl(PR_SET_NO_NEW_PRIVS)", rustix::thread::set_no_new_privs(true))
}
