//! Fragments in any order, with overlaps: what is given back has no gap and is a valid packet.

use std::time::Duration;

use netstack::fragments::{Outcome, Reassembly, split};
use netstack::packet::{self, Header};

use crate::script::Script;

const START: Duration = Duration::from_secs(100);

/// Run with steps: a fragment of one of few datagrams, or time that passes.
pub fn run(octets: &[u8]) {
    let mut script = Script(octets);
    let (mut table, mut now) = (Reassembly::default(), START);
    while !script.is_over() {
        let (kind, id) = (script.octet(), u32::from(script.octet()));
        if kind & 0xf0 == 0xf0 {
            now += Duration::from_secs(u64::from(kind & 15));
            for (_, first) in table.on_deadline(now) {
                assert!(packet::parse(&first).is_ok_and(|first| !first.is_later_fragment()));
            }
            continue;
        }
        let (length, mtu, number) = (script.short() % 3000, 60 + script.short() % 1400, usize::from(script.octet()));
        let whole = datagram(kind & 1 == 1, length, kind >> 1 & 1);
        let mut pieces = Vec::new();
        let packet = packet::parse(&whole).expect("a valid packet");
        assert!(split(&packet, mtu.into(), id, |piece| pieces.push(piece.to_vec())));
        assert!(pieces.iter().all(|piece| piece.len() <= mtu.into()));
        let piece = &pieces[number % pieces.len()];
        let piece = packet::parse(piece).expect("a valid fragment");
        if let Outcome::Complete(octets) = table.receive(kind >> 2 & 3, &piece, now) {
            let packet = packet::parse(&octets).expect("a valid packet");
            assert_eq!(packet.fragment, None);
            assert!(is_content(packet.payload()), "a gap");
        }
    }
    table.on_deadline(now + Duration::from_secs(30));
    assert_eq!(table.next_deadline(), None);
}

/// Return a packet whose content tells its length and which of two it is.
fn datagram(is_v6: bool, length: u16, which: u8) -> Vec<u8> {
    let (source, destination) = if is_v6 { ("fd00::2", "2001:db8::1") } else { ("10.0.0.2", "192.0.2.1") };
    let (source, destination) = (source.parse().expect("an address"), destination.parse().expect("an address"));
    let mut out = Vec::new();
    Header { source, destination, protocol: 99, ttl: 9, tos: 0, dont_fragment: false }.write(length.into(), &mut out);
    out.extend((0..length).map(|_| which + 1));
    out
}

/// Return whether all octets came from a sender: none is left as it was before its fragment came.
fn is_content(payload: &[u8]) -> bool {
    payload.iter().all(|octet| (1..=2).contains(octet))
}
