//! The virtio header that precedes a packet on a TUN opened with IFF_VNET_HDR (virtio 1.2, section 5.1.6).

/// Size of the header (`struct virtio_net_hdr`).
pub const HEADER_BYTES: usize = 10;

const NEEDS_CSUM: u8 = 1;
const GSO_NONE: u8 = 0;
const GSO_TCPV4: u8 = 1;
const GSO_TCPV6: u8 = 4;
const GSO_UDP_L4: u8 = 5;

/// The kind of the segments of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gso {
    /// One packet, not segmented.
    None,
    /// TCP over IPv4.
    Tcp4,
    /// TCP over IPv6.
    Tcp6,
    /// UDP over either.
    Udp,
}

/// The fields of the header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Virtio {
    /// The position of a partial transport checksum; `None` if it is complete.
    pub checksum: Option<Checksum>,
    /// The kind of segmentation to apply.
    pub gso: Gso,
    /// Octets of payload of each segment except the last.
    pub segment_bytes: u16,
    /// Octets of all headers; a hint only, since the kernel's value may be wrong for forwarded packets.
    pub header_bytes: u16,
}

/// A checksum still to be computed; its field holds the sum of the pseudo-header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Checksum {
    /// Offset of the first octet that it covers.
    pub start: u16,
    /// Offset of its field from there.
    pub offset: u16,
}

impl Virtio {
    /// A complete packet that is not segmented.
    pub const PLAIN: Self = Self { checksum: None, gso: Gso::None, segment_bytes: 0, header_bytes: 0 };

    /// Parse the header of a packet. `None` for a kind of segmentation that was not enabled.
    #[must_use]
    pub fn parse(octets: [u8; HEADER_BYTES]) -> Option<Self> {
        let [flags, gso, h0, h1, s0, s1, c0, c1, o0, o1] = octets;
        let gso = match gso {
            GSO_NONE => Gso::None,
            GSO_TCPV4 => Gso::Tcp4,
            GSO_TCPV6 => Gso::Tcp6,
            GSO_UDP_L4 => Gso::Udp,
            _ => return None,
        };
        let checksum = Checksum { start: u16::from_ne_bytes([c0, c1]), offset: u16::from_ne_bytes([o0, o1]) };
        Some(Self {
            checksum: (flags & NEEDS_CSUM != 0).then_some(checksum),
            gso,
            segment_bytes: u16::from_ne_bytes([s0, s1]),
            header_bytes: u16::from_ne_bytes([h0, h1]),
        })
    }

    /// Encode the header.
    #[must_use]
    pub fn encode(&self) -> [u8; HEADER_BYTES] {
        let gso = match self.gso {
            Gso::None => GSO_NONE,
            Gso::Tcp4 => GSO_TCPV4,
            Gso::Tcp6 => GSO_TCPV6,
            Gso::Udp => GSO_UDP_L4,
        };
        let Checksum { start, offset } = self.checksum.unwrap_or(Checksum { start: 0, offset: 0 });
        let [h0, h1] = self.header_bytes.to_ne_bytes();
        let [s0, s1] = self.segment_bytes.to_ne_bytes();
        let [c0, c1] = start.to_ne_bytes();
        let [o0, o1] = offset.to_ne_bytes();
        [if self.checksum.is_some() { NEEDS_CSUM } else { 0 }, gso, h0, h1, s0, s1, c0, c1, o0, o1]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_parsed_header_encodes_to_an_equivalent_one(octets: [u8; HEADER_BYTES]) {
            if let Some(header) = Virtio::parse(octets) {
                prop_assert_eq!(Virtio::parse(header.encode()), Some(header));
            }
        }
    }
}
