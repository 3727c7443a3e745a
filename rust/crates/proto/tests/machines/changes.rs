//! Changes at run time: keys, peers, prefixes.

use std::time::Duration;

use proptest::prelude::*;
use proto::change::{AllowedIpChange, InterfaceChange, PeerChange};
use proto::key::{PresharedKey, PublicKey};

use crate::simulator::{World, private_key};

fn one(peer: PeerChange) -> InterfaceChange {
    InterfaceChange { peers: vec![peer], ..InterfaceChange::default() }
}

fn psk(host: u8, seed: u8) -> InterfaceChange {
    one(PeerChange {
        preshared_key: Some(PresharedKey::from_bytes([seed; 32])),
        ..PeerChange::new(private_key(host).public_key())
    })
}

/// Send in both directions and return which packets arrive within a second.
fn exchange(world: &mut World, number: u32) -> (bool, bool) {
    world.send(0, 1, number);
    world.send(1, 0, number);
    world.pass(Duration::from_secs(1));
    (world.hosts[1].delivered.contains(&number), world.hosts[0].delivered.contains(&number))
}

#[test]
fn preshared_keys_must_agree() {
    let mut world = World::new(2, 1);
    world.apply(0, psk(1, 7));
    assert_eq!(exchange(&mut world, 1), (false, false));
    world.apply(1, psk(0, 7));
    world.pass(Duration::from_secs(10));
    assert_eq!(exchange(&mut world, 2), (true, true));
    world.apply(0, psk(1, 9));
    assert_eq!(exchange(&mut world, 3), (true, true), "a session outlives a change of the preshared key");
}

#[test]
fn a_new_private_key_needs_a_new_handshake_and_loses_no_packet_in_flight() {
    let mut world = World::new(2, 2);
    assert_eq!(exchange(&mut world, 1), (true, true));
    world.send(1, 0, 2);
    world.apply(0, InterfaceChange { private_key: Some(Some(private_key(9))), ..InterfaceChange::default() });
    world.pass(Duration::from_secs(1));
    assert!(world.hosts[0].delivered.contains(&2));
    let (there, _) = exchange(&mut world, 3);
    assert!(!there, "host 1 does not know the new key");
    let mut known = world.peer(0);
    known.public_key = private_key(9).public_key();
    world.apply(1, one(known));
    world.pass(Duration::from_secs(10));
    assert_eq!(exchange(&mut world, 4), (true, true));
}

#[test]
fn the_same_private_key_again_changes_nothing() {
    let mut world = World::new(2, 3);
    assert_eq!(exchange(&mut world, 1), (true, true));
    let sent = world.hosts[0].sent.len();
    world.apply(0, InterfaceChange { private_key: Some(Some(private_key(0))), ..InterfaceChange::default() });
    assert_eq!(exchange(&mut world, 2), (true, true));
    assert_eq!(world.hosts[0].sent.len(), sent + 1, "one packet, no handshake");
}

#[test]
fn nothing_is_sent_or_received_without_a_private_key() {
    let mut world = World::new(2, 4);
    world.apply(0, InterfaceChange { private_key: Some(None), ..InterfaceChange::default() });
    assert_eq!(exchange(&mut world, 1), (false, false));
    assert!(world.hosts[0].sent.is_empty());
}

#[test]
fn removing_a_peer_does_not_affect_another_peer() {
    let mut world = World::new(3, 5);
    assert_eq!(exchange(&mut world, 1), (true, true));
    let gone = PeerChange { remove: true, ..PeerChange::new(world.hosts[2].public_key) };
    world.apply(0, one(gone));
    assert_eq!(world.status(0).peers.len(), 1);
    assert_eq!(exchange(&mut world, 2), (true, true));
    world.send(0, 2, 3);
    assert_eq!(world.status(0).drops.no_peer, 1);
}

#[test]
fn update_only_creates_no_peer_and_our_own_key_is_ignored() {
    let mut world = World::strangers(2, 6);
    let stranger = PeerChange { update_only: true, ..world.peer(1) };
    world.apply(0, one(stranger));
    let ourselves = world.peer(0);
    world.apply(0, one(ourselves));
    assert!(world.status(0).peers.is_empty());
}

#[test]
fn a_peer_with_a_low_order_key_is_never_sent_to() {
    let mut world = World::strangers(2, 7);
    let mut peer = world.peer(1);
    peer.public_key = PublicKey::from_bytes([0; 32]);
    world.apply(0, one(peer));
    world.send(0, 1, 1);
    world.pass(Duration::from_secs(100));
    assert!(world.hosts[0].sent.is_empty());
}

#[test]
fn a_prefix_belongs_to_the_peer_that_got_it_last() {
    let mut world = World::new(3, 8);
    let taken = AllowedIpChange::Add(std::net::IpAddr::from(world.hosts[1].inner).into());
    let thief = PeerChange { allowed_ips: vec![taken], ..PeerChange::new(world.hosts[2].public_key) };
    world.apply(0, one(thief));
    let status = world.status(0);
    assert!(status.peers[0].allowed_ips.is_empty());
    assert_eq!(status.peers[1].allowed_ips.len(), 2);
}

proptest! {
    /// After arbitrary changes the interface works and its status can be read.
    #[test]
    fn arbitrary_changes_do_not_panic(seed: u64, steps in prop::collection::vec((0u8..9, 0u8..3), 1..40)) {
        let mut world = World::new(3, seed);
        for (number, (step, host)) in steps.into_iter().enumerate() {
            let peer = world.peer(host);
            let key = peer.public_key;
            let to = usize::from(host.max(1));
            match step {
                0 => world.apply(0, one(peer)),
                1 => world.apply(0, one(PeerChange { remove: true, ..PeerChange::new(key) })),
                2 => world.apply(0, one(PeerChange { replace_allowed_ips: true, ..PeerChange::new(key) })),
                3 => world.apply(0, InterfaceChange { replace_peers: true, ..InterfaceChange::default() }),
                4 => world.apply(0, InterfaceChange { private_key: Some(Some(private_key(host))), ..InterfaceChange::default() }),
                5 => world.apply(0, psk(host, number as u8)),
                6 => world.hosts[0].interface.set_down(),
                7 => {
                    let now = proto::clock::Now { boot: world.now, unix: world.now };
                    world.hosts[0].interface.set_up(now);
                }
                _ => world.send(0, to, number as u32),
            }
            world.pass(Duration::from_millis(700));
            prop_assert!(world.status(0).peers.len() <= 3);
        }
    }
}
