//! The exit policy: which destinations the peers of an exit node may reach.
//!
//! Order of judgement:
//! 1. Addresses that are never reached are refused: those of this host, its broadcasts, the mesh, and special ones.
//! 2. `deny` refuses. TCP port 25 is refused as if `deny` named it, unless an entry of `allow` names that port.
//! 3. Private and attached subnets are refused, unless the subnet is attached and `allow_lan` is set, or `allow`
//!    names it.
//! 4. A destination outside `routes` is refused.
//! 5. A non-empty `allow` lets nothing else pass.
//!
//! An IPv6 address with an IPv4 address inside (NAT64, 6to4) is judged by the address inside. `routes` is about the
//! address in the packet, and `deny` about both. An entry of `allow` names a private or attached subnet only if it lies
//! within it: `0.0.0.0/0:443` opens no local network.

use std::collections::HashSet;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::str::FromStr;

use ipnet::IpNet;

use crate::prefixes::Prefixes;
use crate::special::{self, Class};

/// Mail is the traffic for which an exit node's address is blocked first.
const SMTP: u16 = 25;

/// An entry of `deny` or `allow`: `PREFIX`, `PREFIX:PORT`, `PREFIX:FIRST-LAST`, with an IPv6 prefix in brackets if a
/// port follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// The destinations.
    pub prefix: IpNet,
    /// The first and the last port; `None` for all traffic, with and without ports.
    pub ports: Option<(u16, u16)>,
}

/// Why a text is not an entry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EntryError {
    /// The text before the port is not an address or a prefix.
    #[error("invalid prefix {0:?}: expected an address or a prefix such as 192.0.2.0/24 or 2001:db8::/32")]
    Prefix(String),
    /// The address has bits set behind the length.
    #[error("invalid prefix {given}: it has host bits set; write {expected}")]
    HostBits {
        /// The prefix as it was given.
        given: IpNet,
        /// The prefix without host bits.
        expected: IpNet,
    },
    /// The text after the colon is not a port or a range of ports.
    #[error("invalid port {0:?}: expected a number from 1 to 65535, or two of them as FIRST-LAST")]
    Port(String),
    /// A bracket is missing, or something that is not a port follows it.
    #[error("invalid entry {0:?}: an IPv6 prefix with a port is written [2001:db8::/32]:443")]
    Brackets(String),
}

impl FromStr for Entry {
    type Err = EntryError;

    fn from_str(text: &str) -> Result<Self, EntryError> {
        let (prefix, ports) = split_ports(text)?;
        Ok(Self { prefix: parse_prefix(prefix)?, ports: ports.map(parse_ports).transpose()? })
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.prefix, self.ports) {
            (IpNet::V6(prefix), Some(_)) => write!(out, "[{prefix}]")?,
            (prefix, _) => write!(out, "{prefix}")?,
        }
        match self.ports {
            None => Ok(()),
            Some((first, last)) if first == last => write!(out, ":{first}"),
            Some((first, last)) => write!(out, ":{first}-{last}"),
        }
    }
}

/// Split an entry at the colon before its ports.
fn split_ports(text: &str) -> Result<(&str, Option<&str>), EntryError> {
    if let Some(rest) = text.strip_prefix('[') {
        let brackets = || EntryError::Brackets(text.to_owned());
        let (prefix, after) = rest.split_once(']').ok_or_else(brackets)?;
        let ports = after.strip_prefix(':').ok_or_else(brackets)?;
        return if prefix.contains(':') { Ok((prefix, Some(ports))) } else { Err(brackets()) };
    }
    match text.split_once(':') {
        Some((prefix, ports)) if !ports.contains(':') => Ok((prefix, Some(ports))),
        _ => Ok((text, None)),
    }
}

fn parse_prefix(text: &str) -> Result<IpNet, EntryError> {
    let prefix = text.parse().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
    let given: IpNet = prefix.map_err(|_| EntryError::Prefix(text.to_owned()))?;
    let expected = given.trunc();
    if given == expected { Ok(given) } else { Err(EntryError::HostBits { given, expected }) }
}

fn parse_ports(text: &str) -> Result<(u16, u16), EntryError> {
    let invalid = || EntryError::Port(text.to_owned());
    let number = |text: &str| {
        let is_number = !text.is_empty() && text.bytes().all(|digit| digit.is_ascii_digit());
        text.parse::<u16>().ok().filter(|port| is_number && *port != 0).ok_or_else(invalid)
    };
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let ports = (number(first)?, number(last)?);
    if ports.0 <= ports.1 { Ok(ports) } else { Err(invalid()) }
}

/// The configuration of an exit node.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rules {
    /// Destinations that are refused.
    pub deny: Vec<Entry>,
    /// If there is any, the only destinations that pass.
    pub allow: Vec<Entry>,
    /// The prefixes that the exit node offers to its peers.
    pub routes: Vec<IpNet>,
    /// Whether the subnets to which this host is attached are open.
    pub allow_lan: bool,
}

/// The addresses of this host and its networks, which change while it runs.
#[derive(Debug, Clone, Default)]
pub struct HostTable {
    own: HashSet<IpAddr>,
    broadcasts: HashSet<Ipv4Addr>,
    attached: Prefixes<()>,
    mesh: Prefixes<()>,
}

impl HostTable {
    /// Build the table from the own addresses, with the advertised and the observed endpoint; the subnets of this
    /// host's links; and the prefixes of the mesh.
    #[must_use]
    pub fn new(own: &[IpAddr], attached: &[IpNet], mesh: &[IpNet]) -> Self {
        Self {
            own: own.iter().copied().collect(),
            broadcasts: attached.iter().flat_map(directed_broadcasts).collect(),
            attached: set(attached),
            mesh: set(mesh),
        }
    }
}

fn set(prefixes: &[IpNet]) -> Prefixes<()> {
    Prefixes::build(prefixes.iter().map(|prefix| (*prefix, ())), |(), ()| ())
}

/// Return the directed broadcasts of a subnet: all ones, and all zeros as in 4.2BSD (RFC 1812, section 5.3.5.2). A
/// subnet of two addresses has none (RFC 3021).
fn directed_broadcasts(subnet: &IpNet) -> impl Iterator<Item = Ipv4Addr> + use<> {
    let found = match subnet {
        IpNet::V4(subnet) if subnet.prefix_len() < 31 => [Some(subnet.broadcast()), Some(subnet.network())],
        _ => [None, None],
    };
    found.into_iter().flatten()
}

/// The transport of a destination, with its port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Port {
    /// A TCP connection.
    Tcp(u16),
    /// A UDP datagram.
    Udp(u16),
    /// ICMP echo. Entries with ports do not name it.
    Echo,
}

impl Port {
    fn number(self) -> Option<u16> {
        match self {
            Self::Tcp(port) | Self::Udp(port) => Some(port),
            Self::Echo => None,
        }
    }
}

/// Why a destination is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It is an address of this host, or its endpoint.
    #[error("an address of this host")]
    Own,
    /// It is a directed broadcast of an attached subnet.
    #[error("a broadcast address")]
    Broadcast,
    /// It is in a prefix of the mesh.
    #[error("a prefix of the mesh")]
    Mesh,
    /// It is an address that is never a destination.
    #[error("a special address")]
    Special,
    /// An entry of `deny` names it.
    #[error("named by deny")]
    Denied,
    /// It is TCP port 25, and no entry of `allow` names that port.
    #[error("TCP port 25, which allow does not name")]
    Smtp,
    /// It is private, and not open as an attached subnet.
    #[error("a private address")]
    Private,
    /// It is in an attached subnet, which is not open.
    #[error("an attached subnet, and allow_lan is not set")]
    Attached,
    /// It is outside `routes`.
    #[error("outside routes")]
    OutsideRoutes,
    /// `allow` has entries, and none of them names it.
    #[error("not named by allow")]
    NotAllowed,
}

/// The ports of one prefix.
#[derive(Debug, Clone, Default)]
struct Ports {
    /// Whether an entry without ports is among them.
    all: bool,
    /// Disjoint ranges, in order once `sort` was called.
    ranges: Vec<(u16, u16)>,
}

impl Ports {
    fn of(entry: &Entry) -> Self {
        Self { all: entry.ports.is_none(), ranges: entry.ports.into_iter().collect() }
    }

    /// Sort the ranges and join those that overlap.
    fn sort(&mut self) {
        self.ranges.sort_unstable();
        self.ranges.dedup_by(|next, range| {
            let overlaps = next.0 <= range.1;
            if overlaps {
                range.1 = range.1.max(next.1);
            }
            overlaps
        });
    }

    /// Return whether an entry with ports names `port`.
    fn name(&self, port: u16) -> bool {
        let behind = self.ranges.partition_point(|(first, _)| *first <= port);
        self.ranges[..behind].last().is_some_and(|(_, last)| port <= *last)
    }

    fn hold(&self, port: Port) -> bool {
        self.all || port.number().is_some_and(|port| self.name(port))
    }
}

/// The entries of `deny` or of `allow`, by prefix.
#[derive(Debug, Clone, Default)]
struct Entries(Prefixes<Ports>);

impl Entries {
    fn new(entries: &[Entry]) -> Self {
        let ports = entries.iter().map(|entry| (entry.prefix, Ports::of(entry)));
        let mut table = Prefixes::build(ports, |all, more| {
            all.all |= more.all;
            all.ranges.extend(more.ranges);
        });
        table.values_mut().for_each(Ports::sort);
        Self(table)
    }

    /// Return whether an entry names a destination.
    fn name(&self, address: IpAddr, port: Port) -> bool {
        self.name_within(address, port, 0)
    }

    /// Return whether an entry whose prefix has at least `length` bits names a destination.
    fn name_within(&self, address: IpAddr, port: Port, length: u8) -> bool {
        self.0.containing(address).take_while(|(bits, _)| *bits >= length).any(|(_, ports)| ports.hold(port))
    }

    /// Return whether an entry with ports names this port of a destination.
    fn name_port(&self, address: IpAddr, port: u16) -> bool {
        self.0.containing(address).any(|(_, ports)| ports.name(port))
    }
}

/// The exit policy, ready for lookups.
#[derive(Debug, Clone, Default)]
pub struct Policy {
    deny: Entries,
    allow: Entries,
    routes: Prefixes<()>,
    allow_lan: bool,
    host: HostTable,
}

impl Policy {
    /// Build the policy from its configuration and the addresses of this host.
    #[must_use]
    pub fn new(rules: &Rules, host: HostTable) -> Self {
        Self {
            deny: Entries::new(&rules.deny),
            allow: Entries::new(&rules.allow),
            routes: set(&rules.routes),
            allow_lan: rules.allow_lan,
            host,
        }
    }

    /// Replace the addresses of this host.
    pub fn set_host(&mut self, host: HostTable) {
        self.host = host;
    }

    /// Judge a destination of a peer of the exit node.
    ///
    /// # Errors
    /// The first reason to refuse it, in the order of judgement.
    pub fn judge(&self, address: IpAddr, port: Port) -> Result<(), Refusal> {
        self.judge_direct(address, port)?;
        if !self.routes.contains(address) {
            return Err(Refusal::OutsideRoutes);
        }
        let is_named = self.allow.name(address, port)
            || special::readings(address).iter().all(|reading| self.allow.name(reading, port));
        if self.allow.0.is_empty() || is_named { Ok(()) } else { Err(Refusal::NotAllowed) }
    }

    /// Judge a destination that this host dials outside for a local client: by the first three rules alone.
    ///
    /// # Errors
    /// The first reason to refuse it, in the order of judgement.
    pub fn judge_direct(&self, address: IpAddr, port: Port) -> Result<(), Refusal> {
        let readings = special::readings(address);
        self.verify_reachable(address)?;
        readings.iter().try_for_each(|reading| self.verify_reachable(reading))?;
        if self.deny.name(address, port) {
            return Err(Refusal::Denied);
        }
        readings.iter().try_for_each(|reading| self.verify_not_denied(reading, port))?;
        readings.iter().try_for_each(|reading| self.verify_not_local(reading, port))
    }

    /// Apply rule 1.
    fn verify_reachable(&self, address: IpAddr) -> Result<(), Refusal> {
        if self.host.own.contains(&address) {
            return Err(Refusal::Own);
        }
        if matches!(address, IpAddr::V4(v4) if self.host.broadcasts.contains(&v4)) {
            return Err(Refusal::Broadcast);
        }
        if self.host.mesh.contains(address) {
            return Err(Refusal::Mesh);
        }
        if special::class(address) == Some(Class::Never) { Err(Refusal::Special) } else { Ok(()) }
    }

    /// Apply rule 2.
    fn verify_not_denied(&self, address: IpAddr, port: Port) -> Result<(), Refusal> {
        if self.deny.name(address, port) {
            return Err(Refusal::Denied);
        }
        let is_smtp = port == Port::Tcp(SMTP);
        if is_smtp && !self.allow.name_port(address, SMTP) { Err(Refusal::Smtp) } else { Ok(()) }
    }

    /// Apply rule 3.
    fn verify_not_local(&self, address: IpAddr, port: Port) -> Result<(), Refusal> {
        let subnet = self.host.attached.containing(address).next().map(|(length, ())| length);
        let range = special::private_range(address).map(|(_, length)| length);
        let Some(length) = range.or(subnet) else { return Ok(()) };
        let is_open = subnet.is_some() && self.allow_lan;
        if is_open || self.allow.name_within(address, port, length) {
            return Ok(());
        }
        Err(if subnet.is_some() { Refusal::Attached } else { Refusal::Private })
    }
}

#[cfg(test)]
mod tests;
