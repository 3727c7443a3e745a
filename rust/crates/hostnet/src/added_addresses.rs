//! What a socket remembers of the addresses that it added, for kernels that do not mark them (before Linux 5.18).

use std::collections::HashSet;

use ipnet::IpNet;

/// The addresses that a socket added.
#[derive(Default)]
pub(crate) struct AddedAddresses {
    /// Whether the kernel reports the protocol of an address; None until an address was added and listed.
    pub(crate) has_protocol: Option<bool>,
    /// The addresses added on a kernel that does not, each with the index of its link.
    pub(crate) unmarked: HashSet<(u32, IpNet)>,
}
