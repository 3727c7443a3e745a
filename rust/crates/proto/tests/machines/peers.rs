//! Who the peers are, and which of them a packet is of.

use std::net::Ipv4Addr;
use std::time::Duration;

use proto::clock::Now;
use proto::{Interface, PeerId};

use crate::simulator::{World, packet};

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
