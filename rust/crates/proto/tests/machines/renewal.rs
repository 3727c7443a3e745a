//! Sessions are renewed under traffic without loss (section 6.2).

use std::time::Duration;

use proptest::prelude::*;
use proto::Event;

use crate::simulator::{Weather, World};

/// Send from each side every `every_ms` for `seconds`; each side's packets are numbered from 0.
fn talk(world: &mut World, seconds: u64, every_ms: u64, sides: &[usize]) -> u32 {
    let rounds = (seconds * 1000 / every_ms) as u32;
    for number in 0..rounds {
        for from in sides {
            world.send(*from, 1 - from, number);
        }
        world.pass(Duration::from_millis(every_ms));
    }
    world.pass(Duration::from_secs(5));
    rounds
}

fn handshakes(world: &World, host: usize) -> usize {
    world.hosts[host].events.iter().filter(|event| matches!(event, Event::HandshakeCompleted { .. })).count()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(crate::cases(24)))]

    #[test]
    fn a_renewal_loses_nothing(seed: u64, jitter_ms in 0u64..200, every_ms in 20u64..900, sides in 0usize..3) {
        let mut world = World::new(2, seed);
        world.weather = Weather { jitter_ms, ..Weather::default() };
        let sides: &[usize] = [&[0, 1][..], &[0], &[1]][sides];
        let rounds = talk(&mut world, 400, every_ms, sides);
        for from in sides {
            let mut delivered = world.hosts[1 - from].delivered.clone();
            delivered.sort_unstable();
            let missing: Vec<_> = (0..rounds).filter(|number| delivered.binary_search(number).is_err()).collect();
            prop_assert!(missing.is_empty(), "lost {:?} from {}", missing, from);
            prop_assert_eq!(delivered.len(), rounds as usize, "some came twice");
        }
        // Four sessions in 400 s; when both sides start at the same moment, at most two each time.
        prop_assert!((3..=8).contains(&handshakes(&world, 0)), "{} handshakes", handshakes(&world, 0));
    }

    /// Whichever side starts first, or both at the same moment: one exchange of messages, no retry.
    #[test]
    fn simultaneous_initiations_both_succeed(seed: u64, apart_us in 0u64..3000) {
        let mut world = World::new(2, seed);
        world.send(0, 1, 7);
        world.pass(Duration::from_micros(apart_us));
        world.send(1, 0, 8);
        world.pass(Duration::from_millis(20));
        prop_assert_eq!(&world.hosts[1].delivered, &[7]);
        prop_assert_eq!(&world.hosts[0].delivered, &[8]);
    }
}

#[test]
fn a_session_that_only_receives_is_renewed_before_its_end() {
    let mut world = World::new(2, 1);
    world.send(0, 1, 0);
    world.pass(Duration::from_secs(1));
    // Host 0 started the session and now only receives.
    for number in 1..179 {
        world.send(1, 0, number);
        world.pass(Duration::from_secs(1));
    }
    assert_eq!(world.hosts[0].delivered.len(), 178);
    assert_eq!(handshakes(&world, 0), 2, "renewed on receipt, at 165 s");
}
