//! What the parts of a stack share.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use device::place::Place;
use proto::PeerId;
use proto::clock::Now;

use crate::budget::Budget;
use crate::capture::Capture;
use crate::counts::{Counts, Reason};
use crate::datagrams::{Datagrams, From};
use crate::fragments;
use crate::icmp;
use crate::packet::{self, Packet};
use crate::packets::Packets;
use crate::pcapng::Direction;
use crate::policy::{Policy, Port};
use crate::poller::{Poller, Token};
use crate::random;
use crate::slab::Id;
use crate::tables::Tables;
use crate::udp::{Datagram, MAX_PAYLOAD};
use crate::wheel::Wheel;

/// What a timer is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Alarm {
    /// The deadline of a TCP flow.
    Flow(Id),
    /// The next attempt of a dial, or its end.
    Dial(Id),
    /// Connections in TIME-WAIT.
    TimeWait,
    /// Memory is short: look which flows may go on, and which give theirs back.
    Memory,
    /// The addresses of this host are listed again.
    Addresses,
    /// A listener on the host is opened again, or accepts again.
    Listener(Id),
    /// The end of a client's handshake.
    Client(Id),
    /// The next attempt of a relay's dial, or its end.
    Relay(Id),
    /// The end of a mapping of UDP.
    Udp(Id),
    /// The end of an echo session.
    Echo(Id),
    /// The end of a capture.
    Capture,
    /// The deadline of the resolver.
    Names,
    /// A lookup goes on with the addresses that have come.
    Lookup(Id),
    /// A stream of DNS messages is idle.
    NameStream(Id),
    /// A listener for DNS on the host is opened again.
    NameListener(Id),
}

/// What the parts of a stack share.
pub(crate) struct Shared {
    pub(crate) poller: Poller,
    pub(crate) wheel: Wheel<Alarm>,
    pub(crate) budget: Budget<PeerId>,
    pub(crate) packets: Packets,
    /// Own ports of UDP, and what has arrived at them.
    pub(crate) datagrams: Datagrams,
    pub(crate) errors: icmp::Limit<PeerId>,
    pub(crate) counts: Counts,
    pub(crate) tables: Tables,
    /// The exit policy; `None` without an exit.
    pub(crate) policy: Option<Policy>,
    /// The policy of what this host dials outside for local clients; `None` if it dials nothing for them.
    pub(crate) direct: Option<Policy>,
    /// Whether the policy knows the addresses of this host. Nothing is forwarded before.
    pub(crate) host_is_known: bool,
    /// The path MTU of peers that have one, in octets of packets inside.
    pub(crate) path_mtu: HashMap<PeerId, u16>,
    /// The capture in progress.
    pub(crate) capture: Option<Capture>,
    /// The time of this call.
    pub(crate) now: Now,
}

impl Shared {
    /// Record a packet, if there is a capture.
    pub(crate) fn record(&mut self, direction: Direction, packet: &[u8]) {
        if let Some(capture) = &mut self.capture {
            capture.record(direction, packet, self.now);
        }
    }

    /// Put waiting packets into `place`.
    pub(crate) fn take_packets(&mut self, place: &mut impl Place) {
        let Self { packets, capture, now, .. } = self;
        packets.take(place, |packet| {
            if let Some(capture) = capture {
                capture.record(Direction::Outbound, packet, *now);
            }
        });
    }

    /// Begin a capture; false if there is one already, or if its stream cannot be watched.
    pub(crate) fn begin_capture(&mut self, capture: Capture) -> bool {
        if self.capture.is_some() || self.poller.add_edges(capture.stream(), Token::Capture).is_err() {
            return false;
        }
        self.wheel.set(Alarm::Capture, capture.ends);
        self.capture = Some(capture);
        self.flush_capture();
        true
    }

    /// Write what the stream of the capture takes, and forget a capture that is over.
    pub(crate) fn flush_capture(&mut self) {
        self.capture.take_if(|capture| !capture.flush());
    }

    /// End the capture if its time has passed.
    pub(crate) fn expire_capture(&mut self) {
        if let Some(capture) = self.capture.as_mut().filter(|capture| capture.ends <= self.now.boot) {
            capture.end(self.now);
        }
        self.flush_capture();
    }

    /// Return the time of this call, for TCP.
    pub(crate) fn time(&self) -> tcp::Time {
        time(self.now.boot)
    }

    /// Return whether the exit policy lets a peer reach a destination.
    pub(crate) fn may_exit(&self, address: IpAddr, port: Port) -> bool {
        self.host_is_known && self.policy.as_ref().is_some_and(|policy| policy.judge(address, port).is_ok())
    }

    /// Return whether this host may dial an address outside for a local client.
    pub(crate) fn may_dial_outside(&self, address: IpAddr, port: Port) -> bool {
        self.host_is_known && self.direct.as_ref().is_some_and(|policy| policy.judge_direct(address, port).is_ok())
    }

    /// Return the longest packet to a peer, in octets.
    pub(crate) fn mtu(&self, peer: PeerId) -> u16 {
        self.path_mtu.get(&peer).map_or(self.tables.mtu, |mtu| self.tables.mtu.min(*mtu))
    }

    /// Return the own address of a family.
    pub(crate) fn own_address(&self, is_v6: bool) -> Option<IpAddr> {
        self.tables.addresses.iter().map(ipnet::IpNet::addr).find(|address| address.is_ipv6() == is_v6)
    }

    /// Return whether an address is an own one.
    pub(crate) fn is_own(&self, address: IpAddr) -> bool {
        self.tables.addresses.iter().any(|own| own.addr() == address)
    }

    /// Send a datagram from an own port to an address behind a peer; what is longer than the MTU goes in fragments.
    pub(crate) fn send_datagram(&mut self, from: From, to: SocketAddr, payload: &[u8]) {
        let Some(own) = from.address.or_else(|| self.own_address(to.is_ipv6())) else { return };
        if own.is_ipv6() != to.is_ipv6() || payload.len() > MAX_PAYLOAD {
            return;
        }
        let datagram = Datagram::new((own, from.port).into(), to);
        let bytes = datagram.bytes(payload.len());
        let write = |out: &mut Vec<u8>| {
            out.resize(bytes, 0);
            datagram.put(payload, out);
            true
        };
        if bytes <= self.tables.mtu.into() {
            return self.packets.push_routed(write);
        }
        let mut whole = Vec::new();
        write(&mut whole);
        self.push_fragments(None, &whole);
    }

    /// Queue a packet in fragments of at most the MTU, for a peer or for the one that has its destination.
    pub(crate) fn push_fragments(&mut self, peer: Option<PeerId>, octets: &[u8]) {
        let Ok(whole) = packet::parse(octets) else { return };
        let mtu = peer.map_or(self.tables.mtu, |peer| self.mtu(peer));
        let packets = &mut self.packets;
        let is_split = fragments::split(&whole, mtu.into(), random::word(), |fragment| {
            packets.push_to(peer, |out| {
                out.extend_from_slice(fragment);
                true
            });
        });
        self.packets.dropped += u64::from(!is_split);
    }

    /// Report an error about a packet to its sender, within the limit of the peer. It comes from the destination if that
    /// is an own address, else from the own address of the family.
    pub(crate) fn report(&mut self, peer: PeerId, about: &Packet<'_>, error: icmp::Error) {
        self.report_from(peer, about, error, None);
    }

    /// The same; it comes from `from`, such as the router that reported the error, if that is known.
    pub(crate) fn report_from(&mut self, peer: PeerId, about: &Packet<'_>, error: icmp::Error, from: Option<IpAddr>) {
        let from = from.or_else(|| Some(about.destination).filter(|address| self.is_own(*address)));
        let Some(from) = from.or_else(|| self.own_address(about.source.is_ipv6())) else { return };
        if !icmp::may_report(about) {
            return;
        }
        if self.errors.allow(peer, self.now.boot) {
            self.packets.push(peer, |out| icmp::write_error(about, error, from, out));
        } else {
            self.counts.refuse(Reason::Rate);
        }
    }
}

/// Return a time since boot as the own TCP counts it.
pub(crate) fn time(boot: Duration) -> tcp::Time {
    tcp::Time::ZERO + boot
}

/// Return a time of the own TCP as one since boot.
pub(crate) fn boot(time: tcp::Time) -> Duration {
    Duration::from_nanos(time.as_nanos())
}
