//! Devices without a TUN: their packets come from the test and go to it, through two engines over loopback.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "what cannot be set up is a failure of its own"
)]

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use device::Device;
use device::control::Control;
use device::events::{EndReason, Event};
use device::inner::{Inner, LinkState};
use device::place::Place;
use proto::change::{AllowedIpChange, InterfaceChange, PeerChange};
use proto::clock::Now;
use proto::key::{PrivateKey, PublicKey};
use proto::status::{InterfaceStatus, PathMtu, PathMtuUnknown};
use proto::{Delivered, Membership, PeerId};
use rustix::event::{EventfdFlags, eventfd};

/// Ten times what a busy machine needs.
const TIMEOUT: Duration = Duration::from_secs(30);
/// Packets put into the place in one turn, so that several turns are needed.
const PACKETS_PER_TURN: usize = 3;

/// What a test asks of its inner side.
enum Request {
    Send(Vec<u8>),
    SendAfter(Duration, Vec<u8>),
    SetState(LinkState),
    AnswerEchoes,
}

/// What an inner side has seen.
#[derive(Debug, PartialEq, Eq)]
enum Seen {
    Packet(PeerId, Vec<u8>),
    Membership(Membership),
    PathMtu(PeerId, Option<usize>),
}

/// An inner side whose packets come from a test and go to it.
struct Memory {
    wakeup: Arc<OwnedFd>,
    requests: mpsc::Receiver<Request>,
    seen: mpsc::Sender<Seen>,
    /// Packets of the batch that has not ended yet.
    batch: Vec<Delivered>,
    waiting: VecDeque<Vec<u8>>,
    later: Option<(Duration, Vec<u8>)>,
    state: LinkState,
    /// Whether echo requests are answered; otherwise the test sees them.
    answers_echoes: bool,
}

impl Inner for Memory {
    fn fd(&self) -> BorrowedFd<'_> {
        self.wakeup.as_fd()
    }

    fn ready(&mut self, now: Now) {
        let _ = rustix::io::read(&self.wakeup, &mut [0u8; 8]);
        while let Ok(request) = self.requests.try_recv() {
            match request {
                Request::Send(packet) => self.waiting.push_back(packet),
                Request::SendAfter(delay, packet) => self.later = Some((now.boot + delay, packet)),
                Request::SetState(state) => self.state = state,
                Request::AnswerEchoes => self.answers_echoes = true,
            }
        }
    }

    fn deliver(&mut self, _storage: &[u8], packets: impl Iterator<Item = Delivered>, _now: Now) {
        self.batch.extend(packets);
    }

    fn end_batch(&mut self, storage: &[u8], _now: Now) {
        for Delivered { peer, packet } in self.batch.drain(..) {
            let packet = storage[packet].to_vec();
            match echo_reply(&packet).filter(|_| self.answers_echoes) {
                Some(reply) => self.waiting.push_back(reply),
                None => drop(self.seen.send(Seen::Packet(peer, packet))),
            }
        }
    }

    fn take(&mut self, place: &mut impl Place, _now: Now) -> bool {
        for _ in 0..PACKETS_PER_TURN {
            let Some(packet) = self.waiting.pop_front() else { break };
            if let Some(route) = place.route(&packet) {
                place.room(route, packet.len()).expect("a batch has room for one packet").copy_from_slice(&packet);
            }
        }
        self.state == LinkState::Up
    }

    fn on_membership(&mut self, membership: Membership) {
        let _ = self.seen.send(Seen::Membership(membership));
    }

    fn on_path_mtu(&mut self, peer: PeerId, mtu: Option<usize>) {
        let _ = self.seen.send(Seen::PathMtu(peer, mtu));
    }

    fn next_deadline(&self) -> Option<Duration> {
        let more = (!self.waiting.is_empty()).then_some(Duration::ZERO);
        more.or(self.later.as_ref().map(|(at, _)| *at))
    }

    fn on_deadline(&mut self, now: Now) {
        let due = self.later.take_if(|(at, _)| *at <= now.boot);
        self.waiting.extend(due.map(|(_, packet)| packet));
    }

    fn state(&self) -> LinkState {
        self.state
    }

    fn mtu(&self) -> Option<usize> {
        Some(1420)
    }

    fn refused(&self) -> u64 {
        0
    }
}

/// A device with such an inner side. Host `n` has the address 10.0.0.n inside.
struct Host {
    number: u8,
    device: Device,
    wakeup: Arc<OwnedFd>,
    requests: mpsc::Sender<Request>,
    seen: mpsc::Receiver<Seen>,
}

impl Host {
    fn new(number: u8) -> Self {
        let wakeup = Arc::new(eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC).unwrap());
        let ((requests, incoming), (outgoing, seen)) = (mpsc::channel(), mpsc::channel());
        let memory = Memory {
            wakeup: Arc::clone(&wakeup),
            requests: incoming,
            seen: outgoing,
            batch: Vec::new(),
            waiting: VecDeque::new(),
            later: None,
            state: LinkState::Up,
            answers_echoes: false,
        };
        let device = Device::with_inner(memory, &format!("memory{number}")).unwrap();
        let host = Self { number, device, wakeup, requests, seen };
        host.apply(InterfaceChange { private_key: Some(Some(private_key(number))), ..InterfaceChange::default() });
        until(|| host.status().listen_port != 0);
        host
    }

    fn apply(&self, change: InterfaceChange) {
        self.device.handle().apply(change).unwrap();
    }

    fn status(&self) -> InterfaceStatus {
        self.device.handle().status().unwrap()
    }

    fn ask(&self, request: Request) {
        self.requests.send(request).unwrap();
        rustix::io::write(&self.wakeup, &1u64.to_ne_bytes()).unwrap();
    }

    fn public_key(&self) -> PublicKey {
        private_key(self.number).public_key()
    }

    fn address(&self) -> Ipv4Addr {
        Ipv4Addr::new(10, 0, 0, self.number)
    }

    /// Add a peer and return its id.
    fn add(&self, peer: &Host) -> PeerId {
        self.apply(one(PeerChange {
            endpoint: Some(SocketAddr::from((Ipv4Addr::LOCALHOST, peer.status().listen_port))),
            allowed_ips: vec![AllowedIpChange::Add(std::net::IpAddr::from(peer.address()).into())],
            ..PeerChange::new(peer.public_key())
        }));
        match self.next() {
            Seen::Membership(Membership::Added { peer: id, public_key }) if public_key == peer.public_key() => id,
            other => panic!("not the new peer: {other:?}"),
        }
    }

    fn remove(&self, peer: &Host) {
        self.apply(one(PeerChange { remove: true, ..PeerChange::new(peer.public_key()) }));
    }

    /// Return a packet to another host, of this size and content.
    fn packet_to(&self, to: &Host, bytes: usize, content: u8) -> Vec<u8> {
        let mut packet = vec![content; bytes];
        packet[..20].fill(0);
        packet[0] = 0x45;
        packet[2..4].copy_from_slice(&(bytes as u16).to_be_bytes());
        packet[12..16].copy_from_slice(&self.address().octets());
        packet[16..20].copy_from_slice(&to.address().octets());
        packet
    }

    fn send(&self, to: &Host, bytes: usize, content: u8) -> Vec<u8> {
        let packet = self.packet_to(to, bytes, content);
        self.ask(Request::Send(packet.clone()));
        packet
    }

    /// Return what the inner side has seen next.
    fn next(&self) -> Seen {
        self.seen.recv_timeout(TIMEOUT).expect("the inner side has seen nothing")
    }
}

fn private_key(number: u8) -> PrivateKey {
    PrivateKey::from_bytes([number; 32])
}

fn one(peer: PeerChange) -> InterfaceChange {
    InterfaceChange { peers: vec![peer], ..InterfaceChange::default() }
}

/// Return the reply to an echo request of IPv4, with its checksum updated (RFC 1624).
fn echo_reply(packet: &[u8]) -> Option<Vec<u8>> {
    (packet[9] == 1 && packet[20] == 8).then(|| {
        let mut reply = packet.to_vec();
        reply[12..16].copy_from_slice(&packet[16..20]);
        reply[16..20].copy_from_slice(&packet[12..16]);
        reply[20] = 0;
        let (sum, carry) = u16::from_be_bytes([packet[22], packet[23]]).overflowing_add(8 << 8);
        reply[22..24].copy_from_slice(&(sum + u16::from(carry)).to_be_bytes());
        reply
    })
}

/// Return a change that turns the probing of paths on or off.
fn probe_from(sources: &[Ipv4Addr]) -> InterfaceChange {
    let sources = sources.iter().map(|source| IpAddr::from(*source)).collect();
    InterfaceChange { probe_sources: Some(sources), ..InterfaceChange::default() }
}

fn until(mut condition: impl FnMut() -> bool) {
    let end = Instant::now() + TIMEOUT;
    while !condition() {
        assert!(Instant::now() < end, "it did not happen");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn packets_of_any_size_pass_in_both_directions_and_in_order() {
    let (one, two) = (Host::new(1), Host::new(2));
    let (peer_two, peer_one) = (one.add(&two), two.add(&one));
    for (from, to, peer) in [(&one, &two, peer_one), (&two, &one, peer_two)] {
        let sizes = [20, 21, 36, 500, 1404, 1405, 1420].into_iter().cycle().zip(0..40);
        let sent: Vec<_> = sizes.map(|(bytes, content)| from.send(to, bytes, content)).collect();
        let seen: Vec<_> = sent.iter().map(|_| to.next()).collect();
        assert_eq!(seen, sent.into_iter().map(|packet| Seen::Packet(peer, packet)).collect::<Vec<_>>());
    }
}

#[test]
fn packets_of_two_peers_name_the_peer_of_each() {
    let (hub, left, right) = (Host::new(1), Host::new(2), Host::new(3));
    let ids = [&left, &right].map(|spoke| {
        spoke.add(&hub);
        hub.add(spoke)
    });
    assert_ne!(ids[0], ids[1]);
    for (content, (spoke, id)) in [&left, &right, &left].into_iter().zip([ids[0], ids[1], ids[0]]).enumerate() {
        let packet = spoke.send(&hub, 100, content as u8);
        assert_eq!(hub.next(), Seen::Packet(id, packet));
    }
}

#[test]
fn a_removed_peer_is_reported_and_its_packets_are_delivered_no_more() {
    let (hub, left, right) = (Host::new(1), Host::new(2), Host::new(3));
    let [gone, kept] = [&left, &right].map(|spoke| {
        spoke.add(&hub);
        hub.add(spoke)
    });
    let packet = left.send(&hub, 60, 1);
    assert_eq!(hub.next(), Seen::Packet(gone, packet));
    hub.remove(&left);
    assert_eq!(hub.next(), Seen::Membership(Membership::Removed { peer: gone }));
    left.send(&hub, 60, 2);
    until(|| hub.status().drops.no_session == 1);
    let packet = right.send(&hub, 60, 3);
    assert_eq!(hub.next(), Seen::Packet(kept, packet));
}

#[test]
fn a_packet_without_a_route_is_dropped_and_counted() {
    let (one, two, stranger) = (Host::new(1), Host::new(2), Host::new(3));
    let peer = (one.add(&two), two.add(&one)).1;
    one.send(&stranger, 60, 1);
    let packet = one.send(&two, 60, 2);
    assert_eq!(two.next(), Seen::Packet(peer, packet));
    assert_eq!(one.status().drops.no_peer, 1);
}

#[test]
fn a_packet_that_a_deadline_produces_is_sent() {
    let (one, two) = (Host::new(1), Host::new(2));
    let peer = (one.add(&two), two.add(&one)).1;
    let packet = one.packet_to(&two, 80, 7);
    one.ask(Request::SendAfter(Duration::from_millis(20), packet.clone()));
    assert_eq!(two.next(), Seen::Packet(peer, packet));
}

#[test]
fn the_device_follows_the_state_of_its_inner_side() {
    let host = Host::new(1);
    let events = Arc::clone(host.device.events());
    let mut happened = Vec::new();
    let mut wait_for = |event: &Event| {
        until(|| {
            happened.extend(events.drain());
            happened.contains(event)
        });
    };
    wait_for(&Event::LinkUp);
    host.ask(Request::SetState(LinkState::Down));
    wait_for(&Event::LinkDown);
    host.ask(Request::SetState(LinkState::Gone));
    wait_for(&Event::Ended { reason: EndReason::LinkDeleted });
}

#[test]
fn the_path_mtu_is_found_and_reported_and_no_reply_reaches_the_inner_side() {
    let (one, two) = (Host::new(1), Host::new(2));
    let (peer_two, peer_one) = (one.add(&two), two.add(&one));
    two.ask(Request::AnswerEchoes);
    one.apply(probe_from(&[one.address()]));
    let no_session = PathMtu::Unknown(PathMtuUnknown::NoSession);
    assert_eq!(one.status().peers[0].path_mtu, Some(no_session));
    let packet = one.send(&two, 60, 1);
    assert_eq!(two.next(), Seen::Packet(peer_one, packet));
    assert_eq!(one.next(), Seen::PathMtu(peer_two, Some(1420)));
    let found = one.status();
    assert_eq!(found.probe_sources, [IpAddr::from(one.address())]);
    assert!(matches!(found.peers[0].path_mtu, Some(PathMtu::Probed { mtu: 1420, age_seconds: 0..60 })));
    assert_eq!(two.status().peers[0].path_mtu, None, "the other side does not probe");
    assert!(one.device.events().drain().contains(&Event::PathMtuChanged { peer: two.public_key(), mtu: Some(1420) }));
    one.apply(probe_from(&[]));
    assert_eq!(one.next(), Seen::PathMtu(peer_two, None));
    assert_eq!(one.status().peers[0].path_mtu, None);
}

#[test]
fn a_probe_goes_to_the_configured_address_and_is_as_large_as_the_link_allows() {
    let (one, two) = (Host::new(1), Host::new(2));
    let peer_one = (one.add(&two), two.add(&one)).1;
    let configured = Ipv4Addr::new(10, 1, 0, 7);
    one.apply(one_change(&two, AllowedIpChange::Add("10.1.0.0/16".parse().unwrap()), Some(configured.into())));
    one.apply(probe_from(&[one.address()]));
    let packet = one.send(&two, 60, 1);
    assert_eq!(two.next(), Seen::Packet(peer_one, packet));
    let before = one.status().peers[0].tx_bytes;
    let Seen::Packet(_, request) = two.next() else { panic!("not a packet") };
    assert_eq!((request.len(), &request[12..20]), (48, [10, 0, 0, 1, 10, 1, 0, 7].as_slice()));
    until(|| one.status().peers[0].tx_bytes >= before);
    assert!(one.status().peers[0].tx_bytes >= 1420 + 32, "the datagram is padded to the MTU");
    assert_eq!(one.status().peers[0].probe_address, Some(configured.into()));
}

#[test]
fn a_peer_without_an_address_to_probe_is_sent_nothing_and_the_status_says_so() {
    let (one, two) = (Host::new(1), Host::new(2));
    let (peer_one, narrow) = ((one.add(&two), two.add(&one)).1, "10.0.0.2/31".parse().unwrap());
    one.apply(one_change(&two, AllowedIpChange::Remove(IpAddr::from(two.address()).into()), None));
    one.apply(one_change(&two, AllowedIpChange::Add(narrow), None));
    one.apply(probe_from(&[one.address()]));
    for content in 0..3 {
        let packet = one.send(&two, 60, content);
        assert_eq!(two.next(), Seen::Packet(peer_one, packet));
    }
    assert_eq!(one.status().peers[0].path_mtu, Some(PathMtu::Unknown(PathMtuUnknown::NoProbeAddress)));
}

/// Return a change of the allowed IPs of a peer, and of its probe address.
fn one_change(peer: &Host, allowed_ip: AllowedIpChange, probe: Option<IpAddr>) -> InterfaceChange {
    one(PeerChange {
        allowed_ips: vec![allowed_ip],
        probe_address: probe.map(Some),
        ..PeerChange::new(peer.public_key())
    })
}
