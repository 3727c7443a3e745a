//! Mappings of several peers: limits hold, filters hold, and an identity that is gone refers to nothing.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;

use netstack::mapping::{Filtering, Inner, Mappings, Opened, Outbound};

use crate::script::Script;

/// Run with the table, the filter, and steps: a datagram out, one in, or time that passes.
pub fn run(octets: &[u8]) {
    let mut script = Script(octets);
    let variant = script.octet();
    let filtering =
        [Filtering::Address, Filtering::EndpointIndependent, Filtering::AddressAndPort][usize::from(variant) % 3];
    let is_echo = variant & 0x80 != 0;
    let (mut table, filtering, max) =
        if is_echo { (Mappings::echo(), Filtering::Address, 256) } else { (Mappings::udp(filtering), filtering, 2048) };
    let (mut now, mut known) = (Duration::from_secs(100), HashMap::new());
    while !script.is_over() {
        let (kind, from, to) = (script.octet(), script.short(), script.octet());
        let inner = Inner { peer: from % 3, endpoint: SocketAddr::from(([10, 0, 0, 2], from / 3)) };
        let destination = SocketAddr::from(([192, 0, 2, to >> 2], u16::from(to & 3) + 50));
        match kind & 3 {
            0 | 1 => {
                let id = match table.outbound(inner, destination) {
                    Outbound::Known(id) | Outbound::NewDestination(id) => id,
                    Outbound::NewMapping => match table.open(inner, destination, now) {
                        Opened::New(id) => id,
                        Opened::Replacing(id, removed) => {
                            assert_eq!(table.inner(removed), None);
                            id
                        }
                        Opened::Refused => {
                            assert_eq!(table.count(inner.peer), max);
                            continue;
                        }
                    },
                };
                table.sent(id, destination, now);
                assert!(table.deadline(id).is_some_and(|deadline| deadline > now));
                assert_eq!(table.inbound(id, destination), Some(inner));
                known.insert(id, inner);
            }
            2 => {
                for (id, inner) in &known {
                    let found = table.inbound(*id, destination);
                    assert!(found.is_none_or(|found| found == *inner), "another peer's");
                    let is_open = filtering == Filtering::EndpointIndependent && table.inner(*id).is_some();
                    assert!(!is_open || found.is_some());
                }
                now += Duration::from_secs(kind.into());
            }
            _ => {
                for id in table.remove_peer(inner.peer) {
                    assert_eq!(known.remove(&id).map(|inner| inner.peer), Some(inner.peer));
                }
                assert_eq!(table.count(inner.peer), 0);
            }
        }
        assert!((0..3).all(|peer| table.count(peer) <= max));
    }
}
