//! Connections of crate `tcp` with sockets of smoltcp over links that lose, double, reorder, cut and delay: every byte
//! arrives once and in order, in both directions, and both sides close.

use core::net::Ipv4Addr;
use core::time::Duration;

use partner::partner::{Partner, Settings};
use proptest::prelude::*;
use tcp::{Addresses, Algorithm, Config, Event, Ports};
use tcpsim::monitor::Monitor;
use tcpsim::simulation::Outcome;
use tcpsim::{Application, Close, Endpoint, Host, Link, Path, Plan, Simulation};

const OWN: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
const OTHER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
const FROM_OWN: Addresses = Addresses::V4 { source: OWN, destination: OTHER };
const FROM_OTHER: Addresses = Addresses::V4 { source: OTHER, destination: OWN };
const MTU: usize = 1420;
/// smoltcp waits a second and more after each loss.
const LIMIT: Duration = Duration::from_secs(4 * 3600);

fn path() -> impl Strategy<Value = Path> {
    let probability = |max: f64| prop_oneof![1 => Just(0.0), 2 => 0.0..max];
    let link = (17u32..30, 0u64..50_000, 0u64..10_000, 5_000u64..1_000_000);
    let faults = (probability(0.05), probability(0.05), probability(0.1), probability(0.02));
    (link, faults, 0u64..30_000, 1u64..2_000).prop_map(|(link, faults, held_back, batch)| Path {
        rate: 1 << link.0,
        delay: Duration::from_micros(link.1),
        jitter: Duration::from_micros(link.2),
        queue: link.3,
        loss: faults.0,
        longest_loss: 2,
        duplication: faults.1,
        reordering: faults.2,
        held_back: Duration::from_micros(held_back),
        truncation: faults.3,
        batch: Duration::from_micros(batch),
    })
}

fn plan(stream: u8) -> impl Strategy<Value = Plan> {
    let bytes = prop_oneof![1 => Just(0u64), 2 => 1u64..3_000, 3 => 3_000u64..200_000];
    let pause = prop_oneof![3 => Just(0u64), 1 => 1u64..30];
    (bytes, 1_000usize..64 << 10, 1_000usize..20_000, pause, any::<bool>()).prop_map(
        move |(bytes, write, read, pause, waits)| Plan {
            stream,
            bytes,
            write,
            read: if pause == 0 { usize::MAX } else { read },
            pause: Duration::from_millis(pause),
            close: if waits { Close::AfterPeer } else { Close::WhenWritten },
        },
    )
}

fn plans() -> impl Strategy<Value = [Plan; 2]> {
    (plan(1), plan(2)).prop_map(|(own, mut other)| {
        if own.close == Close::AfterPeer {
            other.close = Close::WhenWritten;
        }
        [own, other]
    })
}

fn config() -> impl Strategy<Value = Config> {
    let buffer = prop_oneof![2 => Just(4usize << 20), 1 => 4_000usize..200_000];
    (buffer, any::<(bool, bool, bool)>()).prop_map(|(max_buffer, (is_cubic, timestamps, sack))| Config {
        algorithm: if is_cubic { Algorithm::Cubic } else { Algorithm::Bbr },
        max_buffer,
        initial_buffer: max_buffer.min(128 << 10),
        timestamps,
        sack,
        ..Config::default()
    })
}

fn settings() -> impl Strategy<Value = Settings> {
    (4_000usize..300_000, 4_000usize..300_000, any::<bool>(), any::<u64>())
        .prop_map(|(receive, send, timestamps, seed)| Settings { mtu: MTU, buffers: (receive, send), timestamps, seed })
}

fn check_transfer(
    [own_plan, other_plan]: [Plan; 2],
    config: Config,
    settings: &Settings,
    [to_other, to_own]: [Path; 2],
    own_connects: bool,
    (isn, seed): (u32, u64),
) {
    let (streams, bytes) = ([own_plan.stream, other_plan.stream], [own_plan.bytes, other_plan.bytes]);
    let own = Application::new(own_plan, streams[1]);
    let other = Application::new(other_plan, streams[0]);
    let (left, right) = if own_connects {
        let ports = Ports { local: 40_000, remote: 80 };
        let own = Endpoint::connect(config, FROM_OWN, ports, isn, own);
        (own, Partner::listen(settings, (OTHER, OWN), 80, other))
    } else {
        let ports = Ports { local: 40_000, remote: 80 };
        let own = Endpoint::listen(config, FROM_OWN, isn, own);
        (own, Partner::connect(settings, (OTHER, OWN), ports, other))
    };
    let links = [Link::new(to_other, seed), Link::new(to_own, !seed)];
    let monitor = Monitor::new([(FROM_OWN, streams[0], true), (FROM_OTHER, streams[1], false)]);
    let mut simulation = Simulation::new(left, right, links, monitor);
    let outcome = simulation.run(LIMIT);
    let (left, right) = (&simulation.left, &simulation.right);
    let end = || {
        let describe = |application: &Application| {
            format!(
                "{} written, {} received of {:?}",
                application.written(),
                application.received(),
                application.plan()
            )
        };
        let own = format!("{} {:?} {:?}", describe(left.application()), left.events(), left.status());
        let other = format!("{} {:?}", describe(right.application()), right.state());
        format!("{outcome:?} at {:?}\nown: {own}\nsmoltcp: {other}", simulation.now())
    };
    assert_eq!(outcome, Outcome::Ended, "{}", end());
    assert_eq!([right.application().received(), left.application().received()], bytes, "{}", end());
    assert!(left.application().is_done(), "{}", end());
    assert!(!left.events().contains(&Event::TimedOut), "{}", end());
}

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_byte_arrives_once_and_in_order_with_smoltcp(
        plans in plans(),
        config in config(),
        settings in settings(),
        paths in (path(), path()),
        own_connects: bool,
        numbers: (u32, u64),
    ) {
        check_transfer(plans, config, &settings, paths.into(), own_connects, numbers);
    }
}
