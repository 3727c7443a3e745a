//! Opening: RFC 9293, sections 3.5 and 3.10.7.3.

use core::time::Duration;

use tcp::{Config, Connection, Event, Flags, Header, Options, Reset, Segment, Seq, State, Time};

use crate::peer::{ISN, PEER_ISN, PORTS, Peer, WINDOW, bare, check_one_ack, with_sack};

fn syn() -> Header {
    Header {
        source_port: PORTS.remote,
        destination_port: PORTS.local,
        seq: Seq(PEER_ISN),
        ack: Seq(0),
        flags: Flags::SYN,
        window: WINDOW,
        options: Options::default(),
    }
}

/// RFC 9293, section 3.5, figure 6.
#[test]
fn a_syn_ack_establishes_a_connection_and_is_acknowledged() {
    let (mut peer, sent) = Peer::syn_sent(&bare());
    assert_eq!((sent.header.seq, sent.header.flags), (Seq(ISN), Flags::SYN));
    let answer = peer.send(Flags::SYN | Flags::ACK, &[]);
    check_one_ack(&answer, Seq(PEER_ISN) + 1);
    assert_eq!(answer[0].header.seq, Seq(ISN) + 1);
    assert_eq!((peer.state(), peer.events()), (State::Established, vec![Event::Connected]));
}

/// RFC 9293, section 3.5, figure 7: both SYNs cross.
#[test]
fn a_simultaneous_open_establishes_one_connection() {
    let (mut peer, _) = Peer::syn_sent(&bare());
    let answer = peer.give(syn(), &[]);
    assert_eq!(answer.len(), 1, "{answer:?}");
    assert_eq!(answer[0].header.flags, Flags::SYN | Flags::ACK);
    assert_eq!((answer[0].header.seq, answer[0].header.ack), (Seq(ISN), Seq(PEER_ISN) + 1));
    assert_eq!(peer.state(), State::SynReceived);
    // The SYN-ACK of the other side has the sequence number of its SYN.
    peer.give(Header { ack: Seq(ISN) + 1, ..Header { flags: Flags::SYN | Flags::ACK, ..syn() } }, &[]);
    peer.seq = Seq(PEER_ISN) + 1;
    peer.acknowledge();
    assert_eq!((peer.state(), peer.events()), (State::Established, vec![Event::Connected]));
    peer.send(Flags::ACK, b"after");
    assert_eq!(peer.read(), b"after");
}

/// RFC 9293, section 3.10.7.3, first step.
#[test]
fn a_syn_ack_of_another_connection_is_reset_and_changes_nothing() {
    for ack in [Seq(ISN), Seq(ISN) + 2, Seq(ISN) + 1_000_000] {
        let (mut peer, _) = Peer::syn_sent(&bare());
        let answer = peer.give(Header { ack, flags: Flags::SYN | Flags::ACK, ..syn() }, &[]);
        assert_eq!(answer.len(), 1, "{answer:?}");
        assert_eq!((answer[0].header.flags, answer[0].header.seq), (Flags::RST, ack));
        assert_eq!(peer.state(), State::SynSent);
    }
}

/// RFC 9293, section 3.10.7.3, second step: a blind RST does not refuse.
#[test]
fn an_rst_refuses_a_syn_only_with_its_acknowledgement() {
    let (mut peer, _) = Peer::syn_sent(&bare());
    for (flags, ack) in [(Flags::RST, Seq(0)), (Flags::RST | Flags::ACK, Seq(ISN)), (Flags::RST, Seq(ISN) + 1)] {
        assert_eq!(peer.give(Header { ack, flags, ..syn() }, &[]), []);
        assert_eq!((peer.state(), peer.events()), (State::SynSent, vec![]));
    }
    peer.give(Header { ack: Seq(ISN) + 1, flags: Flags::RST | Flags::ACK, ..syn() }, &[]);
    assert_eq!((peer.state(), peer.events()), (State::Closed, vec![Event::Reset(Reset::Refused)]));
}

/// RFC 9293, section 3.10.7.3: an ACK alone is answered by an RST if wrong, and else ignored.
#[test]
fn an_ack_without_syn_does_not_establish() {
    let (mut peer, _) = Peer::syn_sent(&bare());
    peer.give(Header { ack: Seq(ISN) + 1, flags: Flags::ACK, ..syn() }, b"data");
    assert_eq!((peer.state(), peer.read()), (State::SynSent, vec![]));
}

/// RFC 6298, sections 2.1 and 5.5.
#[test]
fn a_syn_is_sent_again_after_one_two_and_four_seconds() {
    let (mut peer, sent) = Peer::syn_sent(&bare());
    for seconds in [1, 2, 4] {
        assert_eq!(peer.pass(Duration::from_millis(seconds * 1000 - 1)), []);
        let again = peer.pass(Duration::from_millis(1));
        assert_eq!((again.len(), again[0].header), (1, sent.header), "after {seconds} s");
    }
}

/// RFC 9293, section 3.8.1: the SYN-ACK was lost.
#[test]
fn a_repeated_syn_is_answered_by_the_same_syn_ack() {
    let (mut peer, first) = Peer::syn_received(&bare(), Options::default());
    let again = peer.give(syn(), &[]);
    assert_eq!(again.len(), 1, "{again:?}");
    assert_eq!(again[0].header, first.header);
    assert_eq!(peer.state(), State::SynReceived);
}

#[test]
fn a_syn_ack_is_sent_again_until_it_is_acknowledged() {
    let (mut peer, first) = Peer::syn_received(&bare(), Options::default());
    let again = peer.pass(Duration::from_millis(1_001));
    assert_eq!((again.len(), again[0].header.flags), (1, first.header.flags));
    peer.acknowledge();
    assert_eq!(peer.state(), State::Established);
    let later = peer.pass(Duration::from_secs(30));
    assert!(later.iter().all(|sent| !sent.has(Flags::SYN)), "{later:?}");
}

/// RFC 9293, section 3.10.7.4, fifth step, SYN-RECEIVED.
#[test]
fn a_wrong_acknowledgement_of_a_syn_ack_is_reset() {
    for ack in [Seq(ISN), Seq(ISN) + 2] {
        let (mut peer, _) = Peer::syn_received(&bare(), Options::default());
        peer.ack = ack;
        let answer = peer.acknowledge();
        assert_eq!(answer.len(), 1, "{answer:?}");
        assert_eq!((answer[0].header.flags, answer[0].header.seq), (Flags::RST, ack));
        assert_eq!(peer.state(), State::SynReceived);
    }
}

/// RFC 9293, section 3.10.7.4, second step: the client has gone.
#[test]
fn an_rst_ends_a_connection_that_waits_for_its_acknowledgement() {
    let (mut peer, _) = Peer::syn_received(&bare(), Options::default());
    let header = peer.header(Flags::RST);
    assert_eq!(peer.give(header, &[]), []);
    assert_eq!(peer.state(), State::Closed);
    assert_eq!(peer.pass(Duration::from_secs(100)), []);
}

/// The SYN-ACK waits for the outside connection, and a repeated SYN meets the same entry.
#[test]
fn nothing_is_answered_before_the_outside_connection_stands() {
    let now = Time::ZERO;
    let mut connection = Connection::accept(&bare(), &Segment { header: syn(), payload: &[] }, ISN, now).unwrap();
    let mut sent = 0;
    for _ in 0..3 {
        connection.receive(&Segment { header: syn(), payload: &[] }, now);
        connection.end_batch(now);
        connection.take_segments(10, now, &mut |_, _| sent += 1);
    }
    assert_eq!((sent, connection.status().state), (0, State::SynReceived));
    connection.confirm(now);
    connection.take_segments(10, now, &mut |header, _| {
        sent += 1;
        assert_eq!(header.flags, Flags::SYN | Flags::ACK);
    });
    assert_eq!(sent, 1);
}

#[test]
fn a_refused_connection_answers_the_syn_by_an_rst() {
    let now = Time::ZERO;
    let mut connection = Connection::accept(&bare(), &Segment { header: syn(), payload: &[] }, ISN, now).unwrap();
    connection.refuse();
    let mut sent = Vec::new();
    connection.take_segments(10, now, &mut |header, _| sent.push(*header));
    assert_eq!(sent.len(), 1);
    assert_eq!((sent[0].flags, sent[0].ack), (Flags::RST | Flags::ACK, Seq(PEER_ISN) + 1));
    assert_eq!(connection.status().state, State::Closed);
}

/// RFC 9293, section 3.10.7.2: only a SYN opens.
#[test]
fn a_segment_that_is_no_syn_opens_nothing() {
    for flags in [
        Flags::NONE,
        Flags::ACK,
        Flags::FIN,
        Flags::RST,
        Flags::SYN | Flags::ACK,
        Flags::SYN | Flags::RST,
        Flags::RST | Flags::ACK,
    ] {
        let segment = Segment { header: Header { flags, ..syn() }, payload: &[] };
        assert!(Connection::accept(&bare(), &segment, ISN, Time::ZERO).is_none(), "{flags:?}");
    }
}

/// RFC 7323, section 2.2: the window of a SYN-ACK is not scaled.
#[test]
fn the_window_of_a_syn_is_taken_unscaled() {
    let (mut peer, _) = Peer::syn_sent(&Config { mss: 1_000, ..bare() });
    peer.window = 2_000;
    let mut header = peer.header(Flags::SYN | Flags::ACK);
    header.options = Options { mss: Some(1_000), window_scale: Some(7), ..Options::default() };
    peer.give(header, &[]);
    assert_eq!(peer.connection.status().send_window, 2_000);
    let sent = peer.write_paced(10_000);
    assert_eq!(sent.iter().map(|sent| sent.payload.len()).sum::<usize>(), 2_000, "{sent:?}");
}

/// RFC 7323, section 2.2: the same for the side that was connected to, up to the first segment that is no SYN.
#[test]
fn the_window_of_the_opening_syn_is_taken_unscaled() {
    let options = Options { mss: Some(1_000), window_scale: Some(14), ..Options::default() };
    let (mut peer, _) = Peer::syn_received(&bare(), options);
    assert!(peer.connection.status().send_window <= u32::from(WINDOW), "not shifted");
    peer.window = 3;
    peer.acknowledge();
    assert_eq!(peer.connection.status().send_window, 3 << 14);
}

/// RFC 7323, sections 2.2, 2.3 and 3.2; RFC 2018, section 2: what the SYN did not offer is not used.
#[test]
fn a_syn_ack_offers_only_what_the_syn_offered() {
    let config = Config { timestamps: true, ..with_sack() };
    let (_, answer) = Peer::syn_received(&config, Options { mss: Some(1_000), ..Options::default() });
    let options = answer.header.options;
    assert!(options.mss.is_some());
    assert_eq!((options.window_scale, options.sack_permitted, options.timestamps), (None, false, None));
}

/// RFC 5961, section 4.2.
#[test]
fn a_syn_in_a_synchronized_connection_is_challenged_and_changes_nothing() {
    for offset in [0, 100, 0x4000_0000, u32::MAX] {
        for flags in [Flags::SYN, Flags::SYN | Flags::ACK] {
            let mut peer = Peer::established(&bare());
            let header = Header { seq: peer.seq + offset, ..peer.header(flags) };
            let answer = peer.give(header, &[]);
            check_one_ack(&answer, peer.seq);
            assert_eq!((peer.state(), peer.events()), (State::Established, vec![]));
            peer.send(Flags::ACK, b"still here");
            assert_eq!(peer.read(), b"still here");
        }
    }
}

/// RFC 9293, section 3.10.4: what is written before the handshake is complete follows it.
#[test]
fn bytes_written_early_are_sent_after_the_handshake() {
    let (mut peer, _) = Peer::syn_sent(&bare());
    assert_eq!(peer.write(b"early"), []);
    peer.connection.shutdown();
    assert_eq!(peer.take(), []);
    let sent = peer.send(Flags::SYN | Flags::ACK, &[]);
    assert_eq!(sent.iter().flat_map(|sent| sent.payload.clone()).collect::<Vec<_>>(), b"early");
    assert!(sent.last().unwrap().has(Flags::FIN), "{sent:?}");
}
