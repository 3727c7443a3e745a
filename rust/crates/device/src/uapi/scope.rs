//! The index of a named interface, for link-local endpoints_are_parsed_and_formatted.

use rustix::net::netdevice::name_to_index;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};

/// Return the index of `ifname` in this process's network namespace.
pub(super) fn index_of(ifname: &str) -> Option<u32> {
    let socket = socket_with(AddressFamily::UNIX, SocketType::DGRAM, SocketFlags::CLOEXEC, None).ok()?;
    name_to_index(socket, ifname).ok()
}
