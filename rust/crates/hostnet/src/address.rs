//! Addresses of a link, as `ip address` adds and lists them.

use std::net::IpAddr;

use ipnet::IpNet;
use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL, parse_ip};
use netlink_packet_route::address::{AddressAttribute, AddressHeader, AddressMessage};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use crate::error::NetError;
use crate::netlink::Netlink;
use crate::socket::attributes;

/// Size of `struct ifaddrmsg`.
const HEADER_BYTES: usize = 8;
/// Attributes (enum in linux/if_addr.h).
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;

impl Netlink {
    /// Return the addresses of a link with their prefix lengths, including link-local ones.
    ///
    /// # Errors
    /// [`NetError`].
    pub fn addresses(&mut self, index: u32) -> Result<Vec<IpNet>, NetError> {
        let mut message = AddressMessage::default();
        message.header.index = index;
        let all = self.0.list(&RouteNetlinkMessage::GetAddress(message), |body| parse_address(body, index));
        all.map_err(|refusal| self.refused(index, refusal, |link| format!("listing addresses of {link}")))
    }

    /// Add an address to a link; the kernel adds a route to its prefix.
    ///
    /// # Errors
    /// [`NetError`]; EEXIST if the link has it already.
    pub fn add_address(&mut self, index: u32, address: IpNet) -> Result<(), NetError> {
        let request = RouteNetlinkMessage::NewAddress(message(index, address));
        let result = self.0.execute(&request, NLM_F_CREATE | NLM_F_EXCL);
        result.map_err(|refusal| self.refused(index, refusal, |link| format!("adding address {address} to {link}")))
    }

    /// Remove an address from a link.
    ///
    /// # Errors
    /// [`NetError`]; EADDRNOTAVAIL if the link does not have it.
    pub fn remove_address(&mut self, index: u32, address: IpNet) -> Result<(), NetError> {
        let result = self.0.execute(&RouteNetlinkMessage::DelAddress(message(index, address)), 0);
        result.map_err(|refusal| self.refused(index, refusal, |link| format!("removing address {address} from {link}")))
    }
}

pub(crate) fn family(address: IpAddr) -> AddressFamily {
    if address.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 }
}

fn message(index: u32, address: IpNet) -> AddressMessage {
    let mut message = AddressMessage::default();
    message.header.family = family(address.addr());
    message.header.prefix_len = address.prefix_len();
    message.header.index = index;
    message.attributes = vec![AddressAttribute::Local(address.addr()), AddressAttribute::Address(address.addr())];
    message
}

/// Return the address if it belongs to that link: old kernels list those of every link.
fn parse_address(body: &[u8], index: u32) -> Option<IpNet> {
    let header = AddressHeader::parse(body).ok().filter(|header| header.index == index)?;
    let find = |kind| attributes(body, HEADER_BYTES).find(|attribute| attribute.kind() == kind);
    // On a point-to-point link, IFA_ADDRESS is the remote address.
    let near = find(IFA_LOCAL).or_else(|| find(IFA_ADDRESS))?;
    IpNet::new(parse_ip(near.value()).ok()?, header.prefix_len).ok()
}
