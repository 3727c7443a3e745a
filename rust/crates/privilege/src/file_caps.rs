//! Capabilities that a process has by the file of its program (capabilities(7), "File capabilities"), and whom they
//! are passed on to.

use std::io;

use rustix::process::{getegid, geteuid, getgid, getuid};
use rustix::thread::{CapabilitySet, CapabilitySets};

use crate::{CAPABILITIES, DropError, drop_bounding_set, map_errno};

/// The bits of the capabilities that this process has by its program's file, and its caller had not.
///
/// Root's are its own, and so are those that were ambient: a service manager or setpriv(1) gave them.
///
/// # Errors
/// [`DropError`], also for a program that is setuid or setgid: it would give more than capabilities.
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

/// This process has the capabilities whose bits are set in `kept` and no others, and so has the program that it
/// becomes; neither ever gains any.
///
/// # Errors
/// [`DropError`]; what was done before the step that failed stays.
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
