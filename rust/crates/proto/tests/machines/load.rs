//! A host under load requires cookies, and accepts senders that have one (sections 5.3 and 5.4.7).

use std::net::SocketAddr;
use std::time::Duration;

use proto::Event;

use crate::simulator::World;

fn crowd(number: u32) -> SocketAddr {
    SocketAddr::from(([198, 51, 100, (number % 250) as u8], 1024 + number as u16))
}

/// Send a first message of host 2, which host 1 does not know, from many addresses: only mac1 is valid.
fn flood(world: &mut World, messages: u32) {
    let known = [world.peer(1)].to_vec();
    world.apply(2, proto::change::InterfaceChange { peers: known, ..Default::default() });
    world.send(2, 1, 0);
    let message = world.hosts[2].sent[0].clone();
    for number in 0..messages {
        world.inject(crowd(number), 1, message.clone());
    }
}

#[test]
fn a_peer_gets_through_a_flood_by_cookie() {
    let mut world = World::strangers(3, 1);
    let (of_zero, of_one) = (world.peer(0), world.peer(1));
    world.apply(0, proto::change::InterfaceChange { peers: vec![of_one], ..Default::default() });
    world.apply(1, proto::change::InterfaceChange { peers: vec![of_zero], ..Default::default() });
    flood(&mut world, 600);
    let asked = world.hosts[1].sent.len();
    world.send(0, 1, 1);
    world.pass(Duration::from_millis(3));
    let cookies = world.hosts[1].sent[asked..].iter().filter(|datagram| datagram.len() == 64).count();
    assert_eq!(cookies, 64 + 1, "of 600 - 512 messages in one turn 64 are answered, and then host 0");
    assert!(world.hosts[1].delivered.is_empty());
    // The retry, 5 s later, has mac2; the flood continues.
    for _ in 0..60 {
        flood(&mut world, 600);
        world.pass(Duration::from_millis(100));
    }
    assert_eq!(world.hosts[1].delivered, [1]);
    assert!(world.hosts[0].events.iter().any(|event| matches!(event, Event::HandshakeCompleted { .. })));
    assert!(world.status(1).drops.invalid_handshake > 0, "the flood itself got nowhere");
}

#[test]
fn the_state_of_load_ends() {
    let mut world = World::new(3, 2);
    flood(&mut world, 600);
    world.work(1);
    world.pass(Duration::from_secs(2));
    let sent = world.hosts[1].sent.len();
    world.send(0, 1, 5);
    world.pass(Duration::from_secs(1));
    assert_eq!(world.hosts[1].delivered.last(), Some(&5));
    assert!(world.hosts[1].sent[sent..].iter().all(|datagram| datagram.len() != 64), "no cookie was asked for");
}

#[test]
fn a_message_without_mac1_is_dropped() {
    let mut world = World::new(2, 3);
    world.send(0, 1, 1);
    let mut message = world.hosts[0].sent[0].clone();
    message[120] ^= 1;
    world.inject(crowd(1), 1, message);
    assert!(!world.hosts[1].interface.has_pending_handshakes());
    assert_eq!(world.status(1).drops.invalid_mac, 1);
}
