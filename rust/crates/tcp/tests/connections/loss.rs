//! Loss and its repair: RFC 5681, 6298, 6675, 8985, 2018, 2883, 3042.

use core::time::Duration;

use tcp::{Config, State};

use crate::peer::{Peer, Sent, bare, with_sack, with_timestamps};

const SECOND: Duration = Duration::from_secs(1);

fn offsets(sent: &[Sent]) -> Vec<u32> {
    sent.iter().filter(|sent| !sent.payload.is_empty()).map(Sent::offset).collect()
}

/// Write ten segments, and return the connection after all of them were sent.
fn ten_in_flight(config: &Config) -> Peer {
    let mut peer = Peer::established(config);
    let bytes = 10 * peer.connection.status().mss as usize;
    let sent = peer.write_paced(bytes);
    assert_eq!(sent.iter().map(|sent| sent.payload.len()).sum::<usize>(), bytes);
    peer.pass(Duration::from_millis(10));
    peer
}

/// RFC 6928: ten segments at the start.
#[test]
fn the_first_flight_has_ten_segments() {
    let mut peer = Peer::established(&bare());
    peer.connection.write(&[0; 50_000]);
    let sent = [peer.take(), peer.pass(Duration::from_millis(9))].concat();
    assert_eq!(sent.len(), 10, "{:?}", offsets(&sent));
}

/// RFC 8985, section 6.2: the missing segment is sent again, and nothing else.
#[test]
fn a_hole_in_the_selective_acknowledgements_is_filled() {
    let mut peer = ten_in_flight(&with_sack());
    let sent = [peer.acknowledge_with(&[(1_000, 5_000)]), peer.pass(Duration::from_millis(30))].concat();
    assert_eq!(offsets(&sent), [0]);
    assert_eq!(peer.connection.status().retransmitted_segments, 1);
    peer.acknowledge_to(10_000);
    assert_eq!(peer.connection.status().unacknowledged, 0);
}

/// RFC 6675: several holes are filled in one round trip.
#[test]
fn several_holes_are_filled_within_a_round_trip() {
    let mut peer = ten_in_flight(&with_sack());
    let ranges = [(1_000, 2_000), (3_000, 4_000), (5_000, 10_000)];
    let mut sent = peer.acknowledge_with(&ranges);
    sent.append(&mut peer.pass(Duration::from_millis(60)));
    assert_eq!(offsets(&sent), [0, 2_000, 4_000]);
}

/// RFC 5681, section 3.2; RFC 6582: without selective acknowledgements the third duplicate counts, and a partial
/// acknowledgement sends the next hole.
#[test]
fn three_duplicate_acknowledgements_send_the_first_segment_again() {
    let mut peer = ten_in_flight(&bare());
    let early: Vec<_> = (0..2).flat_map(|_| peer.acknowledge()).collect();
    assert_eq!(offsets(&early), [] as [u32; 0]);
    let mut sent: Vec<_> = (0..3).flat_map(|_| peer.acknowledge()).collect();
    sent.append(&mut peer.pass(Duration::from_millis(20)));
    assert_eq!(offsets(&sent), [0]);
    let sent = [peer.acknowledge_to(4_000), peer.pass(Duration::from_millis(20))].concat();
    assert_eq!(offsets(&sent), [4_000], "the next hole, by the partial acknowledgement");
}

/// RFC 3042: the first two duplicates let new segments go.
#[test]
fn limited_transmit_sends_new_segments_on_the_first_duplicates() {
    let mut peer = ten_in_flight(&with_sack());
    peer.connection.write(&[0; 5_000]);
    let sent = [peer.acknowledge_with(&[(1_000, 2_000)]), peer.pass(Duration::from_millis(2))].concat();
    assert!(sent.iter().all(|sent| sent.payload.is_empty() || sent.offset() >= 10_000), "{:?}", offsets(&sent));
}

/// RFC 8985, section 7: the last segment of a flight is lost, so nothing follows that would tell; a probe goes out long
/// before the retransmission timeout.
#[test]
fn a_lost_tail_is_probed_before_the_timeout() {
    let mut peer = Peer::established(&with_sack());
    // Round trips of 10 ms.
    for round in 1..=5 {
        peer.write(&[0; 1_000]);
        peer.pass(Duration::from_millis(10));
        peer.acknowledge_to(round * 1_000);
    }
    peer.write_paced(3_000);
    peer.acknowledge_to(6_000);
    let rto = peer.connection.status().rto;
    let sent = peer.pass(rto - Duration::from_millis(1));
    assert_eq!(offsets(&sent), [7_000], "one probe");
    assert_eq!(peer.connection.status().timeouts, 0);
}

/// RFC 6298, sections 2.4, 5.5 and 5.6: the timeout doubles up to 60 s.
#[test]
fn the_retransmission_timeout_doubles() {
    let mut peer = Peer::established(&bare());
    peer.write(b"lost");
    let mut times = Vec::new();
    let start = peer.now;
    while peer.now < start + 100 * SECOND {
        if !peer.pass(Duration::from_millis(10)).is_empty() {
            times.push((peer.now - start).as_millis());
        }
    }
    let gaps: Vec<_> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(times.len() >= 6, "{times:?}");
    // The first may be a tail loss probe.
    for pair in gaps[1..].windows(2) {
        assert!(pair[1] + 20 >= 2 * pair[0] && pair[1] <= 2 * pair[0] + 20, "{gaps:?}");
    }
}

/// RFC 6298, section 5: everything that is acknowledged late is repaired after a timeout, and nothing twice.
#[test]
fn a_whole_lost_flight_is_sent_again_after_a_timeout() {
    for config in [bare(), with_sack(), with_timestamps()] {
        let mut peer = ten_in_flight(&config);
        let mss = peer.connection.status().mss;
        let mut received = 0;
        for _ in 0..100 {
            for sent in peer.pass(Duration::from_millis(300)) {
                if sent.offset() == received {
                    received += sent.payload.len() as u32;
                }
            }
            if received > 0 {
                peer.acknowledge_to(received).iter().for_each(|sent| {
                    if sent.offset() == received {
                        received += sent.payload.len() as u32;
                    }
                });
            }
        }
        assert_eq!(received, 10 * mss, "segments of {mss}");
        peer.acknowledge_to(10 * mss);
        assert_eq!(peer.connection.status().unacknowledged, 0);
    }
}

/// RFC 2018, section 8: the other side may drop what it had acknowledged selectively; after a timeout it is sent again.
#[test]
fn data_that_the_other_side_dropped_after_reporting_it_is_sent_again() {
    let mut peer = ten_in_flight(&with_sack());
    peer.acknowledge_with(&[(1_000, 10_000)]);
    // It keeps only what is in order from now on.
    let mut received = 0;
    for _ in 0..200 {
        let sent = [peer.pass(Duration::from_millis(200)), peer.acknowledge_to(received)].concat();
        for sent in sent {
            if sent.offset() == received {
                received += sent.payload.len() as u32;
            }
        }
        if received == 10_000 {
            break;
        }
    }
    assert_eq!(received, 10_000);
    assert_eq!(peer.state(), State::Established);
}

/// RFC 2883, section 4: a report of a duplicate is not a report of loss.
#[test]
fn a_report_of_a_duplicate_sends_nothing_again() {
    let mut peer = ten_in_flight(&with_sack());
    peer.acknowledge_to(5_000);
    for _ in 0..5 {
        let sent = peer.acknowledge_with(&[(0, 1_000)]);
        assert_eq!(offsets(&sent), [] as [u32; 0]);
    }
    assert_eq!(peer.connection.status().retransmitted_segments, 0);
}

/// RFC 9293, section 3.8.1: an acknowledgement may end within a segment.
#[test]
fn an_acknowledgement_within_a_segment_keeps_the_rest() {
    for config in [bare(), with_sack()] {
        let mut peer = ten_in_flight(&config);
        peer.acknowledge_to(1_500);
        assert_eq!(peer.connection.status().unacknowledged, 8_500);
        let sent = peer.pass(2 * SECOND);
        let first = sent.iter().map(Sent::offset).min().unwrap();
        assert!(first == 1_500 || first == 9_000, "the first hole or a probe of the tail: {:?}", offsets(&sent));
        peer.acknowledge_to(10_000);
        assert_eq!(peer.connection.status().unacknowledged, 0);
    }
}

/// RFC 6298, section 3 (Karn's algorithm): the round trip of a segment that was sent twice is not measured.
#[test]
fn a_segment_that_was_sent_twice_gives_no_round_trip_time() {
    let mut peer = Peer::established(&bare());
    peer.write(b"1");
    peer.pass(Duration::from_millis(10));
    peer.acknowledge_to(1);
    let before = peer.connection.status().srtt;
    peer.write(b"2");
    peer.pass(3 * SECOND);
    peer.acknowledge_to(2);
    assert_eq!(peer.connection.status().srtt, before);
}

/// RFC 8899 and the path MTU of part D: a smaller MSS holds for what is sent again, too.
#[test]
fn a_smaller_mss_holds_for_segments_that_are_sent_again() {
    let mut peer = ten_in_flight(&with_sack());
    peer.connection.set_mss(600);
    let mut received = 0;
    for _ in 0..100 {
        let sent = [peer.pass(Duration::from_millis(300)), peer.acknowledge_to(received)].concat();
        for sent in sent {
            assert!(sent.payload.len() <= 600, "{} bytes", sent.payload.len());
            if sent.offset() <= received {
                received = received.max(sent.offset() + sent.payload.len() as u32);
            }
        }
    }
    assert_eq!(received, 10_000);
}
