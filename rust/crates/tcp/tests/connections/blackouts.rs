//! Paths that stop carrying anything, and connections that end by their timers (spec of part A, "Timers and closing").

use core::time::Duration;

use tcp::{Event, State};
use tcpsim::simulation::Outcome;
use tcpsim::{Host, Path, Plan};

use crate::hosts::{Pair, plain_pair};

const MINUTE: Duration = Duration::from_secs(60);

/// Return two hosts in the middle of a transfer of the left one, which neither of them closes.
fn in_transfer() -> Pair {
    let mut simulation = plain_pair([Plan::new(1, 50_000_000), Plan::new(2, 0)], &Path::default());
    let outcome = simulation.run_until(MINUTE, |simulation| simulation.right.application().received() > 1_000_000);
    assert_eq!(outcome, Outcome::Ended);
    simulation
}

fn set_down(simulation: &mut Pair, is_down: bool) {
    simulation.links.iter_mut().for_each(|link| link.set_down(is_down));
}

#[test]
fn data_without_an_acknowledgement_times_out_after_120_seconds() {
    let mut simulation = in_transfer();
    set_down(&mut simulation, true);
    simulation.run_until(Duration::from_secs(119), |_| false);
    assert!(!simulation.left.has_ended(), "before the user timeout");
    simulation.run_until(Duration::from_secs(2), |_| false);
    assert!(simulation.left.has_ended(), "after the user timeout");
    assert_eq!(simulation.left.events().last(), Some(&Event::TimedOut));
}

#[test]
fn a_transfer_goes_on_after_half_a_minute_without_a_path() {
    let mut simulation = in_transfer();
    set_down(&mut simulation, true);
    simulation.run_until(MINUTE / 2, |_| false);
    set_down(&mut simulation, false);
    let outcome = simulation.run(10 * MINUTE);
    assert_eq!(outcome, Outcome::Ended);
    assert_eq!(simulation.right.application().received(), 50_000_000);
}

#[test]
fn an_acknowledgement_in_time_keeps_a_transfer_over_a_bad_path() {
    let mut simulation = in_transfer();
    for _ in 0..5 {
        set_down(&mut simulation, true);
        simulation.run_until(Duration::from_secs(50), |_| false);
        set_down(&mut simulation, false);
        let received = simulation.right.application().received();
        let outcome =
            simulation.run_until(2 * MINUTE, |simulation| simulation.right.application().received() > received);
        assert_eq!(outcome, Outcome::Ended, "{:?}", simulation.left.status());
    }
}

#[test]
fn a_connection_to_nowhere_times_out() {
    let mut simulation = plain_pair([Plan::new(1, 1), Plan::new(2, 0)], &Path::default());
    set_down(&mut simulation, true);
    simulation.run_until(5 * MINUTE, |simulation| simulation.left.has_ended());
    assert_eq!(simulation.left.events(), [Event::TimedOut]);
    let seconds = simulation.now().as_nanos() / 1_000_000_000;
    assert!((60..=130).contains(&seconds), "{seconds} s");
    let sent = simulation.monitor.sent(0).segments;
    assert!((5..=9).contains(&sent), "SYNs at 1, 2, 4 s and so on (RFC 6298, section 5.5): {sent}");
}

/// Keepalive: after 120 s idle, 3 probes of 15 s.
#[test]
fn an_idle_connection_notices_that_the_other_side_is_gone() {
    let waiting = |stream| Plan { pause: Duration::from_secs(3600), ..Plan::new(stream, 1 << 40) };
    let mut simulation = plain_pair([waiting(1), waiting(2)], &Path::default());
    simulation.run_until(Duration::from_secs(10), |_| false);
    set_down(&mut simulation, true);
    simulation.run_until(2 * MINUTE, |_| false);
    assert!(!simulation.left.has_ended() && !simulation.right.has_ended());
    simulation.run_until(2 * MINUTE, |_| false);
    for host in [&simulation.left, &simulation.right] {
        assert_eq!(host.events().last(), Some(&Event::TimedOut), "{:?}", host.status());
    }
}

#[test]
fn an_idle_connection_stays_open_for_a_day() {
    let waiting = |stream| Plan { pause: Duration::from_secs(1 << 30), ..Plan::new(stream, 1 << 40) };
    let mut simulation = plain_pair([waiting(1), waiting(2)], &Path::default());
    simulation.run_until(Duration::from_secs(86_400), |_| false);
    for host in [&simulation.left, &simulation.right] {
        assert_eq!(host.status().map(|status| status.state), Some(State::Established), "{:?}", host.events());
    }
}

/// FIN-WAIT-2 ends after 60 s without a segment; else a peer that never closes would hold it for ever.
#[test]
fn a_side_that_closed_does_not_wait_for_ever() {
    let silent = Plan { pause: Duration::from_secs(1 << 30), ..Plan::new(2, 1 << 40) };
    let mut simulation = plain_pair([Plan::new(1, 100), silent], &Path::default());
    simulation.run_until(5 * MINUTE, |simulation| simulation.left.has_ended());
    assert!(simulation.left.has_ended(), "{:?}", simulation.left.status());
}
