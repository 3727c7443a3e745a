//! Addresses of a link, as `ip address` adds and lists them, and whether Warren added them.
//!
//! The mark is the address's protocol (IFA_PROTO, Linux 5.18). Older kernels ignore and never report it: there this
//! socket remembers what it added, and an address that another process of Warren added counts as one of others.

use std::net::IpAddr;

use ipnet::IpNet;
use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL, parse_ip};
use netlink_packet_route::address::{AddressAttribute, AddressHeader, AddressMessage, AddressProtocol};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use crate::error::NetError;
use crate::netlink::{Netlink, OURS};
use crate::socket::attributes;

/// Size of `struct ifaddrmsg`.
const HEADER_BYTES: usize = 8;
/// Attributes (enum in linux/if_addr.h).
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const IFA_PROTO: u16 = 11;

/// An address of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Address {
    /// The address with its prefix length.
    pub network: IpNet,
    /// Whether [`Netlink::add_address`] added it, here or, since Linux 5.18, in a process that has ended.
    pub ours: bool,
}

impl Netlink {
    /// Return the addresses of a link with their prefix lengths, including link-local ones.
    ///
    /// # Errors
    /// [`NetError`].
    pub fn addresses(&mut self, index: u32) -> Result<Vec<Address>, NetError> {
        let mut message = AddressMessage::default();
        message.header.index = index;
        let all = self.socket.list(&RouteNetlinkMessage::GetAddress(message), |body| parse_address(body, index));
        let mut all =
            all.map_err(|refusal| self.refused(index, refusal, |link| format!("listing addresses of {link}")))?;
        all.iter_mut().for_each(|address| address.ours |= self.added.unmarked.contains(&(index, address.network)));
        Ok(all)
    }

    /// Return the addresses of all links with their prefix lengths.
    ///
    /// # Errors
    /// [`NetError`].
    pub fn all_addresses(&mut self) -> Result<Vec<IpNet>, NetError> {
        let request = RouteNetlinkMessage::GetAddress(AddressMessage::default());
        let all = self.socket.list(&request, |body| {
            let index = AddressHeader::parse(body).ok()?.index;
            parse_address(body, index).map(|address| address.network)
        });
        all.map_err(|refusal| refusal.to("listing addresses".into()))
    }

    /// Add an address to a link, marked as Warren's; the kernel adds a route to its prefix.
    ///
    /// # Errors
    /// [`NetError`]; EEXIST if the link has it already.
    pub fn add_address(&mut self, index: u32, address: IpNet) -> Result<(), NetError> {
        let mut message = message(index, address);
        message.attributes.push(AddressAttribute::Protocol(AddressProtocol::Other(OURS)));
        let result = self.socket.execute(&RouteNetlinkMessage::NewAddress(message), NLM_F_CREATE | NLM_F_EXCL);
        result.map_err(|refusal| self.refused(index, refusal, |link| format!("adding address {address} to {link}")))?;
        self.remember(index, address)
    }

    /// Remember an address that was added, if the kernel does not mark it.
    fn remember(&mut self, index: u32, address: IpNet) -> Result<(), NetError> {
        if self.added.has_protocol.is_none() {
            let listed = self.addresses(index)?.into_iter().find(|listed| listed.network == address);
            self.added.has_protocol = listed.map(|listed| listed.ours);
        }
        if self.added.has_protocol == Some(false) {
            self.added.unmarked.insert((index, address));
        }
        Ok(())
    }

    /// Remove an address from a link.
    ///
    /// # Errors
    /// [`NetError`]; EADDRNOTAVAIL if the link does not have it.
    pub fn remove_address(&mut self, index: u32, address: IpNet) -> Result<(), NetError> {
        self.added.unmarked.remove(&(index, address));
        let result = self.socket.execute(&RouteNetlinkMessage::DelAddress(message(index, address)), 0);
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
fn parse_address(body: &[u8], index: u32) -> Option<Address> {
    let header = AddressHeader::parse(body).ok().filter(|header| header.index == index)?;
    let find = |kind| attributes(body, HEADER_BYTES).find(|attribute| attribute.kind() == kind);
    // On a point-to-point link, IFA_ADDRESS is the remote address.
    let near = find(IFA_LOCAL).or_else(|| find(IFA_ADDRESS))?;
    let ours = find(IFA_PROTO).is_some_and(|protocol| protocol.value() == [OURS]);
    Some(Address { network: IpNet::new(parse_ip(near.value()).ok()?, header.prefix_len).ok()?, ours })
}
