//! The endpoint of a peer is the source of its last authentic message (section 2.1), and it may use only its own
//! addresses (section 2).

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use proto::Event;
use proto::change::{InterfaceChange, PeerChange};

use crate::simulator::World;

fn endpoint(world: &World, of: usize) -> Option<SocketAddr> {
    world.status(of).peers[0].endpoint
}

#[test]
fn replies_follow_a_host_that_moves() {
    let mut world = World::new(2, 1);
    world.send(0, 1, 1);
    world.pass(Duration::from_secs(1));
    let old = world.hosts[0].address;
    world.hosts[0].address = "[2001:db8::5]:4000".parse().unwrap();
    world.send(1, 0, 2);
    world.pass(Duration::from_secs(1));
    assert!(world.hosts[0].delivered.is_empty(), "nobody knows yet");
    world.send(0, 1, 3);
    world.pass(Duration::from_secs(1));
    world.send(1, 0, 4);
    world.pass(Duration::from_secs(1));
    assert_eq!(world.hosts[0].delivered, [4]);
    let moved = Event::EndpointChanged { peer: world.hosts[0].public_key, from: Some(old), to: world.hosts[0].address };
    assert!(world.hosts[1].events.contains(&moved));
}

#[test]
fn forged_and_replayed_datagrams_do_not_change_an_endpoint() {
    let mut world = World::new(2, 2);
    world.send(0, 1, 1);
    world.pass(Duration::from_secs(1));
    let thief: SocketAddr = "198.51.100.66:666".parse().unwrap();
    for datagram in world.hosts[0].sent.clone() {
        let mut garbled = datagram.clone();
        *garbled.last_mut().unwrap() ^= 1;
        world.inject(thief, 1, garbled);
        world.inject(thief, 1, datagram);
        world.work(1);
    }
    assert_eq!(endpoint(&world, 1), Some(world.hosts[0].address));
    let drops = world.status(1).drops;
    assert_eq!((drops.replayed, drops.not_authentic), (1, 1));
    assert_eq!(drops.invalid_handshake, 2, "old timestamps; the octet garbled is of mac2, which nobody asked for");
    assert_eq!(world.hosts[1].delivered, [1]);
}

#[test]
fn packets_wait_for_a_peer_without_endpoint() {
    let mut world = World::strangers(2, 3);
    let (mut of_zero, of_one) = (world.peer(0), world.peer(1));
    of_zero.endpoint = None;
    world.apply(0, InterfaceChange { peers: vec![of_one], ..InterfaceChange::default() });
    world.apply(1, InterfaceChange { peers: vec![of_zero], ..InterfaceChange::default() });
    world.send(1, 0, 1);
    world.pass(Duration::from_secs(10));
    assert_eq!(world.status(1).drops.no_endpoint, 1);
    assert!(world.hosts[1].sent.is_empty());
    world.send(0, 1, 2);
    world.pass(Duration::from_secs(1));
    assert_eq!(endpoint(&world, 1), Some(world.hosts[0].address));
    world.send(1, 0, 3);
    world.pass(Duration::from_secs(1));
    assert_eq!(world.hosts[0].delivered, [3]);
}

#[test]
fn a_foreign_source_is_dropped_and_counted() {
    let mut world = World::new(3, 4);
    world.send(0, 1, 1);
    world.pass(Duration::from_secs(1));
    let of_another = world.hosts[2].inner;
    world.send_as(of_another, 0, 1, 2);
    world.send_as(Ipv4Addr::new(203, 0, 113, 1), 0, 1, 3);
    world.pass(Duration::from_secs(1));
    assert_eq!(world.hosts[1].delivered, [1]);
    assert_eq!(world.status(1).drops.source_not_allowed, 2);
}

#[test]
fn a_configured_endpoint_is_used_until_the_peer_sends() {
    let mut world = World::new(2, 5);
    world.send(0, 1, 1);
    world.pass(Duration::from_secs(1));
    let elsewhere: SocketAddr = "203.0.113.9:9".parse().unwrap();
    let change = PeerChange { endpoint: Some(elsewhere), ..PeerChange::new(world.hosts[0].public_key) };
    world.apply(1, InterfaceChange { peers: vec![change], ..InterfaceChange::default() });
    assert_eq!(endpoint(&world, 1), Some(elsewhere));
    world.send(0, 1, 2);
    world.pass(Duration::from_secs(1));
    assert_eq!(endpoint(&world, 1), Some(world.hosts[0].address));
}
