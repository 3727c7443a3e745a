//! Datagrams that are split and reassembled, and fragments that contradict one another.

use super::*;
use crate::packet::{Header, parse};
use proptest::prelude::*;

const START: Duration = Duration::from_secs(5);

fn whole(is_v6: bool, length: usize) -> Vec<u8> {
    let (source, destination) = if is_v6 { ("fd00::2", "2001:db8::1") } else { ("10.0.0.2", "192.0.2.1") };
    let (source, destination) = (source.parse().unwrap(), destination.parse().unwrap());
    let mut out = Vec::new();
    Header { source, destination, protocol: 99, ttl: 64, tos: 3, dont_fragment: false }.write(length, &mut out);
    out.extend((0..length).map(|at| (at * 7 + at / 251) as u8));
    out
}

/// Return the fragment of `packet` from `start` to `end`, as a host would send it.
fn cut(packet: &[u8], id: u32, start: usize, end: usize) -> Vec<u8> {
    let packet = parse(packet).unwrap();
    let fragment = Fragment { id, offset: start, more: end < packet.payload().len() };
    let mut out = packet.header().to_vec();
    if packet.source.is_ipv6() {
        write_v6(&packet, fragment, &mut out)
    } else {
        write_v4(fragment, &mut out)
    }
    packet::seal(&mut out, end - start);
    out.extend_from_slice(&packet.payload()[start..end]);
    out
}

/// Return a packet as it is after reassembly: with the identity of its fragments, in IPv4.
fn with_id(packet: &[u8], id: u16) -> Vec<u8> {
    let mut packet = packet.to_vec();
    if packet[0] >> 4 == 4 {
        put_short(&mut packet, 4, id);
        let length = packet.len() - 20;
        packet::seal(&mut packet[..20], length);
    }
    packet
}

fn receive(table: &mut Reassembly<u32>, peer: u32, octets: &[u8], now: Duration) -> Outcome {
    table.receive(peer, &parse(octets).unwrap(), now)
}

proptest! {
    #[test]
    fn any_split_and_order_of_a_datagram_gives_it_back(
        (is_v6, length, id) in (any::<bool>(), 1usize..9000, 1u16..),
        cuts in prop::collection::btree_set(1usize..1125, 0..40),
        order in prop::collection::vec(any::<prop::sample::Index>(), 60),
        repeated in any::<prop::sample::Index>(),
    ) {
        let packet = whole(is_v6, length);
        let places: Vec<usize> = [0].into_iter().chain(cuts.into_iter().map(|cut| cut * 8).filter(|cut| *cut < length))
            .chain([length]).collect();
        prop_assume!(places.len() > 2);
        let mut pieces: Vec<_> = places.windows(2).map(|pair| cut(&packet, id.into(), pair[0], pair[1])).collect();
        for (at, other) in order.iter().enumerate().take(pieces.len()) {
            let other = other.index(pieces.len());
            pieces.swap(at, other);
        }
        let mut table = Reassembly::default();
        let (last, rest) = pieces.split_last().unwrap();
        let again = repeated.index(rest.len());
        for piece in rest.iter().chain([&rest[again]]) {
            prop_assert_eq!(receive(&mut table, 1, piece, START), Outcome::Incomplete);
        }
        prop_assert_eq!(receive(&mut table, 1, last, START), Outcome::Complete(with_id(&packet, id)));
        prop_assert_eq!((table.datagrams.len(), table.bytes), (0, 0));
    }

    #[test]
    fn a_split_packet_fits_the_mtu_and_is_reassembled(
        (is_v6, length, mtu) in (any::<bool>(), 1usize..9000, 68usize..2000),
        again in 68usize..2000,
    ) {
        let packet = whole(is_v6, length);
        let mut pieces: Vec<Vec<u8>> = Vec::new();
        prop_assert!(split(&parse(&packet).unwrap(), mtu, 7, |piece| pieces.push(piece.to_vec())));
        prop_assert!(pieces.iter().all(|piece| piece.len() <= mtu));
        if !is_v6 {
            // A fragment of IPv4 may be fragmented again on its way.
            let first = std::mem::take(&mut pieces);
            for piece in first {
                prop_assert!(split(&parse(&piece).unwrap(), again, 7, |piece| pieces.push(piece.to_vec())));
            }
        }
        let mut table = Reassembly::default();
        let (last, rest) = pieces.split_last().unwrap();
        for piece in rest {
            prop_assert_eq!(receive(&mut table, 1, piece, START), Outcome::Incomplete);
        }
        let expected = if rest.is_empty() { packet } else { with_id(&packet, 7) };
        let id = if expected[0] >> 4 == 4 { short(&expected, 4) } else { 0 };
        prop_assert_eq!(receive(&mut table, 1, last, START), Outcome::Complete(with_id(&expected, id)));
    }

    #[test]
    fn bounds_hold_whatever_comes(
        fragments in prop::collection::vec((0u32..4, 0u32..40, 0usize..8000, any::<bool>(), 0u64..20), 1..300),
    ) {
        let packet = whole(false, 65_000);
        let (mut table, mut now) = (Reassembly::default(), START);
        for (peer, id, place, last, seconds) in fragments {
            now += Duration::from_secs(seconds / 10);
            let start = place * 8;
            let end = if last { start + 13 } else { start + 800 };
            let mut piece = cut(&packet, id, start, end.min(65_000 - 8));
            if last {
                piece[6] &= !0x20;
                packet::seal(&mut piece[..20], 13.min(65_000 - 8 - start));
            }
            let Ok(read) = parse(&piece) else { continue };
            let _ = table.receive(peer, &read, now);
            let bytes: usize = table.datagrams.values().map(Datagram::bytes).sum();
            prop_assert_eq!(table.bytes, bytes);
            prop_assert!(table.datagrams.len() <= MAX_DATAGRAMS && bytes <= MAX_BYTES);
        }
        table.on_deadline(now + TIMEOUT);
        prop_assert_eq!((table.next_deadline(), table.bytes), (None, 0));
    }
}

#[test]
fn an_overlap_drops_the_datagram_and_what_comes_later() {
    for is_v6 in [false, true] {
        let (packet, mut other) = (whole(is_v6, 64), whole(is_v6, 64));
        let end = other.len();
        other[end - 20] ^= 1;
        let cases = [
            [cut(&packet, 1, 0, 32), cut(&packet, 1, 24, 48)],
            [cut(&packet, 1, 24, 48), cut(&packet, 1, 0, 32)],
            [cut(&packet, 1, 24, 32), cut(&packet, 1, 16, 48)],
            [cut(&packet, 1, 32, 64), cut(&other, 1, 40, 64)],
        ];
        for [first, second] in cases {
            let mut table = Reassembly::default();
            assert_eq!(receive(&mut table, 1, &first, START), Outcome::Incomplete);
            assert_eq!(receive(&mut table, 1, &second, START), Outcome::Dropped);
            for (start, end) in [(0, 24), (24, 32), (48, 64)] {
                assert_eq!(receive(&mut table, 1, &cut(&packet, 1, start, end), START), Outcome::Dropped);
            }
            assert_eq!((table.datagrams.len(), table.bytes), (1, 0));
            assert_eq!(table.on_deadline(START + TIMEOUT), [], "nothing is said about it");
        }
    }
}

#[test]
fn fragments_that_disagree_about_the_end_are_dropped() {
    let (long, short) = (whole(false, 64), whole(false, 48));
    for pieces in [
        [cut(&short, 1, 32, 48), cut(&long, 1, 56, 64)],
        [cut(&long, 1, 56, 64), cut(&short, 1, 32, 48)],
        [cut(&long, 1, 48, 56), cut(&short, 1, 32, 48)],
        [cut(&short, 1, 32, 48), cut(&long, 1, 48, 56)],
    ] {
        let mut table = Reassembly::default();
        assert_eq!(receive(&mut table, 1, &pieces[0], START), Outcome::Incomplete);
        assert_eq!(receive(&mut table, 1, &pieces[1], START), Outcome::Dropped);
    }
}

#[test]
fn datagrams_of_other_addresses_protocols_and_peers_are_kept_apart() {
    let packet = whole(false, 64);
    let mut table = Reassembly::default();
    let rest = cut(&packet, 1, 32, 64);
    assert_eq!(receive(&mut table, 1, &cut(&packet, 1, 0, 32), START), Outcome::Incomplete);
    assert_eq!(receive(&mut table, 2, &rest, START), Outcome::Incomplete, "another peer");
    assert_eq!(receive(&mut table, 1, &cut(&packet, 2, 32, 64), START), Outcome::Incomplete, "another identity");
    for at in [9, 15, 19] {
        let mut other = rest.clone();
        other[at] ^= 1;
        packet::seal(&mut other[..20], 32);
        assert_eq!(receive(&mut table, 1, &other, START), Outcome::Incomplete, "octet {at}");
    }
    assert_eq!(receive(&mut table, 1, &rest, START), Outcome::Complete(with_id(&packet, 1)));
}

#[test]
fn a_datagram_is_dropped_after_its_time_and_its_sender_is_told_once() {
    let (packet, other) = (whole(true, 64), whole(false, 64));
    let mut table = Reassembly::default();
    let first = cut(&packet, 1, 0, 32);
    assert_eq!(table.next_deadline(), None);
    receive(&mut table, 1, &first, START);
    receive(&mut table, 2, &cut(&other, 1, 32, 64), START + Duration::from_secs(1));
    assert_eq!(table.next_deadline(), Some(START + TIMEOUT));
    assert_eq!(table.on_deadline(START + TIMEOUT - Duration::from_millis(1)), []);
    assert_eq!(table.on_deadline(START + TIMEOUT), [(1, first.clone())]);
    assert_eq!(table.on_deadline(START + TIMEOUT * 2), [], "the first fragment of the other never came");
    receive(&mut table, 1, &first, START);
    let late = receive(&mut table, 1, &cut(&packet, 1, 32, 64), START + TIMEOUT);
    assert_eq!(late, Outcome::Incomplete);
}

#[test]
fn a_peer_that_fills_the_table_loses_its_own_datagrams() {
    let packet = whole(false, 64);
    let mut table = Reassembly::default();
    receive(&mut table, 1, &cut(&packet, 7, 0, 32), START);
    for id in 0..200 {
        receive(&mut table, 2, &cut(&packet, id, 0, 32), START + Duration::from_millis(id.into()));
    }
    assert_eq!(table.datagrams.len(), MAX_DATAGRAMS);
    assert_eq!(receive(&mut table, 1, &cut(&packet, 7, 32, 64), START), Outcome::Complete(with_id(&packet, 7)));
    let (newest, oldest) = (cut(&packet, 199, 32, 64), cut(&packet, 0, 32, 64));
    assert!(matches!(receive(&mut table, 2, &newest, START), Outcome::Complete(_)));
    assert_eq!(receive(&mut table, 2, &oldest, START), Outcome::Incomplete);
}

#[test]
fn a_datagram_longer_than_a_packet_is_dropped() {
    let packet = whole(false, 65_515);
    let mut table = Reassembly::default();
    receive(&mut table, 1, &cut(&packet, 1, 0, 65_512), START);
    // The last fragment ends 20 bytes behind the longest payload of a packet with this header.
    let mut last = cut(&whole(false, 16), 1, 8, 16);
    put_short(&mut last, 6, 65_512 / 8);
    packet::seal(&mut last[..20], 8);
    assert_eq!(receive(&mut table, 1, &last, START), Outcome::Dropped);
    assert_eq!(table.bytes, 0);
}

#[test]
fn the_datagrams_of_a_removed_peer_are_dropped() {
    let mut table = Reassembly::default();
    receive(&mut table, 1, &cut(&whole(false, 64), 1, 0, 32), START);
    receive(&mut table, 2, &cut(&whole(false, 64), 1, 0, 32), START);
    table.remove(1);
    assert_eq!((table.datagrams.len(), table.bytes > 0), (1, true));
}

#[test]
fn a_packet_without_room_for_its_payload_is_not_split() {
    let mut pieces = 0;
    assert!(!split(&parse(&whole(false, 64)).unwrap(), 27, 1, |_| pieces += 1));
    assert!(!split(&parse(&whole(true, 64)).unwrap(), 55, 1, |_| pieces += 1));
    let fragment = cut(&whole(true, 64), 1, 0, 32);
    assert!(!split(&parse(&fragment).unwrap(), 64, 1, |_| pieces += 1), "only its sender may");
    assert_eq!(pieces, 0);
}
