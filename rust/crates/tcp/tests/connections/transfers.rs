//! Two connections over links that lose, double, reorder, cut and delay: every byte arrives once and in order, in both
//! directions, and both connections close.

use core::time::Duration;

use proptest::prelude::*;
use tcp::{Algorithm, Config, Event, Pool, Ports, State, Time};
use tcpsim::monitor::Monitor;
use tcpsim::simulation::Outcome;
use tcpsim::{Application, Close, Endpoint, Host, Link, Path, Plan, Simulation};

use crate::hosts::{LEFT, PORTS, Pair, RIGHT, pair, plain_pair};

/// Longer than any transfer of these tests takes, and shorter than a user timeout after it.
const LIMIT: Duration = Duration::from_secs(4 * 3600);

fn millis(range: core::ops::Range<u64>) -> impl Strategy<Value = Duration> {
    range.prop_map(Duration::from_millis)
}

fn micros(range: core::ops::Range<u64>) -> impl Strategy<Value = Duration> {
    range.prop_map(Duration::from_micros)
}

/// Paths of 100 kB/s to 1 GB/s, up to 100 ms, of which up to a fifth do nothing to a packet.
fn path() -> impl Strategy<Value = Path> {
    let probability = |max: f64| prop_oneof![1 => Just(0.0), 3 => 0.0..max];
    let link = (17u32..30, 0u64..100_000, micros(0..20_000), 4_000u64..1_000_000);
    let faults = (probability(0.1), probability(0.1), probability(0.2), probability(0.03));
    (link, faults, millis(0..60), micros(1..2_000)).prop_map(|(link, faults, held_back, batch)| Path {
        rate: 1 << link.0,
        delay: Duration::from_micros(link.1),
        jitter: link.2,
        queue: link.3,
        loss: faults.0,
        longest_loss: 3,
        duplication: faults.1,
        reordering: faults.2,
        held_back,
        truncation: faults.3,
        batch,
    })
}

/// Applications that send nothing, little or up to 256 KiB, slowly or at once.
fn plan(stream: u8) -> impl Strategy<Value = Plan> {
    let bytes = prop_oneof![1 => Just(0u64), 2 => 1u64..3_000, 4 => 3_000u64..256 << 10];
    let write = prop_oneof![1usize..200, 1_000usize..64 << 10];
    let read = prop_oneof![3 => Just(usize::MAX), 1 => 500usize..20_000];
    let pause = prop_oneof![3 => Just(Duration::ZERO), 1 => millis(1..50)];
    (bytes, write, read, pause, prop_oneof![Just(Close::WhenWritten), Just(Close::AfterPeer)]).prop_map(
        move |(bytes, write, read, pause, close)| {
            // A slow application has at most some hundred turns, for the time of this test.
            let (write, read) = if pause.is_zero() { (write, usize::MAX) } else { (write.max(1_000), read.max(1_000)) };
            Plan { stream, bytes, write, read, pause, close }
        },
    )
}

fn plans() -> impl Strategy<Value = [Plan; 2]> {
    (plan(1), plan(2)).prop_map(|(left, mut right)| {
        if left.close == Close::AfterPeer {
            // Somebody must begin.
            right.close = Close::WhenWritten;
        }
        [left, right]
    })
}

fn config() -> impl Strategy<Value = Config> {
    let buffer = prop_oneof![2 => Just(4usize << 20), 1 => 2_000usize..200_000];
    let algorithm = prop_oneof![Just(Algorithm::Bbr), Just(Algorithm::Cubic)];
    (100u16..9_000, buffer, algorithm, any::<(bool, bool, u32)>()).prop_map(
        |(mss, max_buffer, algorithm, (timestamps, sack, timestamp_offset))| Config {
            mss: mss.max(536),
            algorithm,
            max_buffer,
            initial_buffer: max_buffer.min(128 << 10),
            timestamps,
            sack,
            timestamp_offset,
            pool: Pool::new(),
            ..Config::default()
        },
    )
}

/// Run a transfer to its end, and check what must hold of it.
fn check_transfer(simulation: &mut Pair) {
    let outcome = simulation.run(LIMIT);
    let describe = |host: &Endpoint| {
        let application = host.application();
        let (written, received) = (application.written(), application.received());
        format!("{written} of {:?}, {received} received, {:?} {:?}", application.plan(), host.events(), host.status())
    };
    let end = || format!("{outcome:?}\nleft: {}\nright: {}", describe(&simulation.left), describe(&simulation.right));
    assert_eq!(outcome, Outcome::Ended, "{}", end());
    for (host, other) in [(&simulation.left, &simulation.right), (&simulation.right, &simulation.left)] {
        let (application, other) = (host.application(), other.application());
        assert!(application.is_done(), "{}", end());
        assert_eq!(application.received(), other.plan().bytes, "{}", end());
        let events = host.events();
        assert_eq!(events.first(), Some(&Event::Connected), "{}", end());
        assert_eq!(events.iter().filter(|&&event| event == Event::PeerClosed).count(), 1, "{}", end());
        assert!(!events.contains(&Event::TimedOut), "{}", end());
        assert!(!events.iter().any(|event| matches!(event, Event::Reset(_))), "{}", end());
        assert_eq!(host.status().map(|status| status.state), Some(State::Closed));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_byte_arrives_once_and_in_order_over_any_path(
        plans in plans(), configs in (config(), config()), paths in (path(), path()), isns: [u32; 2], seed: u64,
    ) {
        check_transfer(&mut pair(plans, configs.into(), isns, paths.into(), seed));
    }
}

#[test]
fn a_bulk_transfer_fills_a_clean_path() {
    for algorithm in [Algorithm::Bbr, Algorithm::Cubic] {
        let configs = || Config { algorithm, ..Config::default() };
        let path = || Path { queue: 1_250_000, ..Path::default() };
        let plans = [Plan::new(1, 20_000_000), Plan::new(2, 0)];
        let mut simulation = pair(plans, [configs(), configs()], [1, 2], [path(), path()], 0);
        simulation.run_until(LIMIT, |simulation| simulation.right.application().received() == 20_000_000);
        check_at_least(&simulation, 0.75, 20_000_000);
        check_transfer(&mut simulation);
    }
}

#[track_caller]
fn check_at_least(simulation: &Pair, share: f64, bytes: u64) {
    let seconds = simulation.now().as_nanos() as f64 / 1e9;
    let rate = bytes as f64 / seconds;
    let status = simulation.left.status();
    assert!(rate >= share * 12_500_000.0, "{rate:.0} bytes/s of 12,500,000: {status:?}");
}

#[test]
fn nothing_is_sent_twice_on_a_clean_path() {
    let mut simulation =
        plain_pair([Plan::new(1, 2_000_000), Plan::new(2, 2_000_000)], &Path { queue: u64::MAX, ..Path::default() });
    check_transfer(&mut simulation);
    for side in 0..2 {
        assert_eq!(simulation.monitor.sent(side).payload_bytes, 2_000_000);
    }
}

#[test]
fn an_empty_connection_closes_with_seven_segments_or_less() {
    let mut simulation = plain_pair([Plan::new(1, 0), Plan::new(2, 0)], &Path::default());
    check_transfer(&mut simulation);
    let segments = simulation.monitor.sent(0).segments + simulation.monitor.sent(1).segments;
    assert!(segments <= 8, "{segments} segments");
}

/// RFC 9293, section 3.5, figure 7.
#[test]
fn two_sides_that_connect_at_once_get_one_connection() {
    let streams = [1, 2];
    let applications = streams.map(|stream| Application::new(Plan::new(stream, 50_000), 3 - stream));
    let [left, right] = applications;
    let reversed = Ports { local: PORTS.remote, remote: PORTS.local };
    let mut simulation = Simulation::new(
        Endpoint::connect(Config::default(), LEFT, PORTS, 1, left),
        Endpoint::connect(Config::default(), RIGHT, reversed, 2, right),
        [Link::new(Path::default(), 0), Link::new(Path::default(), 1)],
        Monitor::new([(LEFT, 1, true), (RIGHT, 2, true)]),
    );
    check_transfer(&mut simulation);
    assert!(simulation.now() < Time::ZERO + Duration::from_secs(12), "without a timeout, and then TIME-WAIT");
}

#[test]
fn sequence_numbers_may_wrap_in_every_phase() {
    for before in [0, 1, 2, 100, 5_000, 150_000] {
        let isns = [0u32.wrapping_sub(before), 0x8000_0000u32.wrapping_sub(before)];
        let plans = [Plan::new(1, 300_000), Plan::new(2, 300_000)];
        let path = || Path { loss: 0.02, ..Path::default() };
        let mut simulation = pair(plans, [Config::default(), Config::default()], isns, [path(), path()], 7);
        check_transfer(&mut simulation);
    }
}

#[test]
fn a_slow_reader_closes_the_window_and_loses_nothing() {
    let reader = Plan { read: 3_000, pause: Duration::from_millis(200), ..Plan::new(2, 0) };
    let mut config = Config { max_buffer: 16 << 10, initial_buffer: 16 << 10, ..Config::default() };
    config.sack = false;
    let plans = [Plan::new(1, 200_000), reader];
    let path = || Path { loss: 0.05, ..Path::default() };
    let mut simulation = pair(plans, [Config::default(), config], [1, 2], [path(), path()], 3);
    check_transfer(&mut simulation);
}
