//! Links: lookup, listing, creation, up and down, MTU, deletion.

use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{
    AfSpecInet, AfSpecUnspec, InetDevConf, InfoKind, LinkAttribute, LinkExtentMask, LinkFlags, LinkHeader, LinkInfo,
    LinkMessage,
};

use crate::error::{EEXIST, EOPNOTSUPP, NetError, Refusal};
use crate::netlink::{Netlink, OURS};
use crate::socket::{attributes, number, text};

/// Size of `struct ifinfomsg`.
const HEADER_BYTES: usize = 16;
/// Attributes (enum in linux/if_link.h).
const IFLA_IFNAME: u16 = 3;
const IFLA_MTU: u16 = 4;
const IFLA_LINKINFO: u16 = 18;
const IFLA_IFALIAS: u16 = 20;
const IFLA_AF_SPEC: u16 = 26;
const IFLA_GROUP: u16 = 27;
const IFLA_INFO_KIND: u16 = 1;
const IFLA_INET_CONF: u16 = 1;
/// The family whose settings are in IFLA_AF_SPEC (AF_INET).
const AF_INET: u16 = 2;
/// The place of promote_secondaries among the settings (IPV4_DEVCONF_PROMOTE_SECONDARIES in linux/ip.h), from 1.
const PROMOTE_SECONDARIES: usize = 20;
/// The kind of the kernel's WireGuard links.
const WIREGUARD: &str = "wireguard";
/// Size of a link's name without its terminating zero (IFNAMSIZ - 1).
const NAME_BYTES: usize = 15;

/// The state of a network interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Its index, never reused in this namespace.
    pub index: u32,
    /// Its name, which can change.
    pub name: String,
    /// Its MTU in octets.
    pub mtu: u32,
    /// Whether it is set up (IFF_UP), regardless of carrier.
    pub up: bool,
    /// The kind of its driver, such as `tun`, `veth`, `wireguard`; physical links have none.
    pub kind: Option<String>,
    /// The alias set by its owner.
    pub alias: Option<String>,
    /// Whether [`Netlink::create_wireguard`] created it, here or in a process that has ended.
    pub ours: bool,
    /// Whether an IPv4 address is kept when the primary address of its network is removed (promote_secondaries of
    /// ip-sysctl for this link); else the kernel removes it, too.
    pub promotes_secondaries: bool,
}

impl Netlink {
    /// Return the link of that name.
    ///
    /// # Errors
    /// [`NetError::NoSuchLink`].
    pub fn link(&mut self, name: &str) -> Result<Link, NetError> {
        let missing = || NetError::NoSuchLink { link: format!("{name:?}") };
        if name.is_empty() || name.len() > NAME_BYTES {
            return Err(missing());
        }
        let mut message = message(0);
        message.attributes.push(LinkAttribute::IfName(name.into()));
        match self.socket.query(&RouteNetlinkMessage::GetLink(message), parse_link) {
            Ok(found) => found.ok_or_else(missing),
            Err(refusal) if refusal.is_no_device() => Err(missing()),
            Err(refusal) => Err(refusal.to(format!("querying link {name:?}"))),
        }
    }

    /// Return every link of this namespace.
    ///
    /// # Errors
    /// [`NetError::Refused`].
    pub fn links(&mut self) -> Result<Vec<Link>, NetError> {
        let all = self.socket.list(&RouteNetlinkMessage::GetLink(message(0)), parse_link);
        all.map_err(|refusal| refusal.to("listing links".into()))
    }

    /// Create a link of the kernel's WireGuard as `ip link add NAME group 119 type wireguard` does: down, without keys,
    /// peers or addresses.
    ///
    /// The group is set by the same request, so that no link of ours ever lacks it, even if the process is killed.
    ///
    /// # Errors
    /// [`NetError::NoWireGuard`], [`NetError::LinkExists`].
    pub fn create_wireguard(&mut self, name: &str) -> Result<(), NetError> {
        let mut message = LinkMessage::default();
        message.attributes = vec![
            LinkAttribute::IfName(name.into()),
            LinkAttribute::Group(u32::from(OURS)),
            LinkAttribute::LinkInfo(vec![LinkInfo::Kind(InfoKind::Wireguard)]),
        ];
        let result = self.socket.execute(&RouteNetlinkMessage::NewLink(message), NLM_F_CREATE | NLM_F_EXCL);
        result.map_err(|refusal| match refusal {
            refusal if refusal.is(EOPNOTSUPP) => NetError::NoWireGuard,
            refusal if refusal.is(EEXIST) => NetError::LinkExists { link: format!("{name:?}") },
            refusal => refusal.to(format!("creating link {name:?}")),
        })
    }

    /// Set the MTU in octets.
    ///
    /// # Errors
    /// [`NetError`].
    pub fn set_mtu(&mut self, index: u32, mtu: u32) -> Result<(), NetError> {
        let mut message = message(index);
        message.attributes.push(LinkAttribute::Mtu(mtu));
        let result = self.socket.execute(&RouteNetlinkMessage::SetLink(message), 0);
        result.map_err(|refusal| self.refused(index, refusal, |link| format!("setting the MTU of {link} to {mtu}")))
    }

    /// Set the alias, which names the owner of a link.
    ///
    /// # Errors
    /// [`NetError`].
    pub fn set_alias(&mut self, index: u32, alias: &str) -> Result<(), NetError> {
        let mut message = message(index);
        message.attributes.push(LinkAttribute::IfAlias(alias.into()));
        let result = self.socket.execute(&RouteNetlinkMessage::SetLink(message), 0);
        result
            .map_err(|refusal| self.refused(index, refusal, |link| format!("setting the alias of {link} to {alias:?}")))
    }

    /// Let the kernel keep an IPv4 address of a link when the primary address of its network is removed.
    ///
    /// # Errors
    /// [`NetError`].
    pub fn promote_secondaries(&mut self, index: u32) -> Result<(), NetError> {
        let mut settings = InetDevConf::default();
        settings.promote_secondaries = 1;
        let inet = AfSpecUnspec::Inet(vec![AfSpecInet::DevConfRequest(settings)]);
        let mut message = message(index);
        message.attributes.push(LinkAttribute::AfSpecUnspec(vec![inet]));
        let result = self.socket.execute(&RouteNetlinkMessage::SetLink(message), 0);
        result.map_err(|refusal| self.refused(index, refusal, |link| format!("setting promote_secondaries of {link}")))
    }

    /// Set a link up or down.
    ///
    /// # Errors
    /// [`NetError`].
    pub fn set_up(&mut self, index: u32, up: bool) -> Result<(), NetError> {
        let mut message = message(index);
        message.header.change_mask = LinkFlags::Up;
        message.header.flags = if up { LinkFlags::Up } else { LinkFlags::empty() };
        let result = self.socket.execute(&RouteNetlinkMessage::SetLink(message), 0);
        let word = if up { "up" } else { "down" };
        result.map_err(|refusal| self.refused(index, refusal, |link| format!("setting {link} {word}")))
    }

    /// Delete a link, with its addresses and routes.
    ///
    /// # Errors
    /// [`NetError`].
    pub fn delete_link(&mut self, index: u32) -> Result<(), NetError> {
        let result = self.socket.execute(&RouteNetlinkMessage::DelLink(message(index)), 0);
        result.map_err(|refusal| self.refused(index, refusal, |link| format!("deleting {link}")))
    }

    /// Name the link in an error, if it still has a name.
    pub(crate) fn refused(&mut self, index: u32, refusal: Refusal, operation: impl Fn(&str) -> String) -> NetError {
        if refusal.is_no_device() {
            return NetError::NoSuchLink { link: format!("number {index}") };
        }
        let link = self.socket.query(&RouteNetlinkMessage::GetLink(message(index)), parse_link).ok().flatten();
        refusal.to(operation(&link.map_or_else(|| format!("link {index}"), |link| format!("link {:?}", link.name))))
    }
}

/// Return a request for one link, or for all with index 0, without their counters.
fn message(index: u32) -> LinkMessage {
    let mut message = LinkMessage::default();
    message.header.index = index;
    message.attributes.push(LinkAttribute::ExtMask(vec![LinkExtentMask::SkipStats]));
    message
}

fn parse_link(body: &[u8]) -> Option<Link> {
    let header = LinkHeader::parse(body).ok()?;
    let up = header.flags.contains(LinkFlags::Up);
    let mut link = Link {
        index: header.index,
        name: String::new(),
        mtu: 0,
        up,
        kind: None,
        alias: None,
        ours: false,
        promotes_secondaries: false,
    };
    for attribute in attributes(body, HEADER_BYTES) {
        match attribute.kind() {
            IFLA_IFNAME => link.name = text(attribute.value()),
            IFLA_MTU => link.mtu = number(attribute.value())?,
            IFLA_LINKINFO => link.kind = parse_kind(attribute.value()),
            IFLA_IFALIAS => link.alias = Some(text(attribute.value())),
            IFLA_AF_SPEC => link.promotes_secondaries = parse_promotion(attribute.value()).unwrap_or(false),
            IFLA_GROUP => link.ours = number(attribute.value())? == u32::from(OURS),
            _ => {}
        }
    }
    link.ours &= link.kind.as_deref() == Some(WIREGUARD);
    Some(link)
}

fn parse_kind(info: &[u8]) -> Option<String> {
    attributes(info, 0).find(|attribute| attribute.kind() == IFLA_INFO_KIND).map(|attribute| text(attribute.value()))
}

/// Return the setting from the array of 32-bit settings of IPv4; None for a link without IPv4.
fn parse_promotion(families: &[u8]) -> Option<bool> {
    let inet = attributes(families, 0).find(|attribute| attribute.kind() == AF_INET)?;
    let settings = attributes(inet.value(), 0).find(|attribute| attribute.kind() == IFLA_INET_CONF)?;
    settings.value().chunks_exact(4).nth(PROMOTE_SECONDARIES - 1).and_then(number).map(|setting| setting != 0)
}
