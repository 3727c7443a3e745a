//! Notifications of what changed on the host, precise enough to tell whom a change concerns: the link of an address or a
//! route, the table of a route, the destination of a replaced route, Warren's rules, Warren's nftables tables.
//!
//! `watch` is its smaller sister for the packet thread, which only needs the kind of a change.

use std::collections::BTreeSet;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use ipnet::IpNet;
use netlink_packet_core::{NLM_F_REPLACE, NetlinkBuffer, parse_ip};
use netlink_sys::Socket;
use netlink_sys::protocols::{NETLINK_NETFILTER, NETLINK_ROUTE};

use crate::attribute::HEAD_BYTES;
use crate::error::{ENOBUFS, NetError, Refusal};
use crate::netlink::OURS;
use crate::nftables::link_of_change;
use crate::socket::{attributes, messages, number};

/// Multicast groups (enum rtnetlink_groups): links, addresses, routes and rules of both versions of IP.
const ROUTE_GROUPS: [u32; 7] = [1, 5, 7, 8, 9, 11, 19];
/// The multicast group of nf_tables (enum nfnetlink_groups).
const NFTABLES_GROUP: u32 = 7;
/// More than one notification needs; notifications are not combined as listings are.
const NOTICE_BYTES: usize = 32 << 10;
/// Notifications read in one call, so that a burst of others holds the caller up for a few milliseconds at most.
const NOTICES: usize = 4096;
/// Message types (linux/rtnetlink.h).
const RTM_NEWLINK: u16 = 16;
const RTM_DELLINK: u16 = 17;
const RTM_NEWADDR: u16 = 20;
const RTM_DELADDR: u16 = 21;
const RTM_NEWROUTE: u16 = 24;
const RTM_DELROUTE: u16 = 25;
const RTM_NEWRULE: u16 = 32;
const RTM_DELRULE: u16 = 33;
/// Sizes of the headers: struct ifinfomsg and ifaddrmsg have the link's index at octet 4, rtmsg and fib_rule_hdr none.
const INDEX_AT: usize = 4;
const ROUTE_HEADER_BYTES: usize = 12;
/// Places in struct rtmsg: the length of the destination, the table of one octet.
const DESTINATION_LENGTH_AT: usize = 1;
const TABLE_AT: usize = 4;
/// Attributes (linux/rtnetlink.h, linux/fib_rules.h).
const RTA_DST: u16 = 1;
const RTA_OIF: u16 = 4;
const RTA_TABLE: u16 = 15;
const FRA_PROTOCOL: u16 = 21;

/// Two non-blocking sockets that report changes of the network namespace in which they were opened.
pub struct Monitor {
    route: Socket,
    /// None without the privilege to listen to nf_tables, or in a kernel without it.
    nftables: Option<Socket>,
    notice: Vec<u8>,
}

/// What changed since the last [`Monitor::drain`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HostChanges {
    /// Notifications were lost: anything may have changed.
    pub lost: bool,
    /// Links that changed, or whose addresses or routes did.
    pub links: BTreeSet<u32>,
    /// Tables with a route that changed and that has no link, such as an unreachable one.
    pub tables: BTreeSet<u32>,
    /// Destinations for which one route took the place of another: the notification does not say of which.
    pub replaced: BTreeSet<IpNet>,
    /// Whether a rule with Warren's protocol was added or deleted.
    pub rules: bool,
    /// Links whose guard changed.
    pub guards: BTreeSet<String>,
}

impl Monitor {
    /// Open the sockets in the network namespace of the calling thread. Needs no privilege; without CAP_NET_ADMIN,
    /// changes of nf_tables are not reported.
    ///
    /// # Errors
    /// [`NetError::Refused`].
    pub fn open() -> Result<Self, NetError> {
        let route = subscribe(NETLINK_ROUTE, &ROUTE_GROUPS)
            .map_err(|source| Refusal::from(source).to("subscribing to network changes".into()))?;
        let nftables = subscribe(NETLINK_NETFILTER, &[NFTABLES_GROUP]).ok();
        Ok(Self { route, nftables, notice: Vec::with_capacity(NOTICE_BYTES) })
    }

    /// Return the descriptors that are readable while there are notifications.
    pub fn descriptors(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        [Some(&self.route), self.nftables.as_ref()].into_iter().flatten().map(AsFd::as_fd)
    }

    /// Read the pending notifications. If there are too many for one call, the descriptors stay readable.
    ///
    /// # Errors
    /// Those that make a socket unusable.
    pub fn drain(&mut self) -> io::Result<HostChanges> {
        let mut changes = HostChanges::default();
        let Self { route, nftables, notice } = self;
        read_all(route, notice, &mut changes, HostChanges::record)?;
        if let Some(nftables) = nftables {
            read_all(nftables, notice, &mut changes, |changes, message| {
                changes.guards.extend(link_of_change(message))
            })?;
        }
        Ok(changes)
    }
}

fn subscribe(protocol: isize, groups: &[u32]) -> io::Result<Socket> {
    let mut socket = Socket::new(protocol)?;
    socket.bind_auto()?;
    socket.set_non_blocking(true)?;
    groups.iter().try_for_each(|group| socket.add_membership(*group))?;
    Ok(socket)
}

fn read_all(
    socket: &Socket,
    notice: &mut Vec<u8>,
    changes: &mut HostChanges,
    record: impl Fn(&mut HostChanges, &NetlinkBuffer<&[u8]>),
) -> io::Result<()> {
    for _ in 0..NOTICES {
        notice.clear();
        match socket.recv(notice, 0) {
            Ok(_) => messages(notice).for_each(|message| record(changes, &message)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.raw_os_error() == Some(ENOBUFS) => changes.lost = true,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

impl HostChanges {
    fn record(&mut self, message: &NetlinkBuffer<&[u8]>) {
        let body = message.payload();
        match message.message_type() {
            RTM_NEWLINK | RTM_DELLINK | RTM_NEWADDR | RTM_DELADDR => {
                self.links.extend(body.get(INDEX_AT..INDEX_AT + 4).and_then(number));
            }
            RTM_NEWROUTE | RTM_DELROUTE => self.record_route(body, message.flags() & NLM_F_REPLACE != 0),
            RTM_NEWRULE | RTM_DELRULE => {
                let protocol = attribute(body, FRA_PROTOCOL);
                self.rules |= protocol.is_some_and(|value| value == [OURS]);
            }
            _ => {}
        }
    }

    fn record_route(&mut self, body: &[u8], replaces: bool) {
        match attribute(body, RTA_OIF).and_then(number) {
            Some(index) => {
                self.links.insert(index);
            }
            None => self.tables.extend(table(body)),
        }
        if replaces {
            self.replaced.extend(destination(body));
            self.tables.extend(table(body));
        }
    }
}

fn attribute(body: &[u8], kind: u16) -> Option<&[u8]> {
    let found = attributes(body, ROUTE_HEADER_BYTES).find(|attribute| attribute.kind() == kind)?;
    let length = usize::from(found.length());
    found.into_inner().get(HEAD_BYTES..length)
}

fn table(body: &[u8]) -> Option<u32> {
    attribute(body, RTA_TABLE).and_then(number).or_else(|| body.get(TABLE_AT).map(|table| u32::from(*table)))
}

/// Return the destination of a route; None for a default route, which is known by its table.
fn destination(body: &[u8]) -> Option<IpNet> {
    IpNet::new(parse_ip(attribute(body, RTA_DST)?).ok()?, *body.get(DESTINATION_LENGTH_AT)?).ok()
}
