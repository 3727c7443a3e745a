//! A packet of a TUN with any header: rejected, or split into packets that together carry the same octets.

use device::packet::split::Split;
use device::packet::virtio::{Gso, HEADER_BYTES, Virtio};

/// Limit of the packets of one split; more are not interesting.
const MAX: usize = 2000;

/// Run with a header and a packet.
pub fn run(octets: &[u8]) {
    let Some((header, packet)) = octets.split_first_chunk::<HEADER_BYTES>() else { return };
    let Some(virtio) = Virtio::parse(*header) else { return };
    assert_eq!(Virtio::parse(virtio.encode()), Some(virtio));
    let Some(split) = Split::plan(&virtio, packet) else { return };
    let parts: Vec<_> = (0..split.count().min(MAX)).map(|number| part(&split, number, packet)).collect();
    if virtio.gso == Gso::None {
        let changed = parts[0].iter().zip(packet).filter(|(a, b)| a != b).count();
        assert_eq!((parts.len(), parts[0].len()), (1, packet.len()));
        assert!(changed <= 2, "more than a checksum was changed");
    } else if split.count() <= MAX {
        check_segments(&parts, packet, virtio.segment_bytes.into());
    }
}

fn part(split: &Split, number: usize, packet: &[u8]) -> Vec<u8> {
    let mut out = vec![0xee; split.length(number) + 1];
    split.write(number, packet, &mut out);
    assert_eq!(out.pop(), Some(0xee), "written beyond its length");
    out
}

fn check_segments(parts: &[Vec<u8>], packet: &[u8], segment_bytes: usize) {
    let total: usize = parts.iter().map(Vec::len).sum();
    // Each part repeats the headers.
    let headers = if parts.len() == 1 { 0 } else { (total - packet.len()) / (parts.len() - 1) };
    let payload = parts.iter().flat_map(|part| &part[headers..]);
    assert!(parts.len() == 1 || payload.eq(&packet[headers..]), "the payload was changed");
    assert!(parts.iter().all(|part| parts.len() == 1 || part.len() - headers <= segment_bytes));
    if packet[0] >> 4 != 6 {
        for part in parts {
            assert_eq!(usize::from(part[2]) << 8 | usize::from(part[3]), part.len(), "the length in the IP header");
        }
    }
}
