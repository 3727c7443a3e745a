//! Packets from peers, and which part of the stack each is for.

use std::net::IpAddr;

use proto::PeerId;

use crate::datagrams::Owner;
use crate::dial::Failure;
use crate::echo::Echoes;
use crate::fragments::{Outcome, Reassembly};
use crate::icmp::{self, Report};
use crate::names::Names;
use crate::packet::{self, Packet, Transport, protocol};
use crate::pairs::Pairs;
use crate::shared::Shared;
use crate::tcpflow::{Key, TcpFlows};
use crate::udpflow::UdpFlows;

/// The parts of a stack to which packets of peers are given.
pub(crate) struct Demux {
    pub(crate) shared: Shared,
    pub(crate) tcp: TcpFlows,
    pub(crate) udp: UdpFlows,
    pub(crate) echo: Echoes,
    pub(crate) pairs: Pairs,
    pub(crate) names: Names,
    pub(crate) fragments: Reassembly<PeerId>,
}

impl Demux {
    /// Process a packet of a peer.
    pub(crate) fn receive(&mut self, peer: PeerId, octets: &[u8]) {
        let packet = match packet::parse(octets) {
            Ok(packet) => packet,
            Err(reason) => return self.shared.counts.bad(reason),
        };
        if packet.fragment.is_none() {
            return self.dispatch(peer, &packet, false);
        }
        match self.fragments.receive(peer, &packet, self.shared.now.boot) {
            Outcome::Incomplete => {}
            Outcome::Complete(octets) => {
                if let Ok(packet) = packet::parse(&octets) {
                    self.dispatch(peer, &packet, true);
                }
            }
            Outcome::Dropped => self.shared.counts.overlaps += 1,
        }
    }

    /// End the flows that the policy forbids now.
    pub(crate) fn apply_policy(&mut self) {
        self.tcp.apply_policy(&mut self.shared);
        self.udp.outside.apply_policy(&self.shared);
        self.echo.outside.apply_policy(&self.shared);
    }

    /// End the flows of a peer that was removed.
    pub(crate) fn remove_peer(&mut self, peer: PeerId) {
        self.tcp.remove_peer(peer, &mut self.shared);
        self.udp.outside.remove_peer(peer);
        self.echo.outside.remove_peer(peer);
        self.shared.packets.remove_peer(peer);
        self.shared.errors.remove(peer);
        self.shared.path_mtu.remove(&peer);
        self.fragments.remove(peer);
    }

    /// Tell the senders of datagrams whose fragments did not all come (RFC 792, RFC 8200).
    pub(crate) fn expire_fragments(&mut self) {
        for (peer, first) in self.fragments.on_deadline(self.shared.now.boot) {
            if let Ok(packet) = packet::parse(&first) {
                self.shared.report(peer, &packet, icmp::Error::ReassemblyTimeExceeded);
            }
        }
    }

    /// Give a packet to its part; `was_split` says that it came in fragments.
    fn dispatch(&mut self, peer: PeerId, packet: &Packet<'_>, was_split: bool) {
        // The own TCP verifies the checksum itself.
        if packet.protocol == protocol::TCP {
            return self.tcp.receive(&mut self.shared, peer, packet);
        }
        match packet.transport() {
            Ok(Transport::EchoRequest { identifier, sequence, payload }) if self.shared.is_own(packet.destination) => {
                self.shared.packets.push(peer, |out| {
                    icmp::write_echo_reply(packet, identifier, sequence, payload, out);
                    true
                });
            }
            Ok(Transport::Udp { source, destination, payload }) if self.shared.is_own(packet.destination) => {
                let (local, remote) = ((packet.destination, destination).into(), (packet.source, source).into());
                if !self.shared.datagrams.receive(local, remote, payload) {
                    self.shared.report(peer, packet, icmp::Error::PortUnreachable);
                }
            }
            Ok(Transport::Udp { source, destination, payload }) => {
                self.udp.receive(&mut self.shared, peer, packet, (source, destination), payload, was_split);
            }
            Ok(Transport::EchoRequest { identifier, .. }) => {
                self.echo.receive(&mut self.shared, peer, packet, identifier, was_split);
            }
            Ok(Transport::Icmp { message, .. }) => {
                if let Some(report) = icmp::read_error(packet.source.is_ipv6(), message) {
                    self.on_error(peer, &report);
                }
            }
            Ok(_) => {
                self.shared.counts.unsupported += 1;
                self.shared.report(peer, packet, icmp::Error::ProtocolUnreachable);
            }
            Err(reason) => self.shared.counts.bad(reason),
        }
    }

    /// Hand what arrived at own ports of UDP to the parts that have them.
    pub(crate) fn end_batch(&mut self) {
        self.tcp.end_batch(&mut self.shared);
        self.udp.flush(&mut self.shared);
        while let Some(arrival) = self.shared.datagrams.take() {
            match arrival.owner {
                Owner::Pair(id) => self.pairs.deliver(id, &arrival, &mut self.shared),
                Owner::NameClients => self.names.receive_query(&arrival, &self.shared),
                Owner::NameServer => self.names.receive_answer(&arrival, &self.shared),
            }
            self.shared.datagrams.reuse(arrival);
        }
    }

    /// Process an error about a packet that this side sent to a peer.
    fn on_error(&mut self, peer: PeerId, report: &Report<'_>) {
        let Some((source_port, destination_port)) = report.ports() else { return };
        let at = |address: IpAddr, port| (address, port).into();
        let (source, destination) =
            (at(report.about.source, source_port), at(report.about.destination, destination_port));
        if report.about.protocol == protocol::UDP {
            self.shared.datagrams.receive_error(source, destination, report.error);
        } else {
            let failure = match report.error {
                icmp::Error::NetworkUnreachable => Failure::NetworkUnreachable,
                icmp::Error::Prohibited => Failure::Prohibited,
                icmp::Error::PortUnreachable => Failure::Refused,
                icmp::Error::HostUnreachable => Failure::Unreachable,
                _ => return,
            };
            self.tcp.on_error(Key { peer, remote: destination, local: source }, failure, &mut self.shared);
        }
    }
}
