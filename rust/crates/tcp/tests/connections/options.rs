//! Options that are wrong, extreme or missing: RFC 9293, sections 3.1 and 3.7.1; RFC 7323, section 2; RFC 2018.

use core::time::Duration;

use tcp::options::{SackBlock, SackBlocks};
use tcp::{Config, Flags, Options, Seq};

use crate::peer::{ISN, Peer, WINDOW, bare, with_sack};

/// RFC 9293, section 3.7.1: "if an MSS Option is not received at connection setup, TCP must assume 536".
#[test]
fn a_syn_without_mss_means_536_bytes() {
    let mut peer = Peer::established_with(&bare(), Options::default());
    let sent = peer.write_paced(3_000);
    assert!(sent.iter().all(|sent| sent.payload.len() <= 536), "{sent:?}");
    assert_eq!(peer.connection.status().mss, 536);
}

/// RFC 9293, section 3.7.1: an MSS of zero would stop everything, and one of a few bytes costs a packet for each.
#[test]
fn a_tiny_mss_is_raised_to_the_least_that_is_believed() {
    for mss in [0, 1, 40, 535] {
        let mut peer = Peer::established_with(&bare(), Options { mss: Some(mss), ..Options::default() });
        assert_eq!(peer.connection.status().mss, 536, "MSS option of {mss}");
        let sent = peer.write_paced(2_000);
        assert_eq!(sent[0].payload.len(), 536);
    }
}

/// RFC 9293, section 3.7.1: the own limit counts too.
#[test]
fn a_large_mss_is_limited_by_the_own_path() {
    let peer = Peer::established_with(&bare(), Options { mss: Some(u16::MAX), ..Options::default() });
    assert_eq!(peer.connection.status().mss, 1_000);
}

/// RFC 6691: options make the payload smaller, not the packet larger.
#[test]
fn options_are_deducted_from_the_payload() {
    let config = Config { timestamps: true, ..bare() };
    let mut peer = Peer::established(&config);
    let sent = peer.write_paced(5_000);
    assert!(sent.iter().all(|sent| sent.payload.len() + sent.header.options.encoded_len() <= 1_000), "{sent:?}");
    assert_eq!(sent[0].payload.len(), 988);
}

/// RFC 7323, section 2.3: a shift above 14 counts as 14.
#[test]
fn a_shift_above_14_counts_as_14() {
    for shift in [14, 15, 255] {
        let options = Options::parse(&[1, 3, 3, shift]).unwrap();
        let (mut peer, _) = Peer::syn_received(&bare(), options);
        peer.window = 1;
        peer.acknowledge();
        assert_eq!(peer.connection.status().send_window, 1 << 14, "shift {shift}");
    }
}

/// RFC 7323, section 2.2: without the option in the SYN no window is scaled, in either direction.
#[test]
fn windows_are_not_scaled_unless_both_sides_offer_it() {
    let mut peer = Peer::established(&bare());
    assert_eq!(peer.connection.status().send_window, u32::from(WINDOW));
    let answer = peer.send(Flags::ACK, b"data");
    assert_eq!(u32::from(answer[0].header.window), peer.connection.status().receive_window);
    assert!(peer.connection.status().receive_window <= 65_535);
}

/// RFC 9293, section 3.1: lengths of 0 and 1 would stop a parser or take it back.
#[test]
fn option_lengths_of_zero_and_one_are_malformed() {
    for kind in [2, 3, 4, 5, 8, 30, 253] {
        for length in [0, 1] {
            assert_eq!(Options::parse(&[kind, length, 0, 0]), None, "kind {kind}, length {length}");
        }
        assert_eq!(Options::parse(&[kind, 200, 0, 0]), None, "beyond the end");
        assert_eq!(Options::parse(&[kind]), None, "without a length");
    }
}

/// RFC 9293, section 3.1: unknown kinds are skipped by their length; the end of the list hides what follows.
#[test]
fn unknown_options_are_skipped() {
    let options = Options::parse(&[34, 4, 9, 9, 2, 4, 5, 180, 0, 3, 3, 7]).unwrap();
    assert_eq!((options.mss, options.window_scale), (Some(1460), None));
}

/// RFC 2018, section 5.1: blocks of data that was not sent, or of nothing, are ignored.
#[test]
fn blocks_that_cannot_be_true_are_ignored() {
    let mut peer = Peer::established(&with_sack());
    let first = peer.write_paced(5_000);
    assert_eq!(first.len(), 5);
    let next = Seq(ISN) + 5_001;
    let lies = [
        (next, next + 1_000),
        (next + 1_000_000, next + 1_001_000),
        (Seq(ISN) - 5_000, Seq(ISN) - 4_000),
        (Seq(ISN) + 3_001, Seq(ISN) + 1_001),
        (Seq(ISN) + 1_001, Seq(ISN) + 1_001),
        (next, next + 0x8000_0000),
    ];
    for (start, end) in lies {
        let mut header = peer.header(Flags::ACK);
        header.options.sack = SackBlocks::default();
        header.options.sack.push(SackBlock { start, end });
        peer.give(header, &[]);
        let status = peer.connection.status();
        assert_eq!((status.in_flight, status.retransmitted_segments), (5_000, 0), "{start:?} to {end:?}");
    }
    peer.acknowledge_to(5_000);
    assert_eq!(peer.connection.status().in_flight, 0);
    assert_eq!(peer.pass(Duration::from_secs(60)), []);
}
