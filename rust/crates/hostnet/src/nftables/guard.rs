//! The guard, and the rules that it consists of.

use std::net::IpAddr;

use super::constants::{
    IFNAMSIZ, IPPROTO_UDP, IPV4_DESTINATION, IPV6_DESTINATION, NFT_CMP_EQ, NFT_CMP_NEQ, NFT_META_IIFNAME,
    NFT_META_L4PROTO, NFT_META_MARK, RTN_LOCAL,
};
use crate::rule::Version;

/// The comment of a table, which marks it as ours in the request that creates it (decision 0012).
const MADE: &str = "made by Warren";
const MADE_AND_SET: &str = "made by Warren, which set src_valid_mark";
/// The prefix of a table's name; the link's name follows.
const PREFIX: &str = "warren-";
/// The attribute of a table's user data that is its comment (enum nftnl_udata_table_types of libnftnl).
const COMMENT: u8 = 0;

/// `table ip|ip6 warren-LINK`: drops packets to the link's own addresses that arrive on another link from other hosts,
/// and restores the mark of the tunnel's own datagrams on their replies.
///
/// The first keeps attackers on the path from probing the tunnel's connections (CVE-2019-14899). With the second, a
/// strict reverse path check (RFC 3704, section 2.2) accepts what comes from the remote side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guard {
    /// The link of the tunnel.
    pub link: String,
    /// The IP version.
    pub version: Version,
    /// The mark of the tunnel's own datagrams.
    pub fwmark: u32,
    /// The addresses of the link; those of the other IP version are ignored.
    pub addresses: Vec<IpAddr>,
    /// Whether net.ipv4.conf.all.src_valid_mark was set for it, and has to be reset with it.
    pub sets_valid_mark: bool,
}

/// An expression of a rule; `load` loads a value into the register that the next expression uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Expression {
    LoadMeta(u32),
    LoadDestination { offset: u32, bytes: u32 },
    LoadSourceType,
    LoadConnectionMark,
    Compare { operation: u32, value: Vec<u8> },
    SetMark,
    SetConnectionMark,
    Drop,
}

/// A rule and its chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FilterRule {
    pub(super) chain: &'static str,
    pub(super) expressions: Vec<Expression>,
}

pub(super) const PRERAW: &str = "preraw";
pub(super) const PREMANGLE: &str = "premangle";
pub(super) const POSTMANGLE: &str = "postmangle";

impl Guard {
    pub(super) fn rules(&self) -> Vec<FilterRule> {
        let addresses = self.addresses.iter().filter(|address| address.is_ipv4() == (self.version == Version::V4));
        let drops = addresses
            .map(|address| FilterRule { chain: PRERAW, expressions: drop_from_elsewhere(&self.link, *address) });
        drops.chain([restore_mark(self.fwmark), save_mark(self.fwmark)]).collect()
    }

    /// Return the user data of its table: type, length and text with its terminating zero.
    pub(super) fn comment(&self) -> Vec<u8> {
        comment(if self.sets_valid_mark { MADE_AND_SET } else { MADE })
    }
}

fn comment(text: &str) -> Vec<u8> {
    let mut octets = vec![COMMENT, text.len() as u8 + 1];
    octets.extend(text.as_bytes());
    octets.push(0);
    octets
}

/// Return whether src_valid_mark was set for the table with this user data; None if it is not ours.
pub(super) fn parse_comment(octets: &[u8]) -> Option<bool> {
    [(MADE, false), (MADE_AND_SET, true)].into_iter().find(|(text, _)| comment(text) == octets).map(|(_, set)| set)
}

/// Return the rule `iifname != LINK ip daddr ADDRESS fib saddr type != local drop`.
fn drop_from_elsewhere(link: &str, address: IpAddr) -> Vec<Expression> {
    let (offset, value) = match address {
        IpAddr::V4(address) => (IPV4_DESTINATION, address.octets().to_vec()),
        IpAddr::V6(address) => (IPV6_DESTINATION, address.octets().to_vec()),
    };
    let mut name = link.as_bytes().to_vec();
    name.resize(IFNAMSIZ, 0);
    vec![
        Expression::LoadMeta(NFT_META_IIFNAME),
        Expression::Compare { operation: NFT_CMP_NEQ, value: name },
        Expression::LoadDestination { offset, bytes: value.len() as u32 },
        Expression::Compare { operation: NFT_CMP_EQ, value },
        Expression::LoadSourceType,
        Expression::Compare { operation: NFT_CMP_NEQ, value: RTN_LOCAL.to_ne_bytes().to_vec() },
        Expression::Drop,
    ]
}

/// Return the rule `meta l4proto udp ct mark FWMARK meta mark set ct mark`.
fn restore_mark(fwmark: u32) -> FilterRule {
    let [load, udp] = is_udp();
    let is_marked = Expression::Compare { operation: NFT_CMP_EQ, value: fwmark.to_ne_bytes().to_vec() };
    let restore = [Expression::LoadConnectionMark, is_marked, Expression::LoadConnectionMark, Expression::SetMark];
    FilterRule { chain: PREMANGLE, expressions: [load, udp].into_iter().chain(restore).collect() }
}

/// Return the rule `meta l4proto udp meta mark FWMARK ct mark set meta mark`.
fn save_mark(fwmark: u32) -> FilterRule {
    let [load, udp] = is_udp();
    let is_marked = Expression::Compare { operation: NFT_CMP_EQ, value: fwmark.to_ne_bytes().to_vec() };
    let mark = || Expression::LoadMeta(NFT_META_MARK);
    FilterRule {
        chain: POSTMANGLE,
        expressions: vec![load, udp, mark(), is_marked, mark(), Expression::SetConnectionMark],
    }
}

fn is_udp() -> [Expression; 2] {
    [Expression::LoadMeta(NFT_META_L4PROTO), Expression::Compare { operation: NFT_CMP_EQ, value: vec![IPPROTO_UDP] }]
}

pub(super) fn table_name(link: &str) -> String {
    format!("{PREFIX}{link}")
}

/// Return the link of the table with that name.
pub(super) fn link_of(table: &str) -> Option<&str> {
    table.strip_prefix(PREFIX)
}

/// Return the name of the table, for an error.
pub(super) fn name(version: Version, link: &str) -> String {
    format!("{} {}", if version == Version::V4 { "ip" } else { "ip6" }, table_name(link))
}

impl std::fmt::Display for Guard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&name(self.version, &self.link))
    }
}
