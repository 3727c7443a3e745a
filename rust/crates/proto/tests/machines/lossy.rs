//! A link that loses, duplicates, corrupts, reorders and replays.

use std::collections::HashSet;
use std::time::Duration;

use proptest::prelude::*;

use crate::simulator::{Weather, World};

fn weather() -> impl Strategy<Value = Weather> {
    (0u64..60, 0u64..30, 0u64..20, 0u64..30, 0u64..3000).prop_map(|(lost, doubled, garbled, replayed, jitter_ms)| {
        Weather { lost, doubled, garbled, replayed, jitter_ms }
    })
}

/// Return senders, and milliseconds until the next.
fn traffic() -> impl Strategy<Value = Vec<(usize, u64)>> {
    prop::collection::vec((0usize..2, prop_oneof![8 => 0u64..500, 1 => 0u64..20_000, 1 => 0u64..250_000]), 1..120)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(crate::cases(96)))]

    /// Under all impairments, what arrives was sent and arrives once (nonces are checked by the simulator). Once they
    /// end, both directions work again within 25 s: 15 s until the silence is noticed, 5 s and jitter until a lost
    /// first message is retried.
    #[test]
    fn packets_are_never_duplicated_and_tunnels_recover(seed: u64, weather in weather(), traffic in traffic()) {
        let mut world = World::new(2, seed);
        world.weather = weather;
        for (number, (from, wait)) in traffic.iter().enumerate() {
            world.send(*from, 1 - from, number as u32);
            world.pass(Duration::from_millis(*wait));
        }
        world.weather = Weather::default();
        // What is still in flight arrives first.
        world.pass(Duration::from_secs(4));
        let healed: Vec<u32> = (1000..1025).collect();
        for number in &healed {
            world.send(0, 1, *number);
            world.send(1, 0, *number);
            world.pass(Duration::from_secs(1));
        }
        for (host, last) in [(1, 1024), (0, 1024)] {
            let delivered = &world.hosts[host].delivered;
            let distinct: HashSet<_> = delivered.iter().collect();
            prop_assert_eq!(distinct.len(), delivered.len(), "a packet came twice");
            for number in distinct {
                let sent = traffic.get(*number as usize).is_some_and(|(from, _)| *from == 1 - host) || healed.contains(number);
                prop_assert!(sent, "packet {} was never sent", number);
            }
            prop_assert!(delivered.contains(&last), "no recovery at host {}", host);
        }
    }
}
