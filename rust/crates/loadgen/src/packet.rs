//! The one packet that a peer sends: UDP over IPv4, as large as the tunnel's MTU, with valid checksums, so that an engine
//! can coalesce a batch of them (GRO).

use std::net::Ipv4Addr;

/// Octets of the packet: the tunnel's MTU.
pub(crate) const PACKET_BYTES: usize = 1420;
/// Octets of the datagram that carries it: header, packet without padding (it fills the MTU), tag.
pub(crate) const DATAGRAM_BYTES: usize = 16 + PACKET_BYTES + 16;
/// The most packets in one send: what an IPv4 datagram of 65,507 octets holds (UDP_SEGMENT).
pub(crate) const BATCH_PACKETS: usize = 65_507 / DATAGRAM_BYTES;
/// The destination of all packets: an unassigned address, so that the host behind the engine drops them without an answer.
const SINK: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 99);
const IP_BYTES: usize = 20;
/// RFC 863, discard.
const PORT: u16 = 9;
const UDP: u8 = 17;

/// Return the address of a peer inside the tunnel.
pub(crate) fn inner(number: u32) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(Ipv4Addr::new(10, 64, 0, 0)) + number)
}

/// Build the packet of a peer with this address.
pub(crate) fn from(source: Ipv4Addr) -> Vec<u8> {
    let mut packet = vec![0x57; PACKET_BYTES];
    packet[..IP_BYTES].fill(0);
    packet[0] = 0x45;
    packet[2..4].copy_from_slice(&(PACKET_BYTES as u16).to_be_bytes());
    packet[6] = 0x40; // don't fragment
    packet[8] = 64;
    packet[9] = UDP;
    packet[12..16].copy_from_slice(&source.octets());
    packet[16..20].copy_from_slice(&SINK.octets());
    let ip_sum = !sum(0, &packet[..IP_BYTES]);
    packet[10..12].copy_from_slice(&ip_sum.to_be_bytes());

    let udp_bytes = (PACKET_BYTES - IP_BYTES) as u16;
    for (at, field) in [PORT, PORT, udp_bytes, 0].into_iter().enumerate() {
        packet[IP_BYTES + 2 * at..][..2].copy_from_slice(&field.to_be_bytes());
    }
    let pseudo_header = sum(u32::from(UDP) + u32::from(udp_bytes), &packet[12..IP_BYTES]);
    let udp_sum = match !sum(u32::from(pseudo_header), &packet[IP_BYTES..]) {
        0 => u16::MAX,
        sum => sum,
    };
    packet[IP_BYTES + 6..IP_BYTES + 8].copy_from_slice(&udp_sum.to_be_bytes());
    packet
}

/// Compute the checksum of RFC 1071 over an even number of octets.
fn sum(initial: u32, octets: &[u8]) -> u16 {
    let words = octets.chunks_exact(2).map(|word| u32::from(u16::from_be_bytes([word[0], word[1]])));
    let mut total = initial + words.sum::<u32>();
    while total > 0xffff {
        total = (total & 0xffff) + (total >> 16);
    }
    total as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An engine coalesces only packets with valid checksums, and coalescing is part of what is measured.
    #[test]
    fn checksums_are_valid() {
        for number in [0, 1, 255, 256, 65_535] {
            let packet = from(inner(number));
            assert_eq!(sum(0, &packet[..20]), 0xffff);
            assert_eq!(sum(u32::from(UDP) + 1400, &packet[12..]), 0xffff);
        }
    }
}
