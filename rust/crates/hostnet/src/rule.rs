//! Rules of policy routing, as `ip rule` adds, deletes and lists them; only those created by Warren.

use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL, NlaBuffer};
use netlink_packet_route::route::RouteProtocol;
use netlink_packet_route::rule::{RuleAction, RuleAttribute, RuleFlags, RuleHeader, RuleMessage};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use crate::error::{EAFNOSUPPORT, NetError};
use crate::netlink::{Netlink, OURS};
use crate::socket::{attributes, number};

/// Size of `struct fib_rule_hdr`.
const HEADER_BYTES: usize = 12;
/// Attributes (enum in linux/fib_rules.h).
const FRA_PRIORITY: u16 = 6;
const FRA_FWMARK: u16 = 10;
const FRA_SUPPRESS_PREFIXLEN: u16 = 14;
const FRA_TABLE: u16 = 15;
const FRA_FWMASK: u16 = 16;
const FRA_PROTOCOL: u16 = 21;

/// The IP version that a rule applies to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

/// `ip rule PRIORITY: [not] from all fwmark FWMARK/FWMASK lookup TABLE [suppress_prefixlength LENGTH]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// The IP version.
    pub version: Version,
    /// The priority: rules are evaluated in this order; `main` has 32766.
    pub priority: u32,
    /// The value that the mark of a packet is compared with.
    pub fwmark: u32,
    /// The bits that are compared; with none, every packet matches.
    pub fwmask: u32,
    /// Whether the rule applies to packets that do not match.
    pub invert: bool,
    /// The table of the route look-up.
    pub table: u32,
    /// Routes with a prefix of this length or shorter are ignored.
    pub suppress_prefix_length: Option<u32>,
}

impl Netlink {
    /// Return the rules that [`Netlink::add_rule`] created, here or in a process that has ended; those of IPv4 first.
    ///
    /// # Errors
    /// [`NetError`].
    pub fn rules(&mut self) -> Result<Vec<Rule>, NetError> {
        let mut all = Vec::new();
        for version in [Version::V4, Version::V6] {
            let mut message = RuleMessage::default();
            message.header.family = version.family();
            match self.socket.list(&RouteNetlinkMessage::GetRule(message), |body| parse_rule(body, version)) {
                Err(refusal) if refusal.is(EAFNOSUPPORT) => {} // a kernel without IPv6
                some => all.extend(some.map_err(|refusal| refusal.to("listing rules".into()))?),
            }
        }
        Ok(all)
    }

    /// Add a rule as `ip rule add ... protocol 119` does.
    ///
    /// # Errors
    /// [`NetError`]; EEXIST if there is the same rule of ours.
    pub fn add_rule(&mut self, rule: Rule) -> Result<(), NetError> {
        let result = self.socket.execute(&RouteNetlinkMessage::NewRule(rule.message()), NLM_F_CREATE | NLM_F_EXCL);
        result.map_err(|refusal| refusal.to(format!("adding rule {rule}")))
    }

    /// Delete a rule as `ip rule delete ... protocol 119` does, never one created by others.
    ///
    /// # Errors
    /// [`NetError`]; ENOENT if there is none.
    pub fn remove_rule(&mut self, rule: Rule) -> Result<(), NetError> {
        let result = self.socket.execute(&RouteNetlinkMessage::DelRule(rule.message()), 0);
        result.map_err(|refusal| refusal.to(format!("removing rule {rule}")))
    }
}

impl Version {
    /// Return the number of the family (AF_INET, AF_INET6).
    pub(crate) fn number(self) -> u8 {
        self.family().into()
    }

    fn family(self) -> AddressFamily {
        match self {
            Self::V4 => AddressFamily::Inet,
            Self::V6 => AddressFamily::Inet6,
        }
    }
}

impl Rule {
    fn message(self) -> RuleMessage {
        let mut message = RuleMessage::default();
        message.header.family = self.version.family();
        message.header.action = RuleAction::ToTable;
        message.header.flags = if self.invert { RuleFlags::Invert } else { RuleFlags::empty() };
        message.attributes = vec![
            RuleAttribute::Protocol(RouteProtocol::from(OURS)),
            RuleAttribute::Priority(self.priority),
            RuleAttribute::FwMark(self.fwmark),
            RuleAttribute::FwMask(self.fwmask),
            RuleAttribute::Table(self.table),
        ];
        message.attributes.extend(self.suppress_prefix_length.map(RuleAttribute::SuppressPrefixLen));
        message
    }
}

impl std::fmt::Display for Rule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (flag, not) = (if self.version == Version::V6 { "-6 " } else { "" }, if self.invert { "not " } else { "" });
        write!(f, "{flag}{}: {not}fwmark {:#x}/{:#x} lookup {}", self.priority, self.fwmark, self.fwmask, self.table)?;
        self.suppress_prefix_length.map_or(Ok(()), |length| write!(f, " suppress_prefixlength {length}"))
    }
}

/// Return the rule if it has our protocol, and no attribute that we never set.
fn parse_rule(body: &[u8], version: Version) -> Option<Rule> {
    let header = RuleHeader::parse(body).ok()?;
    let plain = (header.dst_len, header.src_len, header.tos) == (0, 0, 0) && header.action == RuleAction::ToTable;
    let mut protocol = None;
    let mut rule = Rule {
        version,
        priority: 0,
        fwmark: 0,
        fwmask: 0,
        invert: header.flags.contains(RuleFlags::Invert),
        table: u32::from(header.table),
        suppress_prefix_length: None,
    };
    for attribute in attributes(body, HEADER_BYTES) {
        match attribute.kind() {
            FRA_PROTOCOL => protocol = attribute.value().first().copied(),
            FRA_PRIORITY => rule.priority = number(attribute.value())?,
            FRA_FWMARK => rule.fwmark = number(attribute.value())?,
            FRA_FWMASK => rule.fwmask = number(attribute.value())?,
            FRA_TABLE => rule.table = number(attribute.value())?,
            FRA_SUPPRESS_PREFIXLEN => rule.suppress_prefix_length = suppressed(&attribute)?,
            _ => return None,
        }
    }
    (plain && header.family == version.family() && protocol == Some(OURS)).then_some(rule)
}

/// The kernel writes -1 where nothing is suppressed.
fn suppressed(attribute: &NlaBuffer<&[u8]>) -> Option<Option<u32>> {
    number(attribute.value()).map(|length| Some(length).filter(|length| *length != u32::MAX))
}
