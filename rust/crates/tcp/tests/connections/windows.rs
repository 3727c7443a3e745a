//! Windows that are small, close, shrink and open: RFC 9293, section 3.8.6; RFC 7323, section 2.4.

use core::time::Duration;

use tcp::{Config, Flags, Header, Seq, State};

use crate::peer::{ISN, Peer, Sent, bare, with_sack};

const SECOND: Duration = Duration::from_secs(1);

fn bytes(sent: &[Sent]) -> usize {
    sent.iter().map(|sent| sent.payload.len()).sum()
}

/// Answer each segment by an acknowledgement of `ack` with a closed window, and let time pass.
fn pass_with_closed_window(peer: &mut Peer, duration: Duration) -> Vec<Sent> {
    let end = peer.now + duration;
    let mut all = Vec::new();
    while peer.now < end {
        let mut sent = peer.pass(Duration::from_millis(100));
        if !sent.is_empty() {
            sent.append(&mut peer.acknowledge());
        }
        all.append(&mut sent);
    }
    all
}

/// RFC 9293, section 3.8.6.1: probes, at intervals that double.
#[test]
fn a_closed_window_is_probed_with_backoff() {
    let mut peer = Peer::established(&bare());
    peer.window = 0;
    peer.acknowledge();
    assert_eq!(peer.write(b"waiting"), []);
    let sent = pass_with_closed_window(&mut peer, 100 * SECOND);
    let probes: Vec<_> = sent.iter().filter(|sent| !sent.payload.is_empty()).collect();
    assert!((4..=12).contains(&probes.len()), "{} probes in 100 s", probes.len());
    assert!(probes.iter().all(|probe| probe.payload.len() == 1 && probe.offset() == 0), "{probes:?}");
    peer.window = 1_000;
    let mut sent = peer.acknowledge();
    sent.append(&mut peer.pass(Duration::from_millis(100)));
    assert_eq!(sent[0].payload, b"waiting", "and sends when it opens");
}

/// RFC 9293, section 3.8.6.1: a receiver that answers probes may keep its window closed.
#[test]
fn a_window_closed_for_fourteen_minutes_does_not_end_the_connection() {
    let mut peer = Peer::established(&bare());
    peer.window = 0;
    peer.acknowledge();
    peer.write(b"waiting");
    pass_with_closed_window(&mut peer, 14 * 60 * SECOND);
    assert_eq!(peer.state(), State::Established);
    peer.window = 1_000;
    peer.acknowledge();
    peer.pass(SECOND);
    peer.acknowledge_to(7);
    assert_eq!(peer.connection.status().unacknowledged, 0);
}

/// RFC 9293, section 3.8.6.1: the segment that opened the window was lost; the answer to a probe opens it.
#[test]
fn a_lost_window_update_is_found_by_a_probe() {
    let mut peer = Peer::established(&bare());
    peer.window = 0;
    peer.acknowledge();
    peer.write(b"waiting");
    peer.window = 5_000;
    let mut probes = Vec::new();
    while probes.is_empty() && peer.state() == State::Established {
        probes = peer.pass(Duration::from_millis(100));
    }
    // The other side takes the byte.
    let mut sent = peer.acknowledge_to(probes[0].payload.len() as u32);
    sent.append(&mut peer.pass(Duration::from_millis(100)));
    assert_eq!(bytes(&sent) + probes[0].payload.len(), 7, "{probes:?} {sent:?}");
}

/// RFC 9293, section 3.8.6: the window shrinks to zero under data in flight, which a timer must still guard.
#[test]
fn data_in_flight_is_guarded_when_the_window_shrinks_to_zero() {
    for config in [bare(), with_sack()] {
        let mut peer = Peer::established(&config);
        assert_eq!(bytes(&peer.write_paced(3_000)), 3_000);
        peer.window = 0;
        // Nothing is acknowledged, and the window is taken back.
        peer.acknowledge();
        assert!(peer.connection.next_deadline().is_some(), "a timer runs");
        let sent = pass_with_closed_window(&mut peer, 20 * SECOND);
        assert!(bytes(&sent) > 0, "the other side is asked");
        peer.window = 5_000;
        let mut sent = peer.acknowledge();
        sent.append(&mut peer.pass(30 * SECOND));
        assert!(sent.iter().any(|sent| sent.offset() == 0 && sent.payload.len() > 1), "{sent:?}");
        peer.acknowledge_to(3_000);
        assert_eq!(peer.connection.status().unacknowledged, 0);
    }
}

/// RFC 9293, section 3.8.6: a part is acknowledged while the window closes.
#[test]
fn a_partial_acknowledgement_with_a_closed_window_keeps_the_rest() {
    for config in [bare(), with_sack()] {
        let mut peer = Peer::established(&config);
        assert_eq!(bytes(&peer.write_paced(5_000)), 5_000);
        peer.window = 0;
        peer.acknowledge_to(2_000);
        assert!(peer.connection.next_deadline().is_some(), "a timer runs");
        pass_with_closed_window(&mut peer, 20 * SECOND);
        peer.window = 10_000;
        let mut received = 2_000;
        for _ in 0..20 {
            let sent = [peer.acknowledge_to(received), peer.pass(5 * SECOND)].concat();
            for sent in sent {
                if sent.offset() <= received {
                    received = received.max(sent.offset() + sent.payload.len() as u32);
                }
            }
        }
        assert_eq!(received, 5_000, "the rest is sent again");
        peer.acknowledge_to(5_000);
        assert_eq!(peer.connection.status().unacknowledged, 0);
    }
}

/// RFC 9293, section 3.8.6: a shrinking window takes nothing back that was sent, and its acknowledgement is accepted.
#[test]
fn an_acknowledgement_beyond_a_shrunken_window_is_accepted() {
    let mut peer = Peer::established(&bare());
    peer.write_paced(5_000);
    peer.window = 1_000;
    peer.acknowledge_to(1_000);
    peer.acknowledge_to(5_000);
    assert_eq!(peer.connection.status().unacknowledged, 0);
}

/// RFC 9293, section 3.10.7.4, SND.WL1 and SND.WL2: an old segment does not change the window.
#[test]
fn an_old_segment_does_not_change_the_window() {
    let mut peer = Peer::established(&bare());
    let old = Header { window: 1, ..peer.header(Flags::ACK) };
    peer.send(Flags::ACK, b"newer");
    peer.write(b"data");
    peer.acknowledge_to(4);
    let window = peer.connection.status().send_window;
    peer.give(old, &[]);
    assert_eq!(peer.connection.status().send_window, window);
}

/// RFC 9293, section 3.8.6.2.1: a window that opens by some bytes is not filled with tiny segments.
#[test]
fn a_window_that_opens_by_bytes_is_not_filled_with_tiny_segments() {
    let mut peer = Peer::established(&bare());
    let first = peer.write_paced(4_000);
    assert_eq!(first.len(), 4);
    peer.connection.write(&[0; 50_000]);
    let mut tiny = 0;
    for offset in 1..=30u32 {
        peer.window = 50;
        let sent = peer.acknowledge_to(4_000 + offset.saturating_sub(30) * 50);
        tiny += sent.iter().filter(|sent| (1..500).contains(&sent.payload.len())).count();
        tiny +=
            peer.pass(Duration::from_millis(10)).iter().filter(|sent| (1..500).contains(&sent.payload.len())).count();
    }
    assert!(tiny <= 2, "{tiny} tiny segments");
}

/// RFC 9293, section 3.8.6.2.2: a reader of single bytes does not open the window by single bytes.
#[test]
fn a_reader_of_single_bytes_does_not_open_the_window_by_bytes() {
    let config = Config { initial_buffer: 8_000, max_buffer: 8_000, ..bare() };
    let mut peer = Peer::established(&config);
    while peer.connection.status().receive_window > 0 {
        let len = peer.connection.status().receive_window.min(1_000) as usize;
        peer.send(Flags::ACK, &vec![0; len]);
    }
    let mut updates = Vec::new();
    for _ in 0..8_000 {
        peer.connection.consume(1, peer.now);
        updates.append(&mut peer.take());
    }
    assert!((1..=9).contains(&updates.len()), "{} updates for 8,000 bytes", updates.len());
    assert!(updates.iter().all(|update| update.header.window >= 1_000), "{updates:?}");
}

/// RFC 9293, section 3.8.6: the right edge that was offered is never taken back.
#[test]
fn the_right_edge_does_not_move_to_the_left() {
    let config = Config { initial_buffer: 20_000, max_buffer: 20_000, ..bare() };
    let mut peer = Peer::established(&config);
    let mut edge = None;
    for step in 0..60u32 {
        let room = peer.connection.status().receive_window.min(700) as usize;
        for sent in peer.send(Flags::ACK, &vec![0; room]) {
            let new: Seq = sent.header.ack + u32::from(sent.header.window);
            assert!(edge.is_none_or(|edge| new.at_or_after(edge)), "step {step}");
            edge = Some(new);
        }
        if step % 7 == 0 {
            peer.connection.consume(900, peer.now);
        }
    }
}

/// RFC 9293, section 3.8.6.1: "a zero-window probe is answered with the current window".
#[test]
fn a_probe_of_the_own_closed_window_is_answered() {
    let config = Config { initial_buffer: 3_000, max_buffer: 3_000, ..bare() };
    let mut peer = Peer::established(&config);
    while peer.connection.status().receive_window > 0 {
        let len = peer.connection.status().receive_window.min(1_000) as usize;
        peer.send(Flags::ACK, &vec![0; len]);
    }
    let header = peer.header(Flags::ACK);
    let answer = peer.give(header, b"?");
    assert_eq!(answer.len(), 1, "{answer:?}");
    assert_eq!((answer[0].header.ack, answer[0].header.window), (peer.seq, 0));
    peer.read();
    let update = peer.take();
    assert!(update[0].header.window >= 1_000, "the reader opens it: {update:?}");
}

/// RFC 9293, section 3.10.7.4, first step: with a closed window valid acknowledgements and RSTs still count.
#[test]
fn acknowledgements_count_while_the_own_window_is_closed() {
    let config = Config { initial_buffer: 3_000, max_buffer: 3_000, ..bare() };
    let mut peer = Peer::established(&config);
    while peer.connection.status().receive_window > 0 {
        let len = peer.connection.status().receive_window.min(1_000) as usize;
        peer.send(Flags::ACK, &vec![0; len]);
    }
    peer.write(b"data");
    let header = Header { ack: Seq(ISN) + 5, ..peer.header(Flags::ACK) };
    peer.give(header, b"beyond");
    assert_eq!(peer.connection.status().unacknowledged, 0);
    let header = peer.header(Flags::RST);
    peer.give(header, &[]);
    assert_eq!(peer.state(), State::Closed);
}

/// RFC 9293, section 3.8.6.1: the FIN meets a closed window.
#[test]
fn a_fin_behind_a_closed_window_is_delivered() {
    let mut peer = Peer::established(&bare());
    peer.window = 0;
    peer.acknowledge();
    peer.connection.write(b"rest");
    peer.connection.shutdown();
    pass_with_closed_window(&mut peer, 5 * SECOND);
    peer.window = 4;
    let sent = [peer.acknowledge(), peer.pass(10 * SECOND)].concat();
    assert!(sent.iter().any(|sent| sent.payload == b"rest"), "{sent:?}");
    let sent = [peer.acknowledge_to(4), peer.pass(10 * SECOND)].concat();
    let fin = sent.iter().chain(&[]).any(|sent| sent.has(Flags::FIN));
    assert!(fin || peer.state() == State::FinWait1, "{sent:?}");
    peer.acknowledge_to(5);
    assert_eq!(peer.state(), State::FinWait2);
}
