//! The states of one flow, driven by acknowledgements that the tests make.

use core::time::Duration;

use crate::congestion::{Ack, Algorithm, Congestion};
use crate::time::Time;

const MSS: u64 = 1_000;
const RTT: Duration = Duration::from_millis(100);

/// A flow on a path without a queue: each round trip delivers what the test says.
struct Path {
    congestion: Congestion,
    now: Time,
}

impl Path {
    fn new() -> Self {
        let mut congestion = Congestion::new(Algorithm::Bbr, MSS as u32, Time::ZERO);
        congestion.on_handshake(RTT, Time::ZERO);
        Self { congestion, now: Time::ZERO }
    }

    /// Send `segments` evenly in a round trip; after another one all but the first `lost` are acknowledged, evenly as well.
    fn round(&mut self, segments: u64, lost: u64) {
        let step = RTT / segments as u32;
        let mut in_flight = 0;
        let sent: Vec<_> = (0..segments)
            .map(|number| {
                let at = self.now + step * number as u32;
                let state = self.congestion.on_send(MSS, in_flight, at);
                in_flight += MSS;
                (at, state)
            })
            .collect();
        for (number, (at, state)) in sent.iter().enumerate() {
            let now = *at + RTT;
            in_flight -= MSS;
            let is_lost = (number as u64) < lost;
            if is_lost {
                self.congestion.on_lost(state, MSS, now);
            } else {
                self.congestion.on_delivered(state, *at, MSS, now);
            }
            let ack = Ack {
                acked_bytes: if is_lost { 0 } else { MSS },
                lost_bytes: if is_lost { MSS } else { 0 },
                in_flight,
                rtt: (!is_lost).then_some(RTT),
                min_rtt: Some(RTT),
                srtt: Some(RTT),
                has_advanced: !is_lost,
            };
            self.congestion.on_ack(&ack, now);
        }
        self.now += RTT * 2;
    }

    /// Bring the flow into the cycle of bandwidth probes with 50 segments a round trip.
    fn settled() -> Self {
        let mut path = Self::new();
        for _ in 0..8 {
            path.round(50, 0);
        }
        assert!(path.congestion.phase().starts_with("probe_bw"), "{}", path.congestion.phase());
        path
    }
}

#[test]
fn flow_begins_with_its_initial_window_at_2_77_times_its_rate() {
    let path = Path::new();
    assert_eq!((path.congestion.window(), path.congestion.phase()), (10 * MSS, "startup"));
    assert_eq!(path.congestion.pacing_rate(), 277_000);
}

#[test]
fn startup_goes_on_while_the_application_limits_the_flow() {
    let mut path = Path::new();
    for _ in 0..20 {
        path.congestion.set_app_limited(100 * MSS);
        path.round(20, 0);
    }
    assert_eq!(path.congestion.phase(), "startup");
}

#[test]
fn settled_flow_paces_a_percent_below_its_rate() {
    let mut path = Path::settled();
    while path.congestion.phase() != "probe_bw cruise" {
        path.round(50, 0);
    }
    // 50 segments are sent in 98 ms, and the last is acknowledged 100 ms later.
    let best = 50.0 * MSS as f64 / 0.198;
    assert!((path.congestion.pacing_rate() as f64 / best - 0.99).abs() < 1e-4);
}

#[test]
fn losses_between_probes_lower_the_window_to_what_was_delivered() {
    let mut path = Path::settled();
    while path.congestion.phase() != "probe_bw cruise" {
        path.round(50, 0);
    }
    let before = (path.congestion.window(), path.congestion.pacing_rate());
    path.round(50, 20);
    path.round(30, 1);
    let after = (path.congestion.window(), path.congestion.pacing_rate());
    assert!(after.0 < before.0 && after.1 < before.1, "{before:?} {after:?}");
    // By at most β in a round with a loss.
    assert!(after.1 as f64 > before.1 as f64 * 0.48, "{before:?} {after:?}");
}

#[test]
fn spurious_loss_restores_bounds_and_window() {
    let mut path = Path::settled();
    while path.congestion.phase() != "probe_bw cruise" {
        path.round(50, 0);
    }
    let window = path.congestion.window();
    path.round(50, 5);
    path.congestion.enter_recovery(0, path.now);
    path.round(50, 5);
    path.congestion.on_timeout(0, path.now);
    assert_eq!(path.congestion.window(), MSS);
    path.congestion.on_spurious(path.now);
    assert!(path.congestion.window() >= window);
    path.round(50, 0);
    assert!(path.congestion.window() >= window, "{} {window}", path.congestion.window());
}

#[test]
fn timeout_leaves_one_segment_and_recovery_restores_the_window() {
    let mut path = Path::settled();
    let window = path.congestion.window();
    path.congestion.on_timeout(2 * MSS, path.now);
    assert_eq!(path.congestion.window(), 3 * MSS);
    path.congestion.exit_recovery(path.now);
    assert_eq!(path.congestion.window(), window);
}

#[test]
fn idle_flow_restarts_at_its_rate_without_a_probe_of_the_round_trip_time() {
    let mut path = Path::settled();
    let window = path.congestion.window();
    path.congestion.set_app_limited(0);
    path.now += Duration::from_secs(60);
    path.round(50, 0);
    assert_ne!(path.congestion.phase(), "probe_rtt");
    assert!(path.congestion.window() >= window / 2);
}

#[test]
fn bandwidth_is_probed_every_two_to_three_seconds() {
    let mut path = Path::settled();
    let mut probes = Vec::new();
    for _ in 0..200 {
        let before = path.congestion.phase();
        path.round(50, 0);
        let is_probe = |phase| phase == "probe_bw refill" || phase == "probe_bw up";
        if is_probe(path.congestion.phase()) && !is_probe(before) {
            probes.push(path.now);
        }
    }
    for pair in probes.windows(2) {
        let wait = (pair[1] - pair[0]).as_secs_f64();
        assert!((2.0..5.0).contains(&wait), "{wait} s");
    }
    assert!(probes.len() >= 8, "{probes:?}");
}

#[test]
fn quantum_and_window_have_a_floor() {
    let mut path = Path::new();
    for _ in 0..20 {
        path.round(2, 1);
    }
    assert!(path.congestion.window() >= 4 * MSS);
    assert!(path.congestion.quantum() >= 2 * MSS);
}
