//! Attackers, peers and local users cannot exhaust memory or break a rule of the protocol.

use std::time::Duration;

use proto::Event;
use proto::change::{InterfaceChange, PeerChange};
use proto::clock::Now;
use proto::key::PublicKey;

use crate::simulator::{Weather, World};

fn one(peer: PeerChange) -> InterfaceChange {
    InterfaceChange { peers: vec![peer], ..InterfaceChange::default() }
}

/// Return a peer with the longest keepalive, whose deadline is 18 hours away.
fn kept_alive(number: u8) -> PeerChange {
    PeerChange { persistent_keepalive_interval: Some(u16::MAX), ..PeerChange::new(PublicKey::from_bytes([number; 32])) }
}

#[test]
fn removed_peers_leave_no_deadline() {
    let mut world = World::strangers(2, 1);
    for number in 0..100 {
        world.apply(0, InterfaceChange { replace_peers: true, ..one(kept_alive(number)) });
    }
    assert!(world.hosts[0].interface.next_deadline().is_some());
    world.apply(0, InterfaceChange { replace_peers: true, ..InterfaceChange::default() });
    assert_eq!(world.hosts[0].interface.next_deadline(), None);
}

#[test]
fn a_keepalive_due_before_there_is_an_endpoint_continues() {
    let mut world = World::strangers(2, 2);
    let (known, asked) = (world.peer(1), world.peer(0));
    world.apply(1, one(asked));
    let unreachable = PeerChange { endpoint: None, persistent_keepalive_interval: Some(25), ..known.clone() };
    world.apply(0, one(unreachable));
    world.pass(Duration::from_secs(60));
    assert!(world.hosts[0].sent.is_empty());
    world.apply(0, one(PeerChange { endpoint: known.endpoint, ..PeerChange::new(known.public_key) }));
    world.pass(Duration::from_secs(30));
    assert!(world.status(1).peers[0].rx_bytes > 0, "its keepalive was forgotten");
}

/// The kernel coalesces datagrams by addresses and lengths, whoever sent them.
#[test]
fn genuine_packets_of_a_batch_with_forged_ones_are_delivered_once() {
    let mut world = World::new(2, 3);
    world.send(0, 1, 0);
    world.pass(Duration::from_secs(1));
    world.weather.lost = 100;
    (1..4).for_each(|number| world.send(0, 1, number));
    let [.., one, two, three] = world.hosts[0].sent.as_slice() else { panic!("three datagrams") };
    let mut garbled = two.clone();
    garbled[20] ^= 1;
    let mut other_index = one.clone();
    other_index[4] ^= 1;
    let junk = vec![0xff; one.len()];
    let mut batch = [&garbled, one, &junk, two, one, &other_index, three].map(Vec::as_slice).concat();
    // The last datagram of a batch may be shorter: here it is truncated.
    batch.pop();
    let (from, stride) = (world.hosts[0].address.into(), one.len());
    let now = Now { boot: world.now, unix: world.now };
    let delivered = world.hosts[1].interface.receive_batch(from, &mut batch, stride, now).to_vec();
    let numbers = delivered.into_iter().map(|delivered| batch[delivered.packet][23]).collect::<Vec<_>>();
    assert_eq!(numbers, [1, 2]);
    let drops = world.status(1).drops;
    assert_eq!((drops.not_authentic, drops.malformed, drops.replayed, drops.no_session), (2, 1, 1, 1));
}

#[test]
fn a_bounded_number_of_packets_is_staged_for_a_silent_peer() {
    let mut world = World::new(2, 4);
    world.weather = Weather { lost: 100, ..Weather::default() };
    (0..1000).for_each(|number| world.send(0, 1, number));
    world.weather = Weather::default();
    world.pass(Duration::from_secs(10));
    assert_eq!(world.hosts[1].delivered, (1000 - 128..1000).collect::<Vec<_>>());
}

/// An attacker on the path can send genuine packets by two paths in turn; the log must not grow with each.
#[test]
fn a_peer_that_moves_with_each_packet_is_reported_once_a_second() {
    let mut world = World::new(2, 5);
    world.send(0, 1, 0);
    world.pass(Duration::from_secs(1));
    let ways = [world.hosts[0].address, "198.51.100.66:666".parse().unwrap()];
    for number in 0..3000u32 {
        world.hosts[0].address = ways[number as usize % 2];
        world.send(0, 1, number + 1);
        world.pass(Duration::from_millis(1));
    }
    let told = world.hosts[1].events.iter().filter(|event| matches!(event, Event::EndpointChanged { .. })).count();
    assert!((2..=4).contains(&told), "{told} events in three seconds");
    assert!(ways.contains(&world.status(1).peers[0].endpoint.unwrap()));
}
