//! Routes on a link or in a table, as `ip route` adds, deletes and lists them, and route look-ups.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use netlink_packet_core::{NLM_F_APPEND, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE, parse_ip};
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteHeader, RouteMessage, RouteMetric, RouteProtocol, RouteScope, RouteType,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use crate::address::family;
use crate::error::{ENOENT, NetError, Refusal};
use crate::netlink::{Netlink, OURS};
use crate::socket::{attributes, number};

/// Size of `struct rtmsg`.
const HEADER_BYTES: usize = 12;
/// Attributes (enum rtattr_type_t in linux/rtnetlink.h).
const RTA_DST: u16 = 1;
const RTA_OIF: u16 = 4;
const RTA_GATEWAY: u16 = 5;
const RTA_PRIORITY: u16 = 6;
const RTA_PREFSRC: u16 = 7;
const RTA_METRICS: u16 = 8;
const RTA_TABLE: u16 = 15;
/// The MTU among the metrics (RTAX_MTU in linux/rtnetlink.h).
const RTAX_MTU: u16 = 2;
/// `errno` of "network is unreachable", for a response that names no link.
const ENETUNREACH: i32 = 101;

/// A route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// Its destination; a default route has the length 0.
    pub destination: IpNet,
    /// Its table; 254 is the main one.
    pub table: u32,
    /// Its link; None for several links, and for an unreachable route.
    pub link: Option<u32>,
    /// What created it (RTPROT_*): 2 the kernel, from an address; 3 `ip route`; [`OURS`] [`Netlink::add_route`].
    pub protocol: u8,
    /// The gateway, if there is one.
    pub gateway: Option<IpAddr>,
    /// The preferred source address.
    pub source: Option<IpAddr>,
    /// Its metric: of two routes to one destination, the lower one is used; 0 for none.
    pub metric: u32,
    /// Its MTU; None for that of its link.
    pub mtu: Option<u32>,
    /// Whether packets for it are refused (RTN_UNREACHABLE), as by [`Netlink::add_fallback`].
    pub unreachable: bool,
}

impl Route {
    /// The main table (RT_TABLE_MAIN).
    pub const MAIN_TABLE: u32 = 254;
    /// Created by the kernel from an address (RTPROT_KERNEL), and removed with it.
    pub const BY_KERNEL: u8 = 2;
    /// The metric of a fallback: the highest, so that every other route to its destination is preferred.
    const FALLBACK_METRIC: u32 = u32::MAX;
    /// The metric of an IPv6 route that the kernel creates from an address (IP6_RT_PRIO_ADDRCONF).
    const CONNECTED_V6_METRIC: u32 = 256;
}

impl Netlink {
    /// Return the unicast routes on a link in all tables, including those that the kernel created from its addresses.
    ///
    /// # Errors
    /// [`NetError`].
    pub fn routes(&mut self, index: u32) -> Result<Vec<Route>, NetError> {
        // Old kernels do not filter, and list all routes.
        let by_link =
            |header: &RouteHeader, route: &Route| header.kind == RouteType::Unicast && route.link == Some(index);
        let all = self.choose_routes(&RouteAttribute::Oif(index), by_link);
        all.map_err(|refusal| self.refused(index, refusal, |link| format!("listing routes on {link}")))
    }

    /// Return the routes in a table, on any link, including unreachable ones.
    ///
    /// # Errors
    /// [`NetError`].
    pub fn table_routes(&mut self, table: u32) -> Result<Vec<Route>, NetError> {
        let all = self.choose_routes(&RouteAttribute::Table(table), |_, route| route.table == table);
        all.map_err(|refusal| refusal.to(format!("listing routes in table {table}")))
    }

    fn choose_routes(
        &mut self,
        by: &RouteAttribute,
        chosen: impl Fn(&RouteHeader, &Route) -> bool,
    ) -> Result<Vec<Route>, Refusal> {
        let mut all = Vec::new();
        for family in [AddressFamily::Inet, AddressFamily::Inet6] {
            let mut message = RouteMessage::default();
            message.header.address_family = family;
            message.attributes.push(by.clone());
            let some =
                self.socket.list(&RouteNetlinkMessage::GetRoute(message), |body| parse_route(body, family, &chosen));
            match some {
                Err(refusal) if refusal.is(ENOENT) => {} // there is no such table
                some => all.extend(some?),
            }
        }
        Ok(all)
    }

    /// Add a route as `ip route add DESTINATION dev LINK proto 119 [table TABLE] [mtu MTU]` does; without a table, to
    /// the main one.
    ///
    /// # Errors
    /// [`NetError`]; EEXIST if there is such a route, ENETDOWN if the link is down.
    pub fn add_route(
        &mut self,
        index: u32,
        destination: IpNet,
        table: Option<u32>,
        mtu: Option<u32>,
    ) -> Result<(), NetError> {
        let request = RouteNetlinkMessage::NewRoute(unicast(index, destination, table, mtu));
        let result = self.socket.execute(&request, NLM_F_CREATE | NLM_F_EXCL);
        result.map_err(|refusal| {
            self.refused(index, refusal, |link| format!("adding route {destination} on {link}{}", in_table(table)))
        })
    }

    /// Set or remove the MTU of a route that [`Netlink::add_route`] added. The route is replaced at once: there is no
    /// moment without it.
    ///
    /// # Errors
    /// [`NetError`]; ENOENT if there is no route to that destination.
    pub fn set_route_mtu(
        &mut self,
        index: u32,
        destination: IpNet,
        table: Option<u32>,
        mtu: Option<u32>,
    ) -> Result<(), NetError> {
        let request = RouteNetlinkMessage::NewRoute(unicast(index, destination, table, mtu));
        self.socket.execute(&request, NLM_F_REPLACE).map_err(|refusal| {
            let place = in_table(table);
            self.refused(index, refusal, |link| format!("setting the MTU of route {destination} on {link}{place}"))
        })
    }

    /// Delete a route as `ip route delete DESTINATION dev LINK proto 119 [table TABLE]` does, never one created by
    /// others.
    ///
    /// # Errors
    /// [`NetError`]; ESRCH if there is none.
    pub fn remove_route(&mut self, index: u32, destination: IpNet, table: Option<u32>) -> Result<(), NetError> {
        let mut message = message(index, destination, table);
        message.header.scope = if destination.addr().is_ipv4() { RouteScope::NoWhere } else { RouteScope::Universe };
        let result = self.socket.execute(&RouteNetlinkMessage::DelRoute(message), 0);
        result.map_err(|refusal| {
            self.refused(index, refusal, |link| format!("removing route {destination} on {link}{}", in_table(table)))
        })
    }

    /// Return the fallbacks that [`Netlink::add_fallback`] added to any table, here or in a process that has ended.
    ///
    /// # Errors
    /// [`NetError`].
    pub fn fallbacks(&mut self) -> Result<Vec<Route>, NetError> {
        let mut all = Vec::new();
        for family in [AddressFamily::Inet, AddressFamily::Inet6] {
            let mut message = RouteMessage::default();
            message.header.address_family = family;
            message.header.protocol = RouteProtocol::from(OURS);
            message.header.kind = RouteType::Unreachable;
            // Old kernels do not filter, and list all routes.
            let is_fallback = |_: &RouteHeader, route: &Route| route.unreachable && route.protocol == OURS;
            let request = RouteNetlinkMessage::GetRoute(message);
            let some = self.socket.list(&request, |body| parse_route(body, family, is_fallback));
            all.extend(some.map_err(|refusal| refusal.to("listing unreachable routes".into()))?);
        }
        Ok(all)
    }

    /// Add a fallback as `ip route add unreachable DESTINATION metric 4294967295 proto 119 table TABLE` does: packets
    /// for which the table has no other route are refused and not routed by a later table.
    ///
    /// # Errors
    /// [`NetError`]; EEXIST if there is one.
    pub fn add_fallback(&mut self, destination: IpNet, table: u32) -> Result<(), NetError> {
        let request = RouteNetlinkMessage::NewRoute(fallback(destination, table));
        let result = self.socket.execute(&request, NLM_F_CREATE | NLM_F_EXCL);
        result.map_err(|refusal| refusal.to(format!("adding unreachable route {destination}{}", in_table(Some(table)))))
    }

    /// Delete a fallback, never a route created by others.
    ///
    /// # Errors
    /// [`NetError`]; ESRCH if there is none.
    pub fn remove_fallback(&mut self, destination: IpNet, table: u32) -> Result<(), NetError> {
        let result = self.socket.execute(&RouteNetlinkMessage::DelRoute(fallback(destination, table)), 0);
        result
            .map_err(|refusal| refusal.to(format!("removing unreachable route {destination}{}", in_table(Some(table)))))
    }

    /// Add the route to the network of an address of a link exactly as the kernel does with the address, after another
    /// program has deleted it. As the kernel's own, it goes with the address.
    ///
    /// # Errors
    /// [`NetError`]; EEXIST if there is such a route, EINVAL if the link does not have the address.
    pub fn add_connected_route(&mut self, index: u32, address: IpNet) -> Result<(), NetError> {
        let mut message = message(index, address.trunc(), None);
        message.header.protocol = RouteProtocol::Kernel;
        message.header.kind = RouteType::Unicast;
        if address.addr().is_ipv4() {
            message.header.scope = RouteScope::Link;
            message.attributes.push(RouteAttribute::PrefSource(address.addr().into()));
        } else {
            message.attributes.push(RouteAttribute::Priority(Route::CONNECTED_V6_METRIC));
        }
        // Other links may have a route to the same network, such as fe80::/64.
        let result = self.socket.execute(&RouteNetlinkMessage::NewRoute(message), NLM_F_CREATE | NLM_F_APPEND);
        result.map_err(|refusal| {
            self.refused(index, refusal, |link| format!("adding the connected route of {address} on {link}"))
        })
    }

    /// Return the index of the link by which a datagram to `destination` would leave with that mark, sent from
    /// `source` if there is one.
    ///
    /// # Errors
    /// [`NetError`]; ENETUNREACH if there is no route, ENETUNREACH or EINVAL if `source` is an IPv4 address that is not
    /// this host's. IPv6 addresses are not checked.
    pub fn route_to(&mut self, destination: IpAddr, source: Option<IpAddr>, fwmark: u32) -> Result<u32, NetError> {
        self.resolve(destination, source, fwmark, |body| attribute_number(body, RTA_OIF))
    }

    /// Return the MTU of the route by which a datagram to `destination` would leave with that mark: a configured one,
    /// or the one that the kernel has learnt from ICMP; None for that of the link.
    ///
    /// # Errors
    /// [`NetError`]; ENETUNREACH if there is no route.
    pub fn route_mtu(&mut self, destination: IpAddr, fwmark: u32) -> Result<Option<u32>, NetError> {
        self.resolve(destination, None, fwmark, |body| attribute_number(body, RTA_OIF).map(|_| mtu(body)))
    }

    /// Ask the kernel for the route to `destination`, and parse it.
    fn resolve<T>(
        &mut self,
        destination: IpAddr,
        source: Option<IpAddr>,
        fwmark: u32,
        parse: impl Fn(&[u8]) -> Option<T>,
    ) -> Result<T, NetError> {
        let mut message = RouteMessage::default();
        let host = IpNet::from(destination).prefix_len();
        message.header.address_family = family(destination);
        message.header.destination_prefix_length = host;
        message.attributes = vec![RouteAttribute::Destination(destination.into()), RouteAttribute::Mark(fwmark)];
        if let Some(source) = source {
            message.header.source_prefix_length = host;
            message.attributes.push(RouteAttribute::Source(source.into()));
        }
        let found = self.socket.query(&RouteNetlinkMessage::GetRoute(message), parse);
        found
            .and_then(|route| route.ok_or_else(|| Refusal::from(std::io::Error::from_raw_os_error(ENETUNREACH))))
            .map_err(|refusal| refusal.to(format!("resolving the route to {destination}{}", from(source))))
    }
}

fn from(source: Option<IpAddr>) -> String {
    source.map(|source| format!(" from {source}")).unwrap_or_default()
}

fn in_table(table: Option<u32>) -> String {
    table.map(|table| format!(" in table {table}")).unwrap_or_default()
}

fn fallback(destination: IpNet, table: u32) -> RouteMessage {
    let mut message = message(0, destination, Some(table));
    message.header.kind = RouteType::Unreachable;
    message.attributes.retain(|attribute| !matches!(attribute, RouteAttribute::Oif(_)));
    message.attributes.push(RouteAttribute::Priority(Route::FALLBACK_METRIC));
    message
}

fn unicast(index: u32, destination: IpNet, table: Option<u32>, mtu: Option<u32>) -> RouteMessage {
    let mut message = message(index, destination, table);
    message.header.kind = RouteType::Unicast;
    message.header.scope = if destination.addr().is_ipv4() { RouteScope::Link } else { RouteScope::Universe };
    message.attributes.extend(mtu.map(|mtu| RouteAttribute::Metrics(vec![RouteMetric::Mtu(mtu)])));
    message
}

fn message(index: u32, destination: IpNet, table: Option<u32>) -> RouteMessage {
    let mut message = RouteMessage::default();
    message.header.address_family = family(destination.addr());
    message.header.destination_prefix_length = destination.prefix_len();
    message.header.protocol = RouteProtocol::from(OURS);
    message.attributes = vec![
        RouteAttribute::Destination(RouteAddress::from(destination.network())),
        RouteAttribute::Oif(index),
        RouteAttribute::Table(table.unwrap_or(Route::MAIN_TABLE)),
    ];
    message
}

fn attribute_number(body: &[u8], kind: u16) -> Option<u32> {
    attributes(body, HEADER_BYTES).find(|attribute| attribute.kind() == kind).and_then(|found| number(found.value()))
}

/// Return the MTU among the metrics of a route.
fn mtu(body: &[u8]) -> Option<u32> {
    let metrics = attributes(body, HEADER_BYTES).find(|attribute| attribute.kind() == RTA_METRICS)?;
    let mtu = attributes(metrics.value(), 0).find(|metric| metric.kind() == RTAX_MTU)?;
    number(mtu.value()).filter(|mtu| *mtu > 0)
}

/// Return the route if it has that family and matches.
fn parse_route(body: &[u8], family: AddressFamily, chosen: impl Fn(&RouteHeader, &Route) -> bool) -> Option<Route> {
    let header = RouteHeader::parse(body).ok().filter(|header| header.address_family == family)?;
    let address = |kind| {
        let found = attributes(body, HEADER_BYTES).find(|attribute| attribute.kind() == kind)?;
        parse_ip(found.value()).ok()
    };
    let anywhere =
        if family == AddressFamily::Inet { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let route = Route {
        destination: IpNet::new(address(RTA_DST).unwrap_or(anywhere), header.destination_prefix_length).ok()?,
        table: attribute_number(body, RTA_TABLE).unwrap_or(u32::from(header.table)),
        link: attribute_number(body, RTA_OIF),
        protocol: header.protocol.into(),
        gateway: address(RTA_GATEWAY),
        source: address(RTA_PREFSRC),
        metric: attribute_number(body, RTA_PRIORITY).unwrap_or(0),
        mtu: mtu(body),
        unreachable: header.kind == RouteType::Unreachable,
    };
    chosen(&header, &route).then_some(route)
}
