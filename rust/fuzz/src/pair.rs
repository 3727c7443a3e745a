//! Two interfaces that are peers of each other, everything that they have sent, and what each may still deliver.

use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use proto::Interface;
use proto::change::{AllowedIpChange, InterfaceChange, PeerChange};
use proto::clock::Now;
use proto::endpoint::Endpoint;
use proto::key::{PresharedKey, PrivateKey};
use proto::message::DataHeader;

use crate::path::chosen;
use crate::random::Dice;

/// One datagram can make a peer send its 128 staged packets, and a message or two of its own.
const MOST_ANSWERS: usize = 128 + 2;
/// As in the packet thread.
const HANDSHAKES_PER_ITERATION: usize = 8;
/// Seconds until two hosts recover: 15 s until the silence is noticed, 5 s and jitter for each of two lost attempts and
/// for a cookie.
const RECOVERY_SECONDS: u64 = 40;

pub(crate) struct Host {
    pub(crate) interface: Interface,
    pub(crate) address: SocketAddr,
    pub(crate) up: bool,
    inner: [IpAddr; 2],
    /// Packets sent to it that it has not delivered yet, by their number.
    expected: HashMap<u32, Vec<u8>>,
}

/// A datagram as it was sent.
pub(crate) struct Sent {
    pub(crate) by: usize,
    pub(crate) to: SocketAddr,
    pub(crate) octets: Vec<u8>,
}

pub(crate) struct Pair {
    pub(crate) hosts: [Host; 2],
    pub(crate) sent: Vec<Sent>,
    pub(crate) boot: Duration,
    pub(crate) unix: Duration,
    /// How many of `sent` have been carried by the link.
    carried: usize,
    nonces: HashSet<(SocketAddr, u32, u64)>,
    packets: u32,
}

/// Return one of a host's own keys; 0 is the initial one.
pub(crate) fn private_key(host: usize, which: u8) -> PrivateKey {
    PrivateKey::from_bytes([(host as u8 + 1) << 4 | which & 15; 32])
}

impl Host {
    fn new(host: usize) -> Self {
        let number = host as u8 + 1;
        Self {
            interface: Interface::new(Box::new(Dice(number.into()))),
            address: SocketAddr::from(([192, 0, 2, number], 51820)),
            up: false,
            inner: [
                Ipv4Addr::new(10, 0, 0, number).into(),
                Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, number.into()).into(),
            ],
            expected: HashMap::new(),
        }
    }
}

impl Pair {
    /// Create both interfaces, up and with a session; the second one opens on the path that a number selects.
    pub(crate) fn new(path: u8) -> Self {
        let mut pair = Self {
            hosts: [0, 1].map(Host::new),
            sent: Vec::new(),
            boot: Duration::from_secs(1000),
            unix: Duration::from_secs(1_700_000_000),
            carried: 0,
            nonces: HashSet::new(),
            packets: 0,
        };
        pair.hosts[1].interface.set_aead(chosen(path));
        for host in 0..2 {
            pair.hosts[host].interface.set_mtu(1420);
            pair.restore(host);
        }
        pair.send(0, 100, 0);
        pair.carry();
        assert!(pair.hosts[1].expected.is_empty(), "no session after a handshake that nobody disturbed");
        pair
    }

    pub(crate) fn now(&self) -> Now {
        Now { boot: self.boot, unix: self.unix }
    }

    /// Return the change that adds the other host to `host`.
    pub(crate) fn peer_of(&self, host: usize) -> PeerChange {
        let other = &self.hosts[1 - host];
        PeerChange {
            preshared_key: Some(PresharedKey::default()),
            endpoint: Some(other.address),
            persistent_keepalive_interval: Some(0),
            replace_allowed_ips: true,
            allowed_ips: other.inner.map(|address| AllowedIpChange::Add(address.into())).to_vec(),
            ..PeerChange::new(private_key(1 - host, 0).public_key())
        }
    }

    /// Restore a host's first key, its peer and its link, and remove nothing.
    pub(crate) fn restore(&mut self, host: usize) {
        let private_key = Some(Some(private_key(host, 0)));
        let peers = vec![self.peer_of(host)];
        self.apply(host, &InterfaceChange { private_key, peers, ..InterfaceChange::default() });
        self.set_up(host, true);
    }

    pub(crate) fn apply(&mut self, host: usize, change: &InterfaceChange) {
        let now = self.now();
        self.hosts[host].interface.apply(change, now);
        self.turn(host);
        let _ = self.hosts[host].interface.status();
    }

    pub(crate) fn set_up(&mut self, host: usize, up: bool) {
        let now = self.now();
        let was_up = std::mem::replace(&mut self.hosts[host].up, up);
        match (was_up, up) {
            (false, true) => self.hosts[host].interface.set_up(now),
            (true, false) => self.hosts[host].interface.set_down(),
            _ => {}
        }
        self.turn(host);
    }

    /// Send a packet of at least `length` octets from one host to the other, and return its number; `family` 0 is IPv4,
    /// 1 is IPv6.
    pub(crate) fn send(&mut self, from: usize, length: usize, family: usize) -> u32 {
        self.packets += 1;
        let number = self.packets;
        let packet = packet(self.hosts[from].inner[family], self.hosts[1 - from].inner[family], number, length);
        let now = self.now();
        let interface = &mut self.hosts[from].interface;
        if let Some((peer, endpoint)) = interface.route(&packet) {
            let mut datagram = vec![0; interface.datagram_bytes(peer, packet.len())];
            let stride = datagram.len();
            datagram[16..16 + packet.len()].copy_from_slice(&packet);
            self.hosts[1 - from].expected.insert(number, packet);
            if self.hosts[from].interface.seal(peer, &mut datagram, stride, now) {
                self.launch(from, endpoint, datagram);
            }
        }
        self.turn(from);
        number
    }

    /// Deliver a datagram to a host, if its link is up.
    pub(crate) fn deliver(&mut self, to: usize, from: SocketAddr, datagram: Vec<u8>) {
        let stride = datagram.len().max(1);
        self.deliver_batch(to, from, datagram, stride);
    }

    /// Deliver datagrams of `stride` octets, the last possibly shorter, to a host together.
    pub(crate) fn deliver_batch(&mut self, to: usize, from: SocketAddr, mut batch: Vec<u8>, stride: usize) {
        if !self.hosts[to].up {
            return;
        }
        let (now, most) = (self.now(), MOST_ANSWERS + batch.len() / stride);
        let Host { interface, expected, .. } = &mut self.hosts[to];
        for delivered in interface.receive_batch(Endpoint::from(from), &mut batch, stride, now).to_vec() {
            let packet = &batch[delivered.packet];
            let sent = expected.remove(&number_of(packet)).expect("delivered what was not sent, or twice");
            assert_eq!(packet, sent, "another packet than was sent");
        }
        self.collect(to, most);
    }

    /// End an iteration of the caller: process some handshakes, and send the outgoing datagrams.
    fn turn(&mut self, host: usize) {
        self.work(host, HANDSHAKES_PER_ITERATION);
    }

    /// Process queued handshakes.
    pub(crate) fn work(&mut self, host: usize, most: usize) {
        let now = self.now();
        self.hosts[host].interface.process_handshakes(most, now);
        self.collect(host, usize::MAX);
    }

    /// Deliver everything in flight, and the responses, until there is nothing left.
    pub(crate) fn carry(&mut self) {
        while self.carried < self.sent.len() {
            let Sent { by, to, octets } = &self.sent[self.carried];
            let (from, other, octets) = (self.hosts[*by].address, 1 - by, octets.clone());
            let there = self.hosts[other].address == *to;
            self.carried += 1;
            if there {
                self.deliver(other, from, octets);
                self.work(other, usize::MAX);
            }
        }
    }

    /// Drop everything in flight.
    pub(crate) fn lose(&mut self) {
        self.carried = self.sent.len();
    }

    /// Let time pass and process the expired deadlines at its end, as on a host that slept.
    pub(crate) fn pass(&mut self, time: Duration) {
        self.boot += time;
        self.unix += time;
        let now = self.now();
        for host in 0..2 {
            self.hosts[host].interface.on_deadline(now);
            self.turn(host);
            let next = self.hosts[host].interface.next_deadline();
            assert!(next.is_none_or(|next| next > self.boot), "a deadline that passes without effect");
        }
    }

    /// Restore the configuration and require that both directions work again.
    pub(crate) fn recover(&mut self) {
        (0..2).for_each(|host| self.restore(host));
        let mut last = [0; 2];
        for _ in 0..RECOVERY_SECONDS {
            last = [self.send(1, 60, 0), self.send(0, 60, 1)];
            self.carry();
            (0..2).for_each(|host| self.work(host, usize::MAX));
            self.carry();
            self.pass(Duration::from_secs(1));
            self.carry();
        }
        for (host, number) in last.iter().enumerate() {
            assert!(!self.hosts[host].expected.contains_key(number), "host {host} hears nothing any more");
        }
    }

    fn collect(&mut self, host: usize, most: usize) {
        let before = self.sent.len();
        while let Some(outgoing) = self.hosts[host].interface.take_outgoing() {
            self.launch(host, outgoing.endpoint, outgoing.datagram);
        }
        assert!(self.sent.len() - before <= most, "{} datagrams at once", self.sent.len() - before);
        while self.hosts[host].interface.take_event().is_some() {}
    }

    fn launch(&mut self, by: usize, to: Endpoint, octets: Vec<u8>) {
        if let Some(header) = DataHeader::parse(&octets) {
            assert!(self.nonces.insert((to.remote, header.receiver, header.counter)), "a nonce was used twice");
        }
        self.sent.push(Sent { by, to: to.remote, octets });
    }
}

/// Return an IP packet that carries a number.
fn packet(source: IpAddr, destination: IpAddr, number: u32, length: usize) -> Vec<u8> {
    let mut packet = match (source, destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            let length = length.max(24);
            let mut packet = vec![0x45, 0];
            packet.extend((length as u16).to_be_bytes());
            packet.resize(12, 0);
            packet.extend(source.octets().iter().chain(&destination.octets()).chain(&number.to_be_bytes()));
            packet.resize(length, 0x5a);
            packet
        }
        (IpAddr::V6(source), IpAddr::V6(destination)) => {
            let length = length.max(44);
            let mut packet = vec![0x60, 0, 0, 0];
            packet.extend((length as u16 - 40).to_be_bytes());
            packet.resize(8, 0);
            packet.extend(source.octets().iter().chain(&destination.octets()).chain(&number.to_be_bytes()));
            packet.resize(length, 0x5a);
            packet
        }
        _ => unreachable!("both addresses are of one family"),
    };
    packet.shrink_to_fit();
    packet
}

/// Return the number in a packet created by [`packet`].
fn number_of(packet: &[u8]) -> u32 {
    let at = if packet[0] >> 4 == 4 { 20 } else { 40 };
    u32::from_be_bytes(packet[at..at + 4].try_into().expect("four octets"))
}
