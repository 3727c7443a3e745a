//! The end of a connection: RFC 9293, sections 3.6 and 3.10.4 to 3.10.8; RFC 6191; RFC 1337.

use core::time::Duration;

use tcp::time_wait::Late;
use tcp::{Event, Flags, Header, Options, Segment, Seq, State};

use crate::peer::{ISN, PEER_ISN, Peer, bare, check_one_ack, with_sack, with_timestamps};

/// RFC 9293, section 3.6, figure 12.
#[test]
fn a_normal_close_passes_through_every_state_of_the_closing_side() {
    let mut peer = Peer::established(&bare());
    peer.connection.shutdown();
    let fin = peer.take();
    assert!(fin.len() == 1 && fin[0].has(Flags::FIN | Flags::ACK) && fin[0].payload.is_empty(), "{fin:?}");
    assert_eq!(peer.state(), State::FinWait1);
    peer.acknowledge_to(1);
    assert_eq!(peer.state(), State::FinWait2);
    let answer = peer.send(Flags::FIN | Flags::ACK, &[]);
    check_one_ack(&answer, peer.seq);
    assert_eq!(peer.state(), State::TimeWait);
    assert_eq!(peer.pass(Duration::from_millis(9_999)), []);
    assert_eq!(peer.state(), State::TimeWait);
    peer.pass(Duration::from_millis(2));
    assert_eq!((peer.state(), peer.events().last()), (State::Closed, Some(&Event::Closed)));
}

/// RFC 9293, section 3.6, figure 12, the other side.
#[test]
fn the_side_that_closes_last_waits_for_its_acknowledgement() {
    let mut peer = Peer::established(&bare());
    peer.send(Flags::FIN | Flags::ACK, &[]);
    assert_eq!(peer.state(), State::CloseWait);
    peer.connection.shutdown();
    assert!(peer.take()[0].has(Flags::FIN));
    assert_eq!(peer.state(), State::LastAck);
    peer.acknowledge_to(1);
    assert_eq!((peer.state(), peer.events().last()), (State::Closed, Some(&Event::Closed)));
}

/// RFC 9293, section 3.6, figure 13: both FINs cross.
#[test]
fn a_simultaneous_close_ends_in_time_wait() {
    let mut peer = Peer::established(&bare());
    peer.connection.shutdown();
    peer.take();
    let answer = peer.send(Flags::FIN | Flags::ACK, &[]);
    check_one_ack(&answer, peer.seq);
    assert_eq!(answer[0].header.seq, Seq(ISN) + 2);
    assert_eq!(peer.state(), State::Closing);
    peer.acknowledge_to(1);
    assert_eq!(peer.state(), State::TimeWait);
}

/// RFC 9293, section 3.6: FIN and the acknowledgement of the own FIN in one segment.
#[test]
fn a_fin_that_acknowledges_the_fin_leads_to_time_wait_at_once() {
    let mut peer = Peer::established(&bare());
    peer.connection.shutdown();
    peer.take();
    peer.ack = Seq(ISN) + 2;
    peer.send(Flags::FIN | Flags::ACK, &[]);
    assert_eq!(peer.state(), State::TimeWait);
}

/// RFC 9293, section 3.6: "the local side is closed, and data is received until the other side closes too".
#[test]
fn a_side_that_closed_goes_on_to_receive() {
    let mut peer = Peer::established(&bare());
    peer.connection.shutdown();
    peer.take();
    peer.ack = Seq(ISN) + 2;
    for _ in 0..100 {
        peer.send(Flags::ACK, &[7; 500]);
    }
    assert_eq!((peer.state(), peer.read()), (State::FinWait2, vec![7; 50_000]));
    assert_eq!(peer.connection.write(b"no"), 0, "after shutdown nothing is written");
}

/// RFC 9293, section 3.10.4: the FIN follows what was written.
#[test]
fn a_fin_follows_everything_that_was_written() {
    let mut peer = Peer::established(&bare());
    peer.connection.write(&[1; 2_500]);
    peer.connection.shutdown();
    let mut sent = peer.take();
    sent.append(&mut peer.pass(Duration::from_millis(8)));
    let ends: Vec<_> = sent.iter().map(|sent| (sent.offset(), sent.payload.len(), sent.has(Flags::FIN))).collect();
    assert_eq!(ends, [(0, 1_000, false), (1_000, 1_000, false), (2_000, 500, true)]);
}

/// RFC 6298, section 5: a FIN that is alone in flight is sent again as a FIN.
#[test]
fn a_lost_fin_is_sent_again() {
    let mut peer = Peer::established(&bare());
    peer.connection.shutdown();
    let fin = peer.take();
    let again = peer.pass(Duration::from_millis(1_500));
    assert!(!again.is_empty());
    for again in &again {
        assert_eq!((again.header.seq, again.header.flags), (fin[0].header.seq, fin[0].header.flags), "{again:?}");
    }
    peer.acknowledge_to(1);
    assert_eq!(peer.state(), State::FinWait2);
    assert_eq!(peer.pass(Duration::from_secs(30)), []);
}

/// RFC 5681, section 3.2: duplicate acknowledgements while only a FIN is in flight send the FIN, and not an empty segment.
#[test]
fn a_fast_retransmission_of_a_fin_alone_is_a_fin() {
    for config in [bare(), with_sack()] {
        let mut peer = Peer::established(&config);
        peer.write(b"data");
        peer.acknowledge_to(4);
        peer.connection.shutdown();
        let fin = peer.take();
        let again: Vec<_> = (0..5).flat_map(|_| peer.acknowledge()).collect();
        for again in &again {
            assert_eq!((again.header.seq, again.header.flags), (fin[0].header.seq, fin[0].header.flags), "{again:?}");
        }
        peer.acknowledge_to(5);
        assert_eq!(peer.state(), State::FinWait2);
    }
}

/// RFC 9293, section 3.10.7.4: data is lost, the FIN arrived.
#[test]
fn a_fin_that_arrived_and_data_that_did_not_is_repaired() {
    let mut peer = Peer::established(&with_sack());
    peer.connection.write(&[1; 3_000]);
    peer.connection.shutdown();
    peer.take();
    peer.pass(Duration::from_millis(5));
    // The first segment is missing.
    let mut sent = peer.acknowledge_with(&[(1_000, 3_001)]);
    sent.append(&mut peer.pass(Duration::from_secs(2)));
    assert!(sent.iter().any(|sent| (sent.offset(), sent.payload.len()) == (0, 1_000)), "{sent:?}");
    peer.acknowledge_to(3_001);
    assert_eq!(peer.state(), State::FinWait2);
}

/// RFC 9293, section 3.10.7.4, eighth step, TIME-WAIT.
#[test]
fn time_wait_acknowledges_a_repeated_fin_and_starts_anew() {
    let mut peer = Peer::established(&bare());
    peer.connection.shutdown();
    peer.take();
    peer.ack = Seq(ISN) + 2;
    let fin = peer.header(Flags::FIN | Flags::ACK);
    peer.send(Flags::FIN | Flags::ACK, &[]);
    peer.pass(Duration::from_secs(9));
    let answer = peer.give(fin, &[]);
    check_one_ack(&answer, peer.seq);
    peer.pass(Duration::from_secs(9));
    assert_eq!(peer.state(), State::TimeWait, "the time began again");
    peer.pass(Duration::from_secs(2));
    assert_eq!(peer.state(), State::Closed);
}

/// RFC 1337, section 3.
#[test]
fn an_rst_does_not_end_time_wait() {
    let mut peer = Peer::established(&bare());
    peer.connection.shutdown();
    peer.take();
    peer.ack = Seq(ISN) + 2;
    peer.send(Flags::FIN | Flags::ACK, &[]);
    let header = peer.header(Flags::RST);
    assert_eq!(peer.give(header, &[]), []);
    assert_eq!(peer.state(), State::TimeWait);
}

/// RFC 6191, section 2: a newer SYN takes the place of a connection in TIME-WAIT, an older one is answered.
#[test]
fn a_newer_syn_takes_the_place_of_time_wait() {
    let mut peer = Peer::established(&with_timestamps());
    peer.connection.shutdown();
    peer.take();
    peer.ack = Seq(ISN) + 2;
    peer.send(Flags::FIN | Flags::ACK, &[]);
    let mut entry = peer.connection.time_wait().expect("nothing is left to be sent");
    let old_clock = peer.clock.map(|clock| clock - 5);
    let mut syn = |clock| {
        peer.clock = clock;
        let header = Header { seq: Seq(PEER_ISN), ..peer.header(Flags::SYN) };
        entry.receive(&Segment { header, payload: &[] }, peer.now)
    };
    let new_clock = old_clock.map(|clock| clock + 6);
    assert!(matches!(syn(old_clock), Late::Answer(answer) if answer.flags == Flags::ACK));
    assert_eq!(syn(new_clock), Late::Reuse);
}

/// RFC 9293, section 3.10.5.
#[test]
fn an_abort_sends_one_rst_that_the_other_side_believes() {
    let mut peer = Peer::established(&bare());
    peer.write(&[1; 900]);
    peer.connection.abort();
    let sent = peer.take();
    assert_eq!(sent.len(), 1, "{sent:?}");
    assert!(sent[0].has(Flags::RST));
    assert_eq!(sent[0].header.seq, Seq(ISN) + 901, "exactly what the other side expects (RFC 5961, section 3.2)");
    assert_eq!(peer.state(), State::Closed);
    assert_eq!(peer.pass(Duration::from_secs(200)), []);
    assert_eq!(peer.connection.write(b"no"), 0);
}

/// RFC 9293, section 3.10.7.1: a closed connection sends nothing on its own.
#[test]
fn a_closed_connection_ignores_segments() {
    let mut peer = Peer::established(&bare());
    peer.send(Flags::RST, &[]);
    for flags in [Flags::ACK, Flags::SYN, Flags::FIN | Flags::ACK, Flags::RST] {
        assert_eq!(peer.give(peer.header(flags), b"late"), []);
    }
    assert_eq!((peer.state(), peer.connection.next_deadline()), (State::Closed, None));
}

/// RFC 9293, section 3.10.7.4: a FIN with SYN options in any state does not end the wrong side.
#[test]
fn a_fin_while_the_handshake_runs_counts_after_it() {
    let (mut peer, _) = Peer::syn_received(&bare(), Options::default());
    peer.send(Flags::FIN | Flags::ACK, b"request");
    assert_eq!((peer.state(), peer.read()), (State::CloseWait, b"request".to_vec()));
    assert_eq!(peer.events(), [Event::Connected, Event::Readable, Event::PeerClosed]);
}
