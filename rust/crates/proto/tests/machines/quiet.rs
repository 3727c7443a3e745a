//! An idle tunnel sends nothing, and wipes its keys (sections 5.1, 6.3 and 6.5).

use std::time::Duration;

use proto::Event;
use proto::change::{InterfaceChange, PeerChange};

use crate::simulator::{Weather, World};

fn connected() -> World {
    let mut world = World::new(2, 3);
    world.send(0, 1, 1);
    world.pass(Duration::from_secs(1));
    assert_eq!(world.hosts[1].delivered, [1]);
    world
}

#[test]
fn received_data_is_answered_by_one_keepalive() {
    let mut world = connected();
    world.pass(Duration::from_secs(3600));
    let [there, back] = [0, 1].map(|host| world.hosts[host].sent.iter().map(Vec::len).collect::<Vec<_>>());
    assert_eq!(there, [148, 64], "first message, packet of 24 octets padded to 32");
    assert_eq!(back, [92, 32], "second message, keepalive after 10 s");
}

#[test]
fn keys_are_wiped_after_nine_minutes() {
    let mut world = connected();
    let old = world.hosts[0].sent[1].clone();
    world.pass(Duration::from_secs(560));
    world.inject(world.hosts[0].address, 1, old);
    assert_eq!(world.status(1).drops.no_session, 1, "its index is unknown");
}

#[test]
fn handshakes_with_a_dead_peer_are_retried_for_ninety_seconds() {
    let mut world = World::new(2, 4);
    world.weather = Weather { lost: 100, ..Weather::default() };
    world.send(0, 1, 1);
    world.pass(Duration::from_secs(600));
    let calls = world.hosts[0].sent.len();
    assert_eq!(calls, 19, "the first message and 18 more, 5 s apart");
    assert_eq!(world.hosts[0].events, [Event::HandshakeTimedOut { peer: world.hosts[1].public_key }]);
    world.weather = Weather::default();
    world.send(0, 1, 2);
    world.pass(Duration::from_secs(1));
    assert_eq!(world.hosts[1].delivered, [2], "packets that waited were dropped, the next one starts anew");
}

#[test]
fn a_persistent_keepalive_is_sent_each_interval_until_it_is_turned_off() {
    let mut world = World::new(2, 5);
    let every = |seconds| InterfaceChange {
        peers: vec![PeerChange {
            persistent_keepalive_interval: Some(seconds),
            ..PeerChange::new(crate::simulator::private_key(1).public_key())
        }],
        ..InterfaceChange::default()
    };
    world.apply(0, every(25));
    world.pass(Duration::from_millis(100));
    assert_eq!(world.hosts[0].sent.len(), 2, "turned on: spoken to at once");
    world.pass(Duration::from_secs(100));
    assert_eq!(world.hosts[0].sent.iter().skip(2).map(Vec::len).collect::<Vec<_>>(), [32; 4]);
    world.apply(0, every(0));
    world.pass(Duration::from_secs(3600));
    assert_eq!(world.hosts[0].sent.len(), 6);
}

#[test]
fn a_link_that_was_down_starts_a_new_handshake() {
    let mut world = connected();
    world.hosts[0].interface.set_down();
    let old = world.hosts[1].sent.len();
    world.send(1, 0, 9);
    world.pass(Duration::from_secs(1));
    assert!(world.hosts[1].sent.len() > old);
    assert!(world.hosts[0].delivered.is_empty(), "its keys are gone");
    let now = proto::clock::Now { boot: world.now, unix: world.now };
    world.hosts[0].interface.set_up(now);
    world.pass(Duration::from_secs(20));
    world.send(1, 0, 10);
    world.pass(Duration::from_secs(1));
    assert_eq!(world.hosts[0].delivered, [10], "the far end noticed the silence");
}
