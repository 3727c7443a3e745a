//! Two connections that disagree must not answer each other for ever: RFC 9293, section 3.10.7.4; RFC 5961, section 7.

use core::time::Duration;

use tcp::segment;
use tcp::{Config, Flags, Header, Options, Seq};
use tcpsim::{Host, Path, Plan};

use crate::hosts::{LEFT, PORTS, Pair, RIGHT, pair, plain_pair};

/// Return two idle, established connections.
fn idle_pair() -> Pair {
    let waiting = |stream| Plan { pause: Duration::from_secs(1 << 30), ..Plan::new(stream, 1) };
    // Without timestamps, which would drop what is injected.
    let config = || Config { timestamps: false, ..Config::default() };
    let plans = [waiting(1), waiting(2)];
    let mut simulation = pair(plans, [config(), config()], [1, 2], [Path::default(), Path::default()], 0);
    simulation.run_until(Duration::from_secs(1), |_| false);
    simulation
}

/// Let a third party send a segment to each side.
fn inject(simulation: &mut Pair, header: impl Fn(u16, u16) -> Header) {
    for (link, addresses, ports) in [(0, LEFT, (PORTS.local, PORTS.remote)), (1, RIGHT, (PORTS.remote, PORTS.local))] {
        let mut out = [0; 80];
        let len = segment::write(&header(ports.0, ports.1), (b"", b""), &addresses, &mut out).unwrap();
        let now = simulation.now();
        simulation.links[link].send(&out[..len], now);
    }
}

fn segments(simulation: &Pair) -> u64 {
    simulation.monitor.sent(0).segments + simulation.monitor.sent(1).segments
}

#[test]
fn unacceptable_segments_are_answered_once_and_the_answers_not_at_all() {
    let flags = [Flags::ACK, Flags::SYN, Flags::SYN | Flags::ACK, Flags::FIN | Flags::ACK, Flags::RST];
    for flags in flags {
        for (seq, ack) in [(0x7000_0000, 0x6000_0000), (4, 2), (5, 0x6000_0000), (0x7000_0000, 2)] {
            let mut simulation = idle_pair();
            let before = segments(&simulation);
            inject(&mut simulation, |source_port, destination_port| Header {
                source_port,
                destination_port,
                seq: Seq(seq),
                ack: Seq(ack),
                flags,
                window: 100,
                options: Options::default(),
            });
            simulation.run_until(Duration::from_secs(60), |_| false);
            let answers = segments(&simulation) - before;
            assert!(answers <= 4, "{answers} segments after {flags:?} with {seq} and {ack}");
            assert!(!simulation.left.has_ended() && !simulation.right.has_ended());
        }
    }
}

/// RFC 9293, section 3.10.7.1: an RST is never answered, and two closed sides fall silent.
#[test]
fn two_closed_sides_fall_silent() {
    let mut simulation = plain_pair([Plan::new(1, 0), Plan::new(2, 0)], &Path::default());
    simulation.run(Duration::from_secs(60));
    let before = segments(&simulation);
    inject(&mut simulation, |source_port, destination_port| Header {
        source_port,
        destination_port,
        seq: Seq(9),
        ack: Seq(9),
        flags: Flags::ACK,
        window: 100,
        options: Options::default(),
    });
    simulation.run_until(Duration::from_secs(60), |_| false);
    assert_eq!(segments(&simulation) - before, 2, "one RST each");
}
