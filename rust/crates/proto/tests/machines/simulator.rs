//! Hosts with an interface each, and a link with configurable impairments.

use std::collections::{BTreeMap, HashSet};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use proto::change::{AllowedIpChange, InterfaceChange, PeerChange};
use proto::clock::{Now, Random};
use proto::endpoint::Endpoint;
use proto::key::{PrivateKey, PublicKey};
use proto::message::DataHeader;
use proto::status::InterfaceStatus;
use proto::{Event, Interface};

/// Splitmix64: fast, and the same for the same seed.
#[derive(Clone)]
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }

    /// Return true in `percent` of all cases.
    pub(crate) fn in_percent(&mut self, percent: u64) -> bool {
        self.roll() % 100 < percent
    }
}

impl Random for Dice {
    fn fill(&mut self, octets: &mut [u8]) {
        for chunk in octets.chunks_mut(8) {
            chunk.copy_from_slice(&self.roll().to_le_bytes()[..chunk.len()]);
        }
    }
}

/// The impairments of the link, in percent of the datagrams, and its delay.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Weather {
    pub(crate) lost: u64,
    pub(crate) doubled: u64,
    pub(crate) garbled: u64,
    /// An old datagram is sent again by an attacker on the path.
    pub(crate) replayed: u64,
    /// The delay is 1 ms plus up to this, so that datagrams overtake each other.
    pub(crate) jitter_ms: u64,
}

pub(crate) struct Host {
    pub(crate) interface: Interface,
    pub(crate) address: SocketAddr,
    pub(crate) inner: Ipv4Addr,
    pub(crate) public_key: PublicKey,
    /// Numbers of the packets delivered, in order of arrival.
    pub(crate) delivered: Vec<u32>,
    pub(crate) events: Vec<Event>,
    /// Datagrams this host has sent.
    pub(crate) sent: Vec<Vec<u8>>,
}

pub(crate) struct World {
    pub(crate) hosts: Vec<Host>,
    pub(crate) now: Duration,
    pub(crate) weather: Weather,
    dice: Dice,
    in_flight: BTreeMap<(Duration, u64), (SocketAddr, SocketAddr, Vec<u8>)>,
    launched: u64,
    archive: Vec<(SocketAddr, SocketAddr, Vec<u8>)>,
    nonces: HashSet<(SocketAddr, u32, u64)>,
}

pub(crate) fn private_key(host: u8) -> PrivateKey {
    PrivateKey::from_bytes([host + 1; 32])
}

fn moment(boot: Duration) -> Now {
    Now { boot, unix: boot + Duration::from_secs(1_700_000_000) }
}

impl World {
    /// Create `count` hosts, up, that are all peers of each other with known endpoints. Host n has 10.0.0.n inside.
    pub(crate) fn new(count: u8, seed: u64) -> Self {
        let mut world = Self::strangers(count, seed);
        for host in 0..count {
            let peers = (0..count).filter(|peer| *peer != host).map(|peer| world.peer(peer)).collect();
            world.apply(host.into(), InterfaceChange { peers, ..InterfaceChange::default() });
        }
        world
    }

    /// Create hosts that are not peers of each other.
    pub(crate) fn strangers(count: u8, seed: u64) -> Self {
        let mut dice = Dice(seed);
        let hosts = (0..count).map(|host| Host::new(host, dice.roll())).collect();
        Self {
            hosts,
            now: Duration::from_secs(1000),
            weather: Weather::default(),
            dice,
            in_flight: BTreeMap::new(),
            launched: 0,
            archive: Vec::new(),
            nonces: HashSet::new(),
        }
    }

    /// Return the change that adds `host` to another.
    pub(crate) fn peer(&self, host: u8) -> PeerChange {
        let host = &self.hosts[usize::from(host)];
        PeerChange {
            endpoint: Some(host.address),
            allowed_ips: vec![AllowedIpChange::Add(std::net::IpAddr::from(host.inner).into())],
            ..PeerChange::new(host.public_key)
        }
    }

    pub(crate) fn apply(&mut self, host: usize, change: InterfaceChange) {
        let now = moment(self.now);
        self.hosts[host].interface.apply(&change, now);
        self.collect(host);
    }

    /// Send packet `number` from one host to another through the tunnel.
    pub(crate) fn send(&mut self, from: usize, to: usize, number: u32) {
        let source = self.hosts[from].inner;
        self.send_as(source, from, to, number);
    }

    /// Do the same with a given inner source address.
    pub(crate) fn send_as(&mut self, source: Ipv4Addr, from: usize, to: usize, number: u32) {
        let packet = packet(source, self.hosts[to].inner, number);
        let now = moment(self.now);
        let interface = &mut self.hosts[from].interface;
        if let Some((peer, endpoint)) = interface.route(&packet) {
            let mut datagram = vec![0; interface.datagram_bytes(peer, packet.len())];
            let stride = datagram.len();
            datagram[16..16 + packet.len()].copy_from_slice(&packet);
            if interface.seal(peer, &mut datagram, stride, now) {
                self.launch(from, endpoint, datagram);
            }
        }
        self.collect(from);
    }

    /// Let time pass, and process the expired deadlines in order.
    pub(crate) fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(next) = self.next_moment().filter(|next| *next <= end) {
            self.now = self.now.max(next);
            self.arrive();
            for host in 0..self.hosts.len() {
                self.hosts[host].interface.on_deadline(moment(self.now));
                self.collect(host);
            }
        }
        self.now = end;
    }

    pub(crate) fn status(&self, host: usize) -> InterfaceStatus {
        self.hosts[host].interface.status()
    }

    /// Deliver a datagram to a host as if it came from `from`.
    pub(crate) fn inject(&mut self, from: SocketAddr, to: usize, mut datagram: Vec<u8>) {
        let now = moment(self.now);
        let host = &mut self.hosts[to];
        if let Some(range) = host.interface.receive(Endpoint::from(from), &mut datagram, now) {
            host.delivered.push(number_of(&datagram[range]));
        }
    }

    /// Process the queued handshakes of a host.
    pub(crate) fn work(&mut self, host: usize) {
        self.collect(host);
    }

    fn next_moment(&self) -> Option<Duration> {
        let arrival = self.in_flight.first_key_value().map(|((at, _), _)| *at);
        self.hosts.iter().filter_map(|host| host.interface.next_deadline()).chain(arrival).min()
    }

    fn arrive(&mut self) {
        while let Some(entry) = self.in_flight.first_entry().filter(|entry| entry.key().0 <= self.now) {
            let (from, to, datagram) = entry.remove();
            if let Some(host) = self.hosts.iter().position(|host| host.address == to) {
                self.inject(from, host, datagram);
                self.work(host);
            }
        }
    }

    /// Do what the caller does at the end of an iteration, with a small budget of handshakes.
    fn collect(&mut self, host: usize) {
        loop {
            self.hosts[host].interface.process_handshakes(3, moment(self.now));
            self.take(host);
            if !self.hosts[host].interface.has_pending_handshakes() {
                return;
            }
        }
    }

    fn take(&mut self, host: usize) {
        while let Some(outgoing) = self.hosts[host].interface.take_outgoing() {
            self.launch(host, outgoing.endpoint, outgoing.datagram);
        }
        while let Some(event) = self.hosts[host].interface.take_event() {
            self.hosts[host].events.push(event);
        }
    }

    fn launch(&mut self, host: usize, to: Endpoint, datagram: Vec<u8>) {
        let from = self.hosts[host].address;
        if let Some(header) = DataHeader::parse(&datagram) {
            assert!(self.nonces.insert((to.remote, header.receiver, header.counter)), "a nonce was used twice");
        }
        self.hosts[host].sent.push(datagram.clone());
        self.archive.push((from, to.remote, datagram.clone()));
        let copies = 1 + u32::from(self.dice.in_percent(self.weather.doubled));
        for _ in 0..copies {
            if !self.dice.in_percent(self.weather.lost) {
                let mut copy = datagram.clone();
                if self.dice.in_percent(self.weather.garbled) {
                    let at = self.dice.roll() as usize % copy.len();
                    copy[at] ^= 1 << (self.dice.roll() % 8);
                }
                self.fly(from, to.remote, copy);
            }
        }
        if self.dice.in_percent(self.weather.replayed) {
            let (from, to, datagram) = self.archive[self.dice.roll() as usize % self.archive.len()].clone();
            self.fly(from, to, datagram);
        }
    }

    fn fly(&mut self, from: SocketAddr, to: SocketAddr, datagram: Vec<u8>) {
        let delay = 1 + self.dice.roll() % (self.weather.jitter_ms + 1);
        self.launched += 1;
        self.in_flight.insert((self.now + Duration::from_millis(delay), self.launched), (from, to, datagram));
    }
}

impl Host {
    fn new(host: u8, seed: u64) -> Self {
        let mut interface = Interface::new(Box::new(Dice(seed)));
        let change = InterfaceChange { private_key: Some(Some(private_key(host))), ..InterfaceChange::default() };
        interface.apply(&change, moment(Duration::ZERO));
        interface.set_mtu(1420);
        interface.set_up(moment(Duration::ZERO));
        Self {
            interface,
            address: SocketAddr::from(([192, 0, 2, host], 51820)),
            inner: Ipv4Addr::new(10, 0, 0, host),
            public_key: private_key(host).public_key(),
            delivered: Vec::new(),
            events: Vec::new(),
            sent: Vec::new(),
        }
    }
}

/// Return an IPv4 packet that carries a number.
pub(crate) fn packet(source: Ipv4Addr, destination: Ipv4Addr, number: u32) -> Vec<u8> {
    let mut packet = vec![0; 24];
    packet[0] = 0x45;
    packet[3] = 24;
    packet[12..16].copy_from_slice(&source.octets());
    packet[16..20].copy_from_slice(&destination.octets());
    packet[20..].copy_from_slice(&number.to_be_bytes());
    packet
}

fn number_of(packet: &[u8]) -> u32 {
    u32::from_be_bytes(packet[20..24].try_into().expect("a packet of ours"))
}
