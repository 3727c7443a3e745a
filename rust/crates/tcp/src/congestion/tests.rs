//! What flows reach over a modelled bottleneck, in simulated time.

use super::Algorithm::{self, Bbr, Cubic};
use super::bottleneck::{Link, Network};
use crate::time::Time;

/// Return the goodput of a flow alone on the path of the benchmark in its first eight seconds, in Mb/s: the mean of some seeds.
fn goodput(algorithm: Algorithm, loss: f64) -> f64 {
    let seeds = if loss > 0.0 { 8 } else { 1 };
    let rate = |seed| {
        let mut network = Network::new(Link::benchmark(1.0, loss), seed);
        network.add(algorithm, 0.0, None);
        network.measure(8.0)[0]
    };
    (1..=seeds).map(rate).sum::<f64>() / f64::from(seeds as u32)
}

#[test]
fn bbr_reaches_its_share_of_the_path() {
    // 0.85 × what Linux reaches on that path with its BBR.
    for (loss, least) in [(0.0, 0.85 * 170.0), (0.001, 0.85 * 171.0), (0.01, 0.85 * 21.0)] {
        let rate = goodput(Bbr, loss);
        assert!(rate >= least, "{rate} Mb/s of {least} at a loss rate of {loss}");
    }
}

#[test]
fn cubic_reaches_its_share_of_the_path() {
    // 0.9 × what Linux reaches on that path with CUBIC.
    for (loss, least) in [(0.0, 0.9 * 178.0), (0.001, 0.9 * 21.0), (0.01, 0.9 * 3.0)] {
        let rate = goodput(Cubic, loss);
        assert!(rate >= least, "{rate} Mb/s of {least} at a loss rate of {loss}");
    }
}

#[test]
fn cubic_leaves_slow_start_before_the_queue_overflows() {
    // What shows a queue is a round-trip time old, and the window doubles meanwhile: a queue of one product of rate and
    // round-trip time is full just then.
    let mut network = Network::new(Link::benchmark(1.2, 0.0), 1);
    network.add(Cubic, 0.0, None);
    while network.flows[0].phases.len() < 2 {
        network.run((network.now - Time::ZERO).as_secs_f64() + 0.001);
    }
    assert_eq!(network.flows[0].phases[1].1, "conservative slow start");
    let queue = network.max_queue as f64 / 1_250_000.0;
    assert!(queue < 1.17 && network.flows[0].lost == 0, "{queue}");
}

#[test]
fn bbr_ends_startup_when_the_rate_no_longer_grows() {
    // Appendix A.1 and A.3 of the draft: three rounds without growth, the rate within 2 %, then a drained queue.
    let mut network = Network::new(Link::benchmark(4.0, 0.0), 1);
    network.add(Bbr, 0.0, None);
    network.run(2.0);
    let flow = &network.flows[0];
    let phases: Vec<_> = flow.phases.iter().map(|(_, phase)| *phase).collect();
    assert_eq!(phases, ["startup", "drain", "probe_bw cruise"]);
    let bottleneck = 25_000_000.0 * 1380.0 / 1480.0;
    assert!((flow.congestion.pacing_rate() as f64 / (0.99 * bottleneck) - 1.0).abs() < 0.02);
    assert!(flow.in_flight as f64 <= 1.1 * 0.05 * bottleneck, "{} bytes in flight", flow.in_flight);
}

#[test]
fn bbr_probes_the_round_trip_time_every_ten_seconds() {
    let mut network = Network::new(Link::benchmark(4.0, 0.0), 1);
    network.add(Bbr, 0.0, None);
    network.run(35.0);
    let probes: Vec<_> = network.flows[0].phases.iter().filter(|(_, phase)| *phase == "probe_rtt").collect();
    assert_eq!(probes.len(), 3, "{probes:?}");
}

#[test]
fn application_limited_flow_keeps_its_estimate() {
    let mut network = Network::new(Link::benchmark(1.0, 0.0), 1);
    let flow = network.add(Bbr, 0.0, None);
    network.run(5.0);
    network.flows[flow].limit(1_000_000, network.now);
    network.run(30.0);
    network.flows[flow].unlimit();
    let rate = network.measure(31.0)[flow];
    assert!(rate > 150.0, "{rate} Mb/s in the second after the pause");
}

/// Let flows share the path of the benchmark. Return what each delivers from 20 s to 80 s, or to 140 s if they are more
/// than two, in Mb/s, and the loss rate.
fn share(algorithms: &[Algorithm], queue: f64, seed: u64) -> (Vec<f64>, f64) {
    let mut network = Network::new(Link::benchmark(queue, 0.0), seed);
    for (number, algorithm) in algorithms.iter().enumerate() {
        network.add(*algorithm, number as f64, None);
    }
    network.run(20.0);
    let rates = network.measure(if algorithms.len() > 2 { 140.0 } else { 80.0 });
    let (lost, sent) = network.flows.iter().fold((0, 0), |(lost, sent), flow| (lost + flow.lost, sent + flow.sent));
    (rates, lost as f64 / sent as f64)
}

#[test]
fn two_flows_share_the_path_evenly() {
    for algorithm in [Bbr, Cubic] {
        let (rates, _) = share(&[algorithm; 2], 1.0, 1);
        let ratio = rates[0].min(rates[1]) / rates[0].max(rates[1]);
        assert!(ratio >= 0.7, "{algorithm:?}: {rates:?}");
    }
}

#[test]
fn ten_flows_share_the_path_evenly() {
    // Jain's index of four runs: who began when and waits how long decides over a single one. The aim is 0.9 (decision 0050).
    for algorithm in [Bbr, Cubic] {
        let index = |seed| {
            let (rates, _) = share(&[algorithm; 10], 1.0, seed);
            let sum: f64 = rates.iter().sum();
            assert!(sum > 150.0, "{algorithm:?}: {rates:?}");
            sum * sum / (10.0 * rates.iter().map(|rate| rate * rate).sum::<f64>())
        };
        let indices = [1, 2, 3, 4].map(index);
        let mean = indices.iter().sum::<f64>() / 4.0;
        assert!(mean >= 0.85, "{algorithm:?}: {indices:?}");
    }
}

#[test]
fn bbr_leaves_cubic_its_share() {
    for queue in [0.5, 1.0, 4.0] {
        let (rates, loss) = share(&[Bbr, Cubic], queue, 1);
        let part = rates[1] / (rates[0] + rates[1]);
        assert!(part >= 0.3 && loss <= 0.02, "{rates:?} Mb/s and {loss} lost with a queue of {queue}");
        assert!(rates[0] + rates[1] > 165.0, "{rates:?}");
    }
}
