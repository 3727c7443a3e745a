//! Which segments count: RFC 9293, section 3.10.7.4; RFC 5961; RFC 7323, section 5.

use core::time::Duration;

use tcp::options::Timestamps;
use tcp::{Event, Flags, Header, Options, Reset, Seq, State};

use crate::peer::{ISN, Peer, bare, check_one_ack, with_sack, with_timestamps};

/// RFC 5961, section 3.2: only an RST at exactly the expected sequence number resets.
#[test]
fn an_rst_resets_at_the_exact_sequence_number_alone() {
    let mut peer = Peer::established(&bare());
    for offset in [1, 1_000] {
        let answer = peer.give(Header { seq: peer.seq + offset, ..peer.header(Flags::RST) }, &[]);
        check_one_ack(&answer, peer.seq);
    }
    for offset in [0x0100_0000, 0x8000_0000, u32::MAX] {
        let header = Header { seq: peer.seq + offset, ..peer.header(Flags::RST) };
        assert_eq!(peer.give(header, &[]), [], "outside of the window");
    }
    assert_eq!((peer.state(), peer.events()), (State::Established, vec![]));
    let header = peer.header(Flags::RST);
    assert_eq!(peer.give(header, &[]), []);
    assert_eq!((peer.state(), peer.events()), (State::Closed, vec![Event::Reset(Reset::Peer)]));
    assert_eq!(peer.pass(Duration::from_secs(200)), [], "nothing follows");
}

/// RFC 9293, section 3.10.7.4: what was received before the RST stays readable.
#[test]
fn bytes_received_before_a_reset_can_be_read() {
    let mut peer = Peer::established(&bare());
    peer.send(Flags::ACK, b"last words");
    peer.send(Flags::RST, &[]);
    assert_eq!((peer.state(), peer.read()), (State::Closed, b"last words".to_vec()));
}

/// RFC 9293, section 3.10.7.4, fifth step: "if the ACK acks something not yet sent, then send an ACK, drop the segment".
#[test]
fn an_acknowledgement_of_what_was_not_sent_drops_the_segment() {
    let mut peer = Peer::established(&bare());
    peer.write(b"12345");
    for ack in [6, 1_000_000, 0x7fff_0000] {
        let header = Header { ack: Seq(ISN) + 1 + ack, ..peer.header(Flags::ACK) };
        let answer = peer.give(header, b"data");
        check_one_ack(&answer, peer.seq);
    }
    assert_eq!(peer.read(), b"", "the data of such a segment is dropped too");
    assert_eq!(peer.connection.status().unacknowledged, 5, "and nothing was taken as acknowledged");
}

/// RFC 5961, section 5.2: an acknowledgement older than the greatest window is not believed.
#[test]
fn an_acknowledgement_from_long_ago_drops_the_segment() {
    let mut peer = Peer::established(&bare());
    let header = Header { ack: Seq(ISN) - 70_000, ..peer.header(Flags::ACK) };
    let answer = peer.give(header, b"injected");
    check_one_ack(&answer, peer.seq);
    assert_eq!(peer.read(), b"");
}

/// RFC 9293, section 3.10.7.4, fifth step: a duplicate acknowledgement may carry data.
#[test]
fn an_old_acknowledgement_within_the_window_carries_data() {
    let mut peer = Peer::established(&bare());
    peer.write(b"12345");
    peer.acknowledge_to(5);
    peer.ack = Seq(ISN) + 1;
    peer.send(Flags::ACK, b"late");
    assert_eq!(peer.read(), b"late");
}

/// RFC 9293, section 3.10.7.4: a segment without ACK is dropped.
#[test]
fn data_without_an_acknowledgement_is_dropped() {
    let mut peer = Peer::established(&bare());
    assert_eq!(peer.give(peer.header(Flags::PSH), b"data"), []);
    assert_eq!(peer.read(), b"");
}

/// RFC 9293, section 3.10.7.4, first step: what was received before is acknowledged again.
#[test]
fn a_duplicate_is_acknowledged_at_once() {
    let mut peer = Peer::established(&bare());
    let header = peer.header(Flags::ACK);
    peer.send(Flags::ACK, b"once");
    let answer = peer.give(header, b"once");
    check_one_ack(&answer, peer.seq);
    assert_eq!(peer.read(), b"once");
}

/// RFC 9293, section 3.10.7.4: bytes beyond the window are cut off.
#[test]
fn bytes_beyond_the_window_are_not_taken() {
    let config = tcp::Config { initial_buffer: 4_000, max_buffer: 4_000, ..bare() };
    let mut peer = Peer::established(&config);
    let window = peer.connection.status().receive_window as usize;
    let first = peer.seq;
    let bytes: Vec<u8> = (0..window + 500).map(|number| number as u8).collect();
    let header = peer.header(Flags::ACK | Flags::FIN);
    let answer = peer.give(header, &bytes);
    assert_eq!(answer[0].header.ack, first + window as u32);
    assert_eq!(peer.read(), &bytes[..window]);
    assert_eq!(peer.state(), State::Established, "the FIN was beyond the window");
}

/// RFC 9293, section 3.4: overlaps in any order give one stream, and what was taken first stays.
#[test]
fn overlapping_segments_with_different_bytes_keep_what_came_first() {
    let mut peer = Peer::established(&bare());
    let at = |peer: &Peer, offset: u32| Header { seq: peer.seq + offset, ..peer.header(Flags::ACK) };
    peer.give(at(&peer, 0), b"aaaa");
    peer.give(at(&peer, 2), b"bbbb");
    assert_eq!(peer.connection.status().readable, 6);
    peer.give(at(&peer, 10), b"cccc");
    peer.give(at(&peer, 8), b"dddddddd");
    peer.give(at(&peer, 0), b"eeeeeeeeeeee");
    let read = peer.read();
    assert_eq!(read.len(), 16);
    assert_eq!(&read[..6], b"aaaabb", "bytes in order are never replaced");
}

/// RFC 2018, section 4; RFC 2883, section 4: what is reported about segments out of order.
#[test]
fn blocks_report_the_latest_segment_first_and_duplicates_before_it() {
    let mut peer = Peer::established(&with_sack());
    let at = |peer: &Peer, offset: u32| Header { seq: peer.seq + offset, ..peer.header(Flags::ACK) };
    let base = peer.seq;
    let blocks = |sent: &[crate::peer::Sent]| -> Vec<(u32, u32)> {
        assert_eq!(sent.len(), 1, "{sent:?}");
        sent[0].header.options.sack.as_slice().iter().map(|block| (block.start - base, block.end - base)).collect()
    };
    assert_eq!(blocks(&peer.give(at(&peer, 100), &[0; 100])), [(100, 200)]);
    assert_eq!(blocks(&peer.give(at(&peer, 300), &[0; 100])), [(300, 400), (100, 200)]);
    assert_eq!(blocks(&peer.give(at(&peer, 200), &[0; 50])), [(100, 250), (300, 400)]);
    // A duplicate out of order: its own block, then the one that contains it.
    assert_eq!(blocks(&peer.give(at(&peer, 100), &[0; 50])), [(100, 150), (100, 250), (300, 400)]);
    assert_eq!(blocks(&peer.give(at(&peer, 0), &[0; 100])), [(300, 400)], "the hole before was filled");
    // A duplicate below the acknowledgement.
    assert_eq!(blocks(&peer.give(at(&peer, 0), &[0; 100]))[0], (0, 100));
}

/// RFC 9293, section 3.10.7.4, eighth step: a FIN that arrives before the data counts when the data is there.
#[test]
fn a_fin_out_of_order_is_not_forgotten() {
    let mut peer = Peer::established(&bare());
    let data = peer.header(Flags::ACK);
    let fin = Header { seq: peer.seq + 4, ..peer.header(Flags::ACK | Flags::FIN) };
    let answer = peer.give(fin, &[]);
    check_one_ack(&answer, peer.seq);
    assert_eq!(peer.state(), State::Established);
    let answer = peer.give(data, b"data");
    assert_eq!(answer[0].header.ack, peer.seq + 5, "data and FIN");
    assert_eq!((peer.state(), peer.read()), (State::CloseWait, b"data".to_vec()));
    assert!(peer.events().contains(&Event::PeerClosed));
}

/// The same with the FIN on a segment whose data is out of order.
#[test]
fn a_fin_with_data_out_of_order_is_not_forgotten() {
    let mut peer = Peer::established(&bare());
    let first = peer.header(Flags::ACK);
    let second = Header { seq: peer.seq + 4, ..peer.header(Flags::ACK | Flags::FIN) };
    peer.give(second, b"tail");
    assert_eq!((peer.state(), peer.read()), (State::Established, vec![]));
    peer.give(first, b"head");
    assert_eq!((peer.state(), peer.read()), (State::CloseWait, b"headtail".to_vec()));
}

/// RFC 9293, section 3.10.7.4, seventh step: data after the FIN is ignored.
#[test]
fn data_after_the_fin_is_ignored() {
    let mut peer = Peer::established(&bare());
    peer.send(Flags::ACK | Flags::FIN, b"all");
    peer.send(Flags::ACK, b"more");
    assert_eq!((peer.state(), peer.read()), (State::CloseWait, b"all".to_vec()));
}

/// RFC 9293, section 3.8.5 (not supported): bytes that are urgent are data like any other.
#[test]
fn the_urgent_flag_is_ignored() {
    let mut out = [0; 64];
    let peer = Peer::established(&bare());
    let addresses = crate::hosts::LEFT;
    let len = tcp::segment::write(&peer.header(Flags::ACK), (b"urgent", b""), &addresses, &mut out).unwrap();
    let before = tcp::segment::parse(&out[..len], &addresses).unwrap().header;
    // The flag and a pointer, and the checksum that goes with them.
    (out[13], out[18], out[19]) = (out[13] | 0x20, 0, 3);
    let sum = !u16::from_be_bytes([out[16], out[17]]);
    let sum = u32::from(sum) + 0x20 + 3;
    let sum = !((sum & 0xffff) as u16 + (sum >> 16) as u16);
    out[16..18].copy_from_slice(&sum.to_be_bytes());
    let urgent = tcp::segment::parse(&out[..len], &addresses).unwrap();
    assert_eq!((urgent.header, urgent.payload), (before, &b"urgent"[..]));
}

/// RFC 7323, section 5.3, R1.
#[test]
fn a_segment_with_an_older_timestamp_is_acknowledged_and_dropped() {
    let mut peer = Peer::established(&with_timestamps());
    peer.send(Flags::ACK, b"new");
    let mut header = peer.header(Flags::ACK);
    header.options.timestamps = peer.clock.map(|clock| Timestamps { value: clock - 1, echo: peer.echo });
    let answer = peer.give(header, b"old");
    check_one_ack(&answer, peer.seq);
    assert_eq!(peer.read(), b"new");
    peer.send(Flags::ACK, b" and newer");
    assert_eq!(peer.read(), b" and newer");
}

/// RFC 7323, section 5.2: timestamps are compared modulo 2^32.
#[test]
fn timestamps_may_wrap() {
    let config = with_timestamps();
    let options = |value| Options { timestamps: Some(Timestamps { value, echo: 0 }), ..Options::default() };
    let (mut peer, answer) = Peer::syn_received(&config, options(u32::MAX - 1));
    peer.echo = answer.header.options.timestamps.unwrap().value;
    for (clock, is_new) in [(u32::MAX, true), (3, true), (u32::MAX, false), (0x7000_0000, true), (3, false)] {
        peer.clock = Some(clock);
        let header = peer.header(Flags::ACK);
        peer.give(header, b"x");
        assert_eq!(peer.read().len(), usize::from(is_new), "timestamp {clock}");
        if is_new {
            peer.seq += 1;
        }
    }
}

/// RFC 7323, section 3.2: after both SYNs had timestamps, a segment without is dropped.
#[test]
fn a_segment_without_the_timestamp_that_was_agreed_is_dropped() {
    let mut peer = Peer::established(&with_timestamps());
    let header = Header { options: Options::default(), ..peer.header(Flags::ACK) };
    peer.give(header, b"data");
    assert_eq!(peer.read(), b"");
}

/// RFC 7323, section 3.2 and 5.3: an RST has no such rule.
#[test]
fn an_rst_needs_no_timestamp() {
    let mut peer = Peer::established(&with_timestamps());
    let header = Header { options: Options::default(), ..peer.header(Flags::RST) };
    peer.give(header, &[]);
    assert_eq!(peer.state(), State::Closed);
}

/// RFC 7323, section 4.3: the timestamp that is echoed is that of the last segment that moved the left edge.
#[test]
fn the_timestamp_of_a_segment_beyond_a_hole_is_not_echoed() {
    let mut peer = Peer::established(&with_timestamps());
    let echoed = |sent: &[crate::peer::Sent]| sent.last().unwrap().header.options.timestamps.unwrap().echo;
    let first = peer.clock.unwrap();
    let hole = peer.header(Flags::ACK);
    peer.clock = Some(first + 5);
    let beyond = Header { seq: peer.seq + 10, ..peer.header(Flags::ACK) };
    assert_eq!(echoed(&peer.give(beyond, &[0; 10])), first);
    peer.clock = Some(first + 9);
    let mut header = hole;
    header.options.timestamps = Some(Timestamps { value: first + 9, echo: peer.echo });
    assert_eq!(echoed(&peer.give(header, &[0; 10])), first + 9);
}

/// RFC 5961, section 7: challenge ACKs are limited to 10 a second.
#[test]
fn challenge_acknowledgements_are_limited() {
    let mut peer = Peer::established(&bare());
    let mut in_a_second = || {
        let answers = (0..1_000).map(|number| {
            let header = Header { seq: peer.seq + 1 + number, ..peer.header(Flags::RST) };
            peer.give(header, &[]).len()
        });
        let answers: usize = answers.sum();
        peer.pass(Duration::from_secs(1));
        answers
    };
    assert_eq!(in_a_second(), 10);
    assert_eq!(in_a_second(), 10);
}
