//! Route netlink, the protocol of `ip`.

use netlink_sys::protocols::NETLINK_ROUTE;

use crate::added_addresses::AddedAddresses;
use crate::error::{NetError, Refusal};
use crate::socket::NetlinkSocket;

/// A socket to the links, addresses, routes and rules of the network namespace in which it was opened.
pub struct Netlink {
    pub(crate) socket: NetlinkSocket,
    pub(crate) added: AddedAddresses,
}

/// Marks what Warren creates: the protocol of its addresses, routes and rules (IFA_PROTO, RTPROT_*, FRA_PROTOCOL), the
/// group of its links.
///
/// 119 is the letter w; it is unassigned in iproute2's list of protocols (rt_protos). Nothing without the mark is ever
/// changed.
pub const OURS: u8 = 119;

impl Netlink {
    /// Open a socket in the network namespace of the calling thread. Needs no privilege; changes do.
    ///
    /// # Errors
    /// [`NetError::Refused`].
    pub fn open() -> Result<Self, NetError> {
        let socket = NetlinkSocket::open(NETLINK_ROUTE)
            .map_err(|source| Refusal::from(source).to("opening a netlink socket".into()))?;
        Ok(Self { socket, added: AddedAddresses::default() })
    }
}
