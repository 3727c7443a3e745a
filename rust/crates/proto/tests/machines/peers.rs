//! Who the peers are, and which of them a packet is of.

use std::net::Ipv4Addr;
use std::time::Duration;

use proto::change::{InterfaceChange, PeerChange};
use proto::clock::Now;
use proto::{Interface, Membership, PeerId};

use crate::simulator::{World, packet, private_key};

/// Return the peer of host 0 to which packets for this host go.
fn peer_of(interface: &mut Interface, inner: Ipv4Addr) -> PeerId {
    interface.route(&packet(Ipv4Addr::UNSPECIFIED, inner, 0)).expect("a route").0
}

/// Two peers behind one address, as behind a relay: the kernel coalesces their datagrams.
#[test]
fn each_packet_of_a_batch_names_its_peer() {
    let mut world = World::new(3, 1);
    (1..3).for_each(|host| world.send(host, 0, 0));
    world.pass(Duration::from_secs(1));
    let mut batch = Vec::new();
    for (host, number) in [(1, 1), (2, 2), (2, 3), (1, 4)] {
        world.weather.lost = 100;
        world.send(host, 0, number);
        batch.extend_from_slice(world.hosts[host].sent.last().unwrap());
    }
    let (from, stride) = (world.hosts[1].address.into(), batch.len() / 4);
    let (now, inner) = (Now { boot: world.now, unix: world.now }, [1, 2].map(|host| world.hosts[host].inner));
    let interface = &mut world.hosts[0].interface;
    let delivered = interface.receive_batch(from, &mut batch, stride, now).to_vec();
    let [one, two] = inner.map(|inner| peer_of(interface, inner));
    assert_ne!(one, two);
    assert_eq!(delivered.iter().map(|packet| packet.peer).collect::<Vec<_>>(), [one, two, two, one]);
    let numbers = delivered.into_iter().map(|delivered| batch[delivered.packet][23]).collect::<Vec<_>>();
    assert_eq!(numbers, [1, 2, 3, 4]);
}

/// Return the changes of the set of peers since the last call.
fn memberships(world: &mut World) -> Vec<Membership> {
    std::iter::from_fn(|| world.hosts[0].interface.take_membership()).collect()
}

#[test]
fn every_addition_and_removal_of_a_peer_is_reported_once() {
    let mut world = World::strangers(3, 2);
    let [one, two] = [1, 2].map(|host| world.peer(host));
    world.apply(0, InterfaceChange { peers: vec![one.clone(), two.clone()], ..InterfaceChange::default() });
    let inner = [1, 2].map(|host| world.hosts[host].inner);
    let ids = inner.map(|inner| peer_of(&mut world.hosts[0].interface, inner));
    let added = [(ids[0], one.public_key), (ids[1], two.public_key)]
        .map(|(peer, public_key)| Membership::Added { peer, public_key });
    assert_eq!(memberships(&mut world), added);

    world.apply(0, InterfaceChange { peers: vec![one.clone()], ..InterfaceChange::default() });
    let absent = PeerChange { remove: true, ..PeerChange::new(private_key(9).public_key()) };
    world.apply(0, InterfaceChange { peers: vec![absent], ..InterfaceChange::default() });
    assert_eq!(memberships(&mut world), [], "a change of a peer, and the removal of none");

    let gone = PeerChange { remove: true, ..PeerChange::new(one.public_key) };
    world.apply(0, InterfaceChange { peers: vec![gone], ..InterfaceChange::default() });
    assert_eq!(memberships(&mut world), [Membership::Removed { peer: ids[0] }]);

    // An interface with the key of its peer drops that peer.
    world.apply(0, InterfaceChange { private_key: Some(Some(private_key(2))), ..InterfaceChange::default() });
    assert_eq!(memberships(&mut world), [Membership::Removed { peer: ids[1] }]);
}

#[test]
fn a_replaced_peer_is_removed_before_the_new_one_of_the_same_id_is_added() {
    let mut world = World::new(2, 3);
    let old = memberships(&mut world);
    let [Membership::Added { peer, .. }] = old[..] else { panic!("one peer: {old:?}") };
    let public_key = private_key(7).public_key();
    let change =
        InterfaceChange { replace_peers: true, peers: vec![PeerChange::new(public_key)], ..InterfaceChange::default() };
    world.apply(0, change);
    assert_eq!(memberships(&mut world), [Membership::Removed { peer }, Membership::Added { peer, public_key }]);
}
