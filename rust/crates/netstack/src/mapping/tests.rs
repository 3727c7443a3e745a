//! Mappings case by case, and against plain lists.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

const START: Duration = Duration::from_secs(1000);

const fn secs(count: u64) -> Duration {
    Duration::from_secs(count)
}

fn at(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn inner(peer: u32, port: u16) -> Inner<u32> {
    Inner { peer, endpoint: SocketAddr::from(([10, 0, 0, 2], port)) }
}

fn opened(table: &mut Mappings<u32>, inner: Inner<u32>, destination: &str, now: Duration) -> MappingId {
    match table.open(inner, at(destination), now) {
        Opened::New(id) | Opened::Replacing(id, _) => id,
        Opened::Refused => panic!("refused"),
    }
}

#[test]
fn one_mapping_serves_all_destinations_of_an_inner_endpoint() {
    let mut table = Mappings::udp(Filtering::Address);
    assert_eq!(table.outbound(inner(1, 5000), at("192.0.2.1:80")), Outbound::NewMapping);
    let id = opened(&mut table, inner(1, 5000), "192.0.2.1:80", START);
    assert_eq!(table.outbound(inner(1, 5000), at("192.0.2.1:80")), Outbound::Known(id));
    assert_eq!(table.outbound(inner(1, 5000), at("192.0.2.1:81")), Outbound::NewDestination(id));
    table.sent(id, at("192.0.2.1:81"), START);
    assert_eq!(table.outbound(inner(1, 5000), at("192.0.2.1:81")), Outbound::Known(id));
    assert_eq!(table.open(inner(1, 5000), at("192.0.2.9:1"), START), Opened::New(id));
    for other in [inner(2, 5000), inner(1, 5001)] {
        assert_eq!(table.outbound(other, at("192.0.2.1:80")), Outbound::NewMapping);
    }
    assert_eq!((table.count(1), table.count(2)), (1, 0));
}

#[test]
fn each_filter_admits_what_its_name_says() {
    let cases = [
        (Filtering::Address, [true, true, false]),
        (Filtering::EndpointIndependent, [true, true, true]),
        (Filtering::AddressAndPort, [true, false, false]),
    ];
    for (filtering, expected) in cases {
        let mut table = Mappings::udp(filtering);
        let id = opened(&mut table, inner(1, 5000), "192.0.2.1:80", START);
        let passes = ["192.0.2.1:80", "192.0.2.1:81", "192.0.2.2:80"].map(|from| table.inbound(id, at(from)));
        assert_eq!(passes.map(|found| found.is_some()), expected, "{filtering:?}");
        assert!(passes.iter().flatten().all(|found| *found == inner(1, 5000)));
    }
}

#[test]
fn only_outbound_datagrams_refresh_a_mapping() {
    let mut table = Mappings::udp(Filtering::Address);
    let id = opened(&mut table, inner(1, 5000), "192.0.2.1:80", START);
    assert_eq!(table.deadline(id), Some(START + secs(120)));
    assert!(table.inbound(id, at("192.0.2.1:80")).is_some());
    assert_eq!(table.deadline(id), Some(START + secs(120)));
    table.sent(id, at("192.0.2.1:80"), START + secs(50));
    assert_eq!(table.deadline(id), Some(START + secs(170)));
}

#[test]
fn a_mapping_that_only_asked_name_servers_ends_early() {
    let mut table = Mappings::udp(Filtering::Address);
    let id = opened(&mut table, inner(1, 5000), "192.0.2.1:53", START);
    assert_eq!(table.deadline(id), Some(START + secs(30)));
    table.sent(id, at("192.0.2.1:443"), START);
    table.sent(id, at("192.0.2.1:53"), START);
    assert_eq!(table.deadline(id), Some(START + secs(120)));
    let mut echo = Mappings::echo();
    let id = opened(&mut echo, inner(1, 7), "192.0.2.1:0", START);
    assert_eq!(echo.deadline(id), Some(START + secs(30)));
}

#[test]
fn at_its_limit_a_peer_loses_the_mapping_that_was_idle_longest() {
    for (mut table, max) in [(Mappings::udp(Filtering::Address), 2048), (Mappings::echo(), 256)] {
        let ids: Vec<_> = (0..max).map(|port| opened(&mut table, inner(1, port), "192.0.2.1:80", START)).collect();
        assert_eq!(table.open(inner(1, 9999), at("192.0.2.1:80"), START + secs(30)), Opened::Refused);
        opened(&mut table, inner(2, 9999), "192.0.2.1:80", START);
        table.sent(ids[0], at("192.0.2.1:80"), START + secs(1));
        let later = START + secs(30) + Duration::from_millis(1);
        let Opened::Replacing(new, removed) = table.open(inner(1, 9999), at("192.0.2.1:80"), later) else { panic!() };
        assert_eq!((removed, table.count(1)), (ids[1], max.into()));
        assert_eq!((table.inner(removed), table.deadline(removed)), (None, None));
        assert_eq!(table.inner(new), Some(inner(1, 9999)));
        assert!(!table.remove(removed));
    }
}

#[test]
fn an_entry_is_used_again_and_its_former_mapping_refers_to_nothing() {
    let mut table = Mappings::udp(Filtering::EndpointIndependent);
    let first = opened(&mut table, inner(1, 5000), "192.0.2.1:80", START);
    assert!(table.remove(first) && !table.remove(first));
    let second = opened(&mut table, inner(1, 5001), "192.0.2.2:80", START);
    assert_eq!(second.index, first.index);
    assert_eq!((table.inbound(first, at("192.0.2.2:80")), table.inner(first)), (None, None));
    table.sent(first, at("192.0.2.3:80"), START + secs(9));
    assert_eq!(table.deadline(second), Some(START + secs(120)));
}

#[test]
fn the_mappings_of_a_removed_peer_are_removed() {
    let mut table = Mappings::udp(Filtering::Address);
    let ids: Vec<_> = (0..3).map(|port| opened(&mut table, inner(1, port), "192.0.2.1:80", START)).collect();
    let other = opened(&mut table, inner(2, 0), "192.0.2.1:80", START);
    assert_eq!(table.remove_peer(1), ids);
    assert_eq!((table.remove_peer(1), table.count(1)), (vec![], 0));
    assert_eq!(table.inner(other), Some(inner(2, 0)));
}

#[test]
fn a_new_policy_removes_what_it_refuses_and_nothing_else() {
    let mut table = Mappings::udp(Filtering::Address);
    let id = opened(&mut table, inner(1, 5000), "192.0.2.1:80", START);
    let other = opened(&mut table, inner(2, 5000), "192.0.2.1:80", START);
    for later in ["192.0.2.2:80", "192.0.2.1:81"] {
        table.sent(id, at(later), START + secs(121));
    }
    table.retain_destinations(|inner, destination| inner.peer == 2 || destination.port() != 80);
    assert_eq!(table.outbound(inner(1, 5000), at("192.0.2.1:80")), Outbound::NewDestination(id));
    assert_eq!(table.outbound(inner(1, 5000), at("192.0.2.1:81")), Outbound::Known(id));
    let passes = |id, from| table.inbound(id, at(from)).is_some();
    assert!(passes(id, "192.0.2.1:9") && !passes(id, "192.0.2.2:80") && passes(other, "192.0.2.1:80"));
}

#[test]
fn the_last_destinations_are_known_and_memory_is_bounded() {
    let mut table = Mappings::udp(Filtering::AddressAndPort);
    let destination =
        |number: u32| SocketAddr::from(((0xc000_0200 + number / 7).to_be_bytes(), (number % 7) as u16 + 1));
    let id = opened(&mut table, inner(1, 5000), "192.0.2.200:80", START);
    for number in 0..1000 {
        table.sent(id, destination(number), START + Duration::from_millis(number.into()));
        assert!((number.saturating_sub(127)..=number).all(|known| table.inbound(id, destination(known)).is_some()));
    }
    let destinations = &table.entries[id.index as usize].destinations;
    assert!(destinations.recent.len() <= DESTINATIONS && destinations.older.len() <= DESTINATIONS);
    assert_eq!(table.inbound(id, destination(0)), None);
}

#[test]
fn a_destination_that_is_no_longer_sent_to_is_forgotten() {
    let mut table = Mappings::udp(Filtering::Address);
    let id = opened(&mut table, inner(1, 5000), "192.0.2.1:80", START);
    for seconds in (0..=300).step_by(20) {
        table.sent(id, at("192.0.2.2:80"), START + secs(seconds));
        assert!(table.inbound(id, at("192.0.2.2:80")).is_some());
        if seconds < 240 {
            assert!(table.inbound(id, at("192.0.2.1:80")).is_some(), "{seconds}");
        }
    }
    assert!(table.inbound(id, at("192.0.2.1:80")).is_none());
}

#[test]
fn a_destination_is_forgotten_as_others_follow_it() {
    let mut table = Mappings::udp(Filtering::Address);
    let id = opened(&mut table, inner(1, 5000), "192.0.2.1:80", START);
    table.sent(id, at("192.0.2.2:80"), START + secs(120));
    assert!(table.inbound(id, at("192.0.2.1:80")).is_some());
    table.sent(id, at("192.0.2.3:80"), START + secs(240));
    assert_eq!(table.inbound(id, at("192.0.2.1:80")), None);
    assert!(table.inbound(id, at("192.0.2.2:80")).is_some());
}

#[test]
fn the_outer_port_is_the_inner_one_or_has_its_parity() {
    for inner in [5000, 5001, 80, 65_535] {
        let ports: Vec<u16> = outer_ports(inner, 0x1234_5678_9abc_def0).collect();
        assert_eq!((ports[0], ports[ports.len() - 1], ports.len()), (inner, 0, 2 + PORT_ATTEMPTS));
        let drawn = &ports[1..ports.len() - 1];
        assert!(drawn.iter().all(|port| *port >= FIRST_DYNAMIC && port % 2 == inner % 2));
        assert!(drawn.iter().enumerate().all(|(at, port)| !drawn[..at].contains(port)), "{drawn:?}");
    }
    assert_ne!(outer_ports(1, 1).nth(1), outer_ports(1, 99).nth(1));
    assert_ne!(outer_ports(0, 1).next(), Some(0), "an inner port of 0 is not asked for");
}

#[derive(Debug, Clone)]
enum Step {
    Send(u32, u16, u8),
    Pass(u64),
    Remove(prop::sample::Index),
    RemovePeer(u32),
}

fn steps() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => (0u32..3, 0u16..8, 0u8..4).prop_map(|(peer, port, to)| Step::Send(peer, port, to)),
        3 => (0u64..20).prop_map(Step::Pass),
        1 => any::<prop::sample::Index>().prop_map(Step::Remove),
        1 => (0u32..3).prop_map(Step::RemovePeer),
    ]
}

proptest! {
    #[test]
    fn the_table_agrees_with_a_plain_list(steps in prop::collection::vec(steps(), 1..200)) {
        let mut table = Mappings::new(Filtering::Address, 4, UDP_IDLE);
        // The mapping and its last use, by the order of creation.
        let mut model: BTreeMap<(u32, u16), (MappingId, Duration)> = BTreeMap::new();
        let (mut now, mut last_uses) = (START, Vec::new());
        for step in steps {
            match step {
                Step::Send(peer, port, to) => {
                    let (key, destination) = ((peer, port), SocketAddr::from(([192, 0, 2, to], 80)));
                    if let Some((id, used)) = model.get_mut(&key) {
                        let found = table.outbound(inner(peer, port), destination);
                        prop_assert!(found == Outbound::Known(*id) || found == Outbound::NewDestination(*id));
                        table.sent(*id, destination, now);
                        *used = now;
                        last_uses.retain(|other| *other != key);
                        last_uses.push(key);
                        continue;
                    }
                    let mine = model.keys().filter(|(other, _)| *other == peer).count();
                    let oldest = last_uses.iter().copied().find(|(other, _)| *other == peer);
                    let victim = oldest.filter(|key| mine == 4 && now - model[key].1 > BUSY);
                    match table.open(inner(peer, port), destination, now) {
                        Opened::Refused => prop_assert!(mine == 4 && victim.is_none()),
                        Opened::New(id) => {
                            prop_assert!(mine < 4);
                            model.insert(key, (id, now));
                        }
                        Opened::Replacing(id, removed) => {
                            let victim = victim.unwrap();
                            prop_assert_eq!(model.remove(&victim).map(|(id, _)| id), Some(removed));
                            last_uses.retain(|other| *other != victim);
                            model.insert(key, (id, now));
                        }
                    }
                    if model.contains_key(&key) {
                        last_uses.push(key);
                    }
                }
                Step::Pass(seconds) => now += secs(seconds),
                Step::Remove(index) if !model.is_empty() => {
                    let key = *model.keys().nth(index.index(model.len())).unwrap();
                    let (id, _) = model.remove(&key).unwrap();
                    prop_assert!(table.remove(id));
                    last_uses.retain(|other| *other != key);
                }
                Step::Remove(_) => {}
                Step::RemovePeer(peer) => {
                    let expected: Vec<_> =
                        last_uses.iter().filter(|(other, _)| *other == peer).map(|key| model[key].0).collect();
                    prop_assert_eq!(table.remove_peer(peer), expected);
                    model.retain(|(other, _), _| *other != peer);
                    last_uses.retain(|(other, _)| *other != peer);
                }
            }
            for ((peer, port), (id, used)) in &model {
                prop_assert_eq!(table.inner(*id), Some(inner(*peer, *port)));
                prop_assert_eq!(table.deadline(*id), Some(*used + UDP_IDLE));
            }
            for peer in 0..3 {
                prop_assert_eq!(table.count(peer), model.keys().filter(|(other, _)| *other == peer).count());
            }
        }
    }
}
