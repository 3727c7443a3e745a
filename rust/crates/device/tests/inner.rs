//! Devices without a TUN: their packets come from the test and go to it, through two engines over loopback.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "what cannot be set up is a failure of its own"
)]

use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddr};
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
use proto::status::InterfaceStatus;
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
}

/// What an inner side has seen.
#[derive(Debug, PartialEq, Eq)]
enum Seen {
    Packet(PeerId, Vec<u8>),
    Membership(Membership),
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
            }
        }
    }

    fn deliver(&mut self, _storage: &[u8], packets: impl Iterator<Item = Delivered>, _now: Now) {
        self.batch.extend(packets);
    }

    fn end_batch(&mut self, storage: &[u8], _now: Now) {
        for Delivered { peer, packet } in self.batch.drain(..) {
            let _ = self.seen.send(Seen::Packet(peer, storage[packet].to_vec()));
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
