//! What strangers, peers and local users may do without harm: they cost neither memory nor a rule of the protocol.

use std::time::Duration;

use proto::change::{InterfaceChange, PeerChange};
use proto::key::PublicKey;

use crate::simulator::World;

fn one(peer: PeerChange) -> InterfaceChange {
    InterfaceChange { peers: vec![peer], ..InterfaceChange::default() }
}

/// With the longest keepalive, whose deadline is 18 hours away.
fn kept_alive(number: u8) -> PeerChange {
    PeerChange { persistent_keepalive_interval: Some(u16::MAX), ..PeerChange::new(PublicKey::from_bytes([number; 32])) }
}

#[test]
fn peers_that_are_gone_leave_no_deadline_behind() {
    let mut world = World::strangers(2, 1);
    for number in 0..100 {
        world.apply(0, InterfaceChange { replace_peers: true, ..one(kept_alive(number)) });
    }
    assert!(world.hosts[0].interface.next_deadline().is_some());
    world.apply(0, InterfaceChange { replace_peers: true, ..InterfaceChange::default() });
    assert_eq!(world.hosts[0].interface.next_deadline(), None);
}

#[test]
fn a_keepalive_that_fell_due_before_there_was_an_endpoint_goes_on() {
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
