//! What strangers, peers and local users may do without harm: they cost neither memory nor a rule of the protocol.

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
