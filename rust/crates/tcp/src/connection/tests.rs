//! Cases of the RFCs for one connection, or for two that are joined without a network.

use core::time::Duration;

use super::Connection;
use crate::config::Config;
use crate::congestion::Algorithm;
use crate::options::{Options, SackBlock, Timestamps};
use crate::segment::{Flags, Header, Ports, Segment};
use crate::seq::Seq;
use crate::status::{Event, Reset, State};
use crate::time::Time;

const PORTS: Ports = Ports { local: 1000, remote: 80 };
const MSS: usize = 1368;

type Sent = (Header, Vec<u8>);

fn config() -> Config {
    Config { algorithm: Algorithm::Cubic, ..Config::default() }
}

fn at(milliseconds: u64) -> Time {
    Time::ZERO + Duration::from_millis(milliseconds)
}

/// Take everything that a connection sends now.
fn take(connection: &mut Connection, now: Time) -> Vec<Sent> {
    let mut sent = Vec::new();
    connection.take_segments(usize::MAX, now, &mut |header, (first, second)| {
        sent.push((*header, [first, second].concat()));
    });
    sent
}

/// Give segments to a connection as one batch.
fn give(connection: &mut Connection, segments: &[Sent], now: Time) {
    for (header, payload) in segments {
        connection.receive(&Segment { header: *header, payload }, now);
    }
    connection.end_batch(now);
}

fn events(connection: &mut Connection) -> Vec<Event> {
    core::iter::from_fn(|| connection.take_event()).collect()
}

/// Pass segments both ways until neither side has any; `now` stands still.
fn settle(one: &mut Connection, other: &mut Connection, now: Time) {
    for _ in 0..10_000 {
        let (out, back) = (take(one, now), take(other, now));
        if out.is_empty() && back.is_empty() {
            return;
        }
        give(other, &out, now);
        give(one, &back, now);
    }
    panic!("the connections do not come to rest");
}

fn accept(config: &Config, syn: &Sent, now: Time) -> Connection {
    let mut server = Connection::accept(config, &Segment { header: syn.0, payload: &syn.1 }, 7000, now).unwrap();
    assert!(take(&mut server, now).is_empty(), "the SYN-ACK is held back");
    server.confirm(now);
    server
}

/// Return two connections that have completed the handshake, in no time: without a round-trip time CUBIC does not pace.
fn pair(client: &Config, server: &Config) -> (Connection, Connection) {
    let mut client = Connection::connect(client, PORTS, 100, at(0));
    let syn = take(&mut client, at(0)).remove(0);
    let mut server = accept(server, &syn, at(0));
    settle(&mut client, &mut server, at(0));
    assert_eq!(events(&mut client), [Event::Connected]);
    assert_eq!(events(&mut server), [Event::Connected]);
    (client, server)
}

fn read_all(connection: &mut Connection, now: Time) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let (first, second) = connection.readable();
        let count = first.len() + second.len();
        bytes.extend([first, second].concat());
        if count == 0 {
            return bytes;
        }
        connection.consume(count, now);
    }
}

/// Return a segment from the server's side to the client of [`pair`].
fn to_client(server: &Connection, flags: Flags, seq: Seq, ack: Seq) -> Sent {
    let timestamps = Some(Timestamps { value: 10, echo: 10 });
    let header = server.header(seq, ack, flags, 500, Options { timestamps, ..Options::default() });
    (header, Vec::new())
}

#[test]
fn the_handshake_agrees_on_options_and_the_window_of_a_syn_is_not_scaled() {
    let mut client = Connection::connect(&config(), PORTS, 100, at(0));
    let syn = take(&mut client, at(0)).remove(0);
    assert_eq!((syn.0.flags, syn.0.seq, syn.0.window), (Flags::SYN, Seq(100), u16::MAX));
    let Options { mss, window_scale, sack_permitted, timestamps, .. } = syn.0.options;
    assert_eq!((mss, window_scale, sack_permitted), (Some(1380), Some(7), true));
    assert_eq!(timestamps, Some(Timestamps { value: 0, echo: 0 }));
    let mut server = accept(&config(), &syn, at(0));
    let answer = take(&mut server, at(5)).remove(0);
    assert_eq!((answer.0.flags, answer.0.seq, answer.0.ack), (Flags::SYN | Flags::ACK, Seq(7000), Seq(101)));
    give(&mut client, &[answer], at(10));
    assert_eq!(client.status().send_window, u32::from(u16::MAX));
    let ack = take(&mut client, at(10)).remove(0);
    assert_eq!((ack.0.seq, ack.0.ack, ack.0.flags), (Seq(101), Seq(7001), Flags::ACK));
    assert_eq!(ack.0.window, 1024, "128 KiB, scaled down by 7");
    give(&mut server, &[ack], at(15));
    assert_eq!((client.state(), server.state()), (State::Established, State::Established));
    assert_eq!(client.status().srtt, Some(Duration::from_millis(10)));
    assert_eq!(client.status().mss, MSS as u32, "the timestamps option is deducted");
}

#[test]
fn options_that_the_other_side_does_not_offer_are_not_used() {
    let plain = Config { sack: false, timestamps: false, mss: 500, ..config() };
    let (mut client, mut server) = pair(&plain, &config());
    assert_eq!(server.status().mss, 536, "the floor of the other side's MSS");
    server.write(&[1; 600]);
    let segments = take(&mut server, at(20));
    assert_eq!(segments[0].0.options, Options::default());
    give(&mut client, &segments[1..], at(20));
    assert_eq!(take(&mut client, at(20))[0].0.options, Options::default());
}

#[test]
fn bytes_pass_both_ways_and_both_sides_close() {
    let (mut client, mut server) = pair(&config(), &config());
    let request: Vec<u8> = (0..40_000).map(|index| index as u8).collect();
    assert_eq!(client.write(&request), request.len());
    client.shutdown();
    settle(&mut client, &mut server, at(20));
    assert_eq!((client.state(), server.state()), (State::FinWait2, State::CloseWait));
    assert_eq!(read_all(&mut server, at(20)), request);
    assert_eq!(events(&mut server), [Event::Readable, Event::PeerClosed]);
    assert_eq!(server.write(b"answer"), 6);
    server.shutdown();
    assert_eq!(server.write(b"too late"), 0);
    settle(&mut client, &mut server, at(30));
    assert_eq!(read_all(&mut client, at(30)), b"answer");
    assert_eq!((client.state(), server.state()), (State::TimeWait, State::Closed));
    assert_eq!(events(&mut server), [Event::Closed]);
    assert!(client.time_wait().is_some());
    client.on_deadline(client.next_deadline().unwrap());
    assert_eq!((client.state(), client.next_deadline()), (State::Closed, None));
}

#[test]
fn both_sides_closing_at_once_end_in_time_wait() {
    let (mut client, mut server) = pair(&config(), &config());
    client.shutdown();
    server.shutdown();
    settle(&mut client, &mut server, at(20));
    assert_eq!((client.state(), server.state()), (State::TimeWait, State::TimeWait));
}

#[test]
fn two_syns_that_cross_open_one_connection() {
    let mut one = Connection::connect(&config(), PORTS, 100, at(0));
    let mut other = Connection::connect(&config(), Ports { local: 80, remote: 1000 }, 900, at(0));
    settle(&mut one, &mut other, at(10));
    assert_eq!((one.state(), other.state()), (State::Established, State::Established));
}

#[test]
fn a_refused_connection_is_reset() {
    let mut client = Connection::connect(&config(), PORTS, 100, at(0));
    let syn = take(&mut client, at(0)).remove(0);
    let mut server = Connection::accept(&config(), &Segment { header: syn.0, payload: &[] }, 7000, at(0)).unwrap();
    server.refuse();
    let reset = take(&mut server, at(0));
    assert_eq!((reset[0].0.flags, reset[0].0.ack), (Flags::RST | Flags::ACK, Seq(101)));
    assert!(server.is_finished());
    give(&mut client, &reset, at(5));
    assert_eq!(events(&mut client), [Event::Reset(Reset::Refused)]);
}

#[test]
fn an_abort_resets_the_other_side() {
    let (mut client, mut server) = pair(&config(), &config());
    client.write(b"never read");
    client.abort();
    settle(&mut client, &mut server, at(20));
    assert_eq!(events(&mut server), [Event::Reset(Reset::Peer)]);
    assert_eq!((client.state(), server.state()), (State::Closed, State::Closed));
    assert!(client.is_finished());
}

/// RFC 5961: section 3.2 for RST, 4.2 for SYN, 5.2 for ACK.
#[test]
fn segments_of_an_attacker_are_challenged_at_most_ten_times_a_second() {
    for (flags, seq, ack, description) in [
        (Flags::RST, 5, 0, "RST within the window"),
        (Flags::SYN, 0, 0, "SYN at the left edge"),
        (Flags::SYN, 1_000_000_000, 0, "SYN outside of the window"),
        (Flags::ACK, 0, 1, "ACK of data that was never sent"),
        (Flags::ACK, 0, -3_000_000, "ACK older than the window"),
    ] {
        let (mut client, server) = pair(&config(), &config());
        let segment = to_client(&server, flags, Seq(7001) + seq, Seq(101u32.wrapping_add_signed(ack)));
        for count in 1..=20 {
            give(&mut client, core::slice::from_ref(&segment), at(20));
            let answers = take(&mut client, at(20));
            assert_eq!(answers.len(), usize::from(count <= 10), "{description}, {count}");
            if let Some((answer, _)) = answers.first() {
                assert_eq!((answer.flags, answer.seq, answer.ack), (Flags::ACK, Seq(101), Seq(7001)), "{description}");
            }
        }
        assert_eq!(client.state(), State::Established, "{description}");
        give(&mut client, core::slice::from_ref(&segment), at(1020));
        assert!(client.owes_challenge(), "a second later");
        client.refuse_challenge();
        assert!(take(&mut client, at(1020)).is_empty(), "the limit of the peer");
    }
}

#[test]
fn an_rst_outside_of_the_window_is_ignored_and_an_exact_one_resets() {
    let (mut client, server) = pair(&config(), &config());
    give(&mut client, &[to_client(&server, Flags::RST, Seq(7000), Seq(0))], at(20));
    assert!(take(&mut client, at(20)).is_empty());
    give(&mut client, &[to_client(&server, Flags::RST, Seq(7001), Seq(0))], at(20));
    assert_eq!(events(&mut client), [Event::Reset(Reset::Peer)]);
}

#[test]
fn a_segment_with_an_old_timestamp_is_acknowledged_and_dropped() {
    let (mut client, server) = pair(&config(), &config());
    let (mut header, _) = to_client(&server, Flags::ACK, Seq(7001), Seq(101));
    header.options.timestamps = Some(Timestamps { value: 15, echo: 0 });
    give(&mut client, &[(header, b"new".to_vec())], at(20));
    header.options.timestamps = Some(Timestamps { value: 14, echo: 0 });
    header.seq = Seq(7004);
    give(&mut client, &[(header, b"old".to_vec())], at(20));
    header.options.timestamps = None;
    give(&mut client, &[(header, b"bare".to_vec())], at(20));
    assert_eq!(take(&mut client, at(20)).len(), 1);
    assert_eq!(read_all(&mut client, at(20)), b"new");
}

#[test]
fn a_lost_segment_is_repaired_by_selective_acknowledgements_without_a_timeout() {
    let (mut client, mut server) = pair(&config(), &config());
    let data: Vec<u8> = (0..10 * MSS).map(|index| (index / 7) as u8).collect();
    client.write(&data);
    let mut segments = take(&mut client, at(20));
    assert_eq!(segments.len(), 10, "the initial window");
    let lost = segments.remove(2);
    give(&mut server, &segments, at(30));
    let acks = take(&mut server, at(30));
    let blocks = acks[0].0.options.sack;
    assert_eq!(blocks.as_slice(), [SackBlock { start: lost.0.seq + MSS as u32, end: Seq(101) + 10 * MSS as u32 }]);
    give(&mut client, &acks, at(40));
    let again = take(&mut client, at(40));
    assert_eq!((again.len(), again[0].0.seq, &again[0].1), (1, lost.0.seq, &lost.1));
    give(&mut server, &again, at(50));
    let last = take(&mut server, at(50));
    give(&mut client, &last, at(60));
    assert_eq!(read_all(&mut server, at(60)), data);
    let status = client.status();
    assert_eq!((status.retransmitted_segments, status.timeouts, status.in_flight), (1, 0, 0));
}

#[test]
fn without_selective_acknowledgements_three_duplicates_repair_a_loss() {
    let plain = Config { sack: false, ..config() };
    let (mut client, mut server) = pair(&plain, &config());
    let data = vec![7; 8 * MSS];
    client.write(&data);
    let mut segments = take(&mut client, at(20));
    let lost = segments.remove(0);
    for segment in segments {
        give(&mut server, &[segment], at(30));
        let acks = take(&mut server, at(30));
        give(&mut client, &acks, at(40));
    }
    let again = take(&mut client, at(40));
    assert_eq!(again[0].0.seq, lost.0.seq);
    settle(&mut client, &mut server, at(50));
    give(&mut server, &again, at(50));
    settle(&mut client, &mut server, at(60));
    assert_eq!(read_all(&mut server, at(60)), data);
    assert_eq!(client.status().timeouts, 0);
}

#[test]
fn a_loss_at_the_tail_is_repaired_by_a_probe() {
    let (mut client, mut server) = pair(&config(), &config());
    client.write(&[1; 3 * MSS]);
    let segments = take(&mut client, at(20));
    give(&mut server, &segments[..2], at(30));
    let acks = take(&mut server, at(30));
    give(&mut client, &acks, at(40));
    let deadline = client.next_deadline().unwrap();
    assert!(deadline < at(40) + crate::rtt::MIN_RTO + Duration::from_millis(50), "{deadline:?}");
    client.on_deadline(deadline);
    let probe = take(&mut client, deadline);
    assert_eq!(
        probe,
        segments[2..]
            .iter()
            .map(|(header, payload)| { (Header { options: probe[0].0.options, ..*header }, payload.clone()) })
            .collect::<Vec<_>>()
    );
    settle_after(&mut client, &mut server, probe, deadline);
    assert_eq!(read_all(&mut server, deadline).len(), 3 * MSS);
    assert_eq!(client.status().timeouts, 0);
}

fn settle_after(client: &mut Connection, server: &mut Connection, segments: Vec<Sent>, now: Time) {
    give(server, &segments, now);
    settle(client, server, now);
}

/// RFC 6298, section 5: each timeout doubles the next, up to a minute, and the user timeout ends the connection.
#[test]
fn without_an_answer_the_timeout_doubles_and_the_connection_ends() {
    let (mut client, _) = pair(&config(), &config());
    client.write(b"anyone?");
    assert_eq!(take(&mut client, at(20)).len(), 1);
    let (mut now, mut times) = (at(20), Vec::new());
    while client.state() == State::Established {
        now = client.next_deadline().unwrap();
        client.on_deadline(now);
        times.extend(
            take(&mut client, now).iter().filter(|(header, _)| !header.flags.contains(Flags::RST)).map(|_| now),
        );
    }
    assert_eq!(now, at(20) + Duration::from_secs(120));
    assert_eq!(events(&mut client), [Event::TimedOut]);
    let gaps: Vec<_> = times.windows(2).map(|pair| (pair[1] - pair[0]).as_millis()).collect();
    assert!(gaps.windows(2).all(|pair| pair[1] <= 60_000 && pair[1] >= pair[0]), "{gaps:?}");
    assert!(times.len() >= 7, "{times:?}");
}

#[test]
fn a_syn_without_an_answer_is_repeated_with_backoff() {
    let mut client = Connection::connect(&config(), PORTS, 100, at(0));
    let mut times = Vec::new();
    let mut now = at(0);
    while client.state() == State::SynSent {
        times.extend(take(&mut client, now).iter().map(|_| (now - at(0)).as_secs()));
        now = client.next_deadline().unwrap();
        client.on_deadline(now);
    }
    assert_eq!(times, [0, 1, 3, 7, 15, 31, 63]);
    assert_eq!(events(&mut client), [Event::TimedOut]);
}

#[test]
fn a_closed_window_is_probed_and_opens_again() {
    let small = Config { initial_buffer: 3 * MSS, max_buffer: 3 * MSS, ..config() };
    let (mut client, mut server) = pair(&config(), &small);
    let data: Vec<u8> = (0..20_000).map(|index| (index / 3) as u8).collect();
    client.write(&data);
    settle(&mut client, &mut server, at(20));
    assert_eq!(client.status().send_window, 0);
    let mut now = at(20);
    for _ in 0..5 {
        now = client.next_deadline().unwrap();
        client.on_deadline(now);
        let probe = take(&mut client, now);
        assert_eq!(probe[0].1.len(), 1, "one byte beyond the window");
        settle_after(&mut client, &mut server, probe, now);
        assert_eq!(client.status().send_window, 0);
    }
    let mut received = Vec::new();
    while received.len() < data.len() {
        received.extend(read_all(&mut server, now));
        settle(&mut client, &mut server, now);
        let deadlines = [client.next_deadline(), server.next_deadline()];
        now = deadlines.into_iter().flatten().min().unwrap();
        client.on_deadline(now);
        server.on_deadline(now);
        settle(&mut client, &mut server, now);
    }
    assert_eq!(received, data);
    assert_eq!((client.status().timeouts, client.status().retransmitted_segments), (0, 0));
}

#[test]
fn a_fin_that_overtakes_data_counts_when_the_data_is_there() {
    let (mut client, mut server) = pair(&config(), &config());
    client.write(&[3; 2 * MSS]);
    client.shutdown();
    let segments = take(&mut client, at(20));
    give(&mut server, &segments[1..], at(30));
    assert_eq!(server.state(), State::Established);
    give(&mut server, &segments[..1], at(31));
    assert_eq!(server.state(), State::CloseWait);
    assert_eq!(read_all(&mut server, at(31)).len(), 2 * MSS);
}

#[test]
fn a_duplicate_is_reported_once() {
    let (mut client, mut server) = pair(&config(), &config());
    client.write(&[3; 100]);
    let segments = take(&mut client, at(20));
    give(&mut server, &segments, at(30));
    take(&mut server, at(30));
    give(&mut server, &segments, at(31));
    let ack = take(&mut server, at(31)).remove(0);
    assert_eq!(ack.0.options.sack.as_slice(), [SackBlock { start: Seq(101), end: Seq(201) }]);
    server.write(b"x");
    assert!(take(&mut server, at(32))[0].0.options.sack.is_empty());
}

#[test]
fn an_idle_connection_is_kept_while_its_probes_are_answered() {
    let (mut client, mut server) = pair(&config(), &config());
    for _ in 0..3 {
        let now = client.next_deadline().unwrap();
        client.on_deadline(now);
        let probe = take(&mut client, now);
        assert_eq!((probe[0].0.seq, probe[0].1.len()), (Seq(100), 0));
        settle_after(&mut client, &mut server, probe, now);
        assert_eq!(client.next_deadline(), Some(now + Duration::from_secs(120)));
    }
    let silent_from = client.next_deadline().unwrap();
    for probe in 0..3 {
        let now = client.next_deadline().unwrap();
        assert_eq!(now, silent_from + Duration::from_secs(15) * probe);
        client.on_deadline(now);
        assert_eq!(take(&mut client, now).len(), 1);
    }
    client.on_deadline(client.next_deadline().unwrap());
    assert_eq!(events(&mut client), [Event::TimedOut]);
}

#[test]
fn fin_wait_2_ends_after_a_minute_of_silence() {
    let (mut client, mut server) = pair(&config(), &config());
    client.shutdown();
    settle(&mut client, &mut server, at(20));
    assert_eq!(client.state(), State::FinWait2);
    assert_eq!(client.next_deadline(), Some(at(20) + Duration::from_secs(60)));
    client.on_deadline(client.next_deadline().unwrap());
    assert_eq!(events(&mut client), [Event::TimedOut]);
}

#[test]
fn payload_in_order_passes_beside_the_buffer() {
    let (mut client, mut server) = pair(&config(), &config());
    client.write(&[3; 300]);
    let (header, payload) = take(&mut client, at(20)).remove(0);
    let mut passed: Vec<u8> = Vec::new();
    server.receive_into(&Segment { header, payload: &payload }, at(30), &mut |bytes| {
        passed.extend(&bytes[..200]);
        200
    });
    assert_eq!((passed.len(), read_all(&mut server, at(30)).len()), (200, 100));
}
