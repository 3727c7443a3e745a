//! Segments as they stand in an IP packet (RFC 9293, section 3.1), and their checksum.
//!
//! Urgent data is not supported: the flag and the pointer are ignored, and the bytes are data like any other.

use core::net::{Ipv4Addr, Ipv6Addr};
use core::ops::{BitOr, BitOrAssign};

use crate::checksum::Sum;
use crate::options::Options;
use crate::seq::Seq;

/// The size of a header without options, in bytes.
pub const HEADER_LEN: usize = 20;

const PROTOCOL: u8 = 6;

/// The flags of a segment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Flags(u8);

impl Flags {
    /// No flag.
    pub const NONE: Self = Self(0);
    /// The sender has no more data.
    pub const FIN: Self = Self(1);
    /// The sequence numbers start here.
    pub const SYN: Self = Self(2);
    /// The connection is reset.
    pub const RST: Self = Self(4);
    /// The receiver passes what it has to its application.
    pub const PSH: Self = Self(8);
    /// The acknowledgement number is valid.
    pub const ACK: Self = Self(16);

    /// Return whether all flags of `other` are set.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Return whether any flag of `other` is set.
    #[must_use]
    pub const fn intersects(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

impl BitOr for Flags {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitOrAssign for Flags {
    fn bitor_assign(&mut self, other: Self) {
        *self = *self | other;
    }
}

/// The ports of a connection, as seen from one side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Ports {
    /// The port of this side.
    pub local: u16,
    /// The port of the other side.
    pub remote: u16,
}

/// The addresses of a packet, for the pseudo-header of the checksum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Addresses {
    /// IPv4.
    V4 {
        /// The source address.
        source: Ipv4Addr,
        /// The destination address.
        destination: Ipv4Addr,
    },
    /// IPv6.
    V6 {
        /// The source address.
        source: Ipv6Addr,
        /// The destination address.
        destination: Ipv6Addr,
    },
}

impl Addresses {
    /// Return the sum of the pseudo-header of a segment of `len` bytes.
    fn sum(&self, len: usize) -> Sum {
        let mut sum = Sum::default();
        match self {
            Self::V4 { source, destination } => {
                sum.add(&source.octets());
                sum.add(&destination.octets());
            }
            Self::V6 { source, destination } => {
                sum.add(&source.octets());
                sum.add(&destination.octets());
            }
        }
        sum.add(&(len as u32).to_be_bytes());
        sum.add(&[0, PROTOCOL]);
        sum
    }
}

/// The header of a segment. The window is the value of the field, so already scaled down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// The port of the sender.
    pub source_port: u16,
    /// The port of the receiver.
    pub destination_port: u16,
    /// The sequence number of the first byte, or of the SYN.
    pub seq: Seq,
    /// The next sequence number that the sender expects.
    pub ack: Seq,
    /// The flags.
    pub flags: Flags,
    /// The window, as in the field.
    pub window: u16,
    /// The options.
    pub options: Options,
}

/// A segment as it was received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segment<'a> {
    /// The header.
    pub header: Header,
    /// The data.
    pub payload: &'a [u8],
}

impl Segment<'_> {
    /// Return how many sequence numbers the segment takes: its payload, SYN and FIN (SEG.LEN).
    #[must_use]
    pub fn sequence_len(&self) -> u32 {
        let flags = self.header.flags;
        self.payload.len() as u32 + u32::from(flags.contains(Flags::SYN)) + u32::from(flags.contains(Flags::FIN))
    }

    /// Return the header of the RST that answers a segment without a connection (RFC 9293, section 3.10.7.1).
    /// `None` if the segment is itself an RST.
    #[must_use]
    pub fn reset(&self) -> Option<Header> {
        let header = &self.header;
        if header.flags.contains(Flags::RST) {
            return None;
        }
        let (seq, ack, flags) = if header.flags.contains(Flags::ACK) {
            (header.ack, Seq(0), Flags::RST)
        } else {
            (Seq(0), header.seq + self.sequence_len(), Flags::RST | Flags::ACK)
        };
        Some(Header {
            source_port: header.destination_port,
            destination_port: header.source_port,
            seq,
            ack,
            flags,
            window: 0,
            options: Options::default(),
        })
    }
}

/// Why bytes are no segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Malformed {
    /// There are fewer bytes than the header says.
    Truncated,
    /// The checksum is wrong.
    Checksum,
    /// An option has an invalid length.
    Options,
}

/// Parse the payload of an IP packet, and verify its checksum.
///
/// # Errors
/// The bytes are cut off, damaged, or have malformed options.
pub fn parse<'a>(bytes: &'a [u8], addresses: &Addresses) -> Result<Segment<'a>, Malformed> {
    let (fixed, rest) = bytes.split_first_chunk::<HEADER_LEN>().ok_or(Malformed::Truncated)?;
    let header_len = usize::from(fixed[12] >> 4) * 4;
    let options_len = header_len.checked_sub(HEADER_LEN).ok_or(Malformed::Truncated)?;
    let (options, payload) = rest.split_at_checked(options_len).ok_or(Malformed::Truncated)?;
    let mut sum = addresses.sum(bytes.len());
    sum.add(bytes);
    if sum.checksum() != 0 {
        return Err(Malformed::Checksum);
    }
    let be16 = |at| u16::from_be_bytes([fixed[at], fixed[at + 1]]);
    let be32 = |at| u32::from_be_bytes([fixed[at], fixed[at + 1], fixed[at + 2], fixed[at + 3]]);
    let header = Header {
        source_port: be16(0),
        destination_port: be16(2),
        seq: Seq(be32(4)),
        ack: Seq(be32(8)),
        flags: Flags(fixed[13] & 0x1f),
        window: be16(14),
        options: Options::parse(options).ok_or(Malformed::Options)?,
    };
    Ok(Segment { header, payload })
}

/// Return the size of a segment, in bytes.
#[must_use]
pub fn size(header: &Header, payload: (&[u8], &[u8])) -> usize {
    HEADER_LEN + header.options.encoded_len() + payload.0.len() + payload.1.len()
}

/// Write a segment to the start of `out`, with its checksum: the payload, given in two parts, is copied and summed in
/// one pass. Return the size of the segment, or `None` if `out` is too small or the segment is larger than a packet.
#[must_use]
pub fn write(header: &Header, payload: (&[u8], &[u8]), addresses: &Addresses, out: &mut [u8]) -> Option<usize> {
    let (options, options_len) = header.options.encode();
    let header_len = HEADER_LEN + options_len;
    let len = header_len + payload.0.len() + payload.1.len();
    if len > usize::from(u16::MAX) {
        return None;
    }
    let (head, data) = out.get_mut(..len)?.split_at_mut(header_len);
    head[0..2].copy_from_slice(&header.source_port.to_be_bytes());
    head[2..4].copy_from_slice(&header.destination_port.to_be_bytes());
    head[4..8].copy_from_slice(&header.seq.0.to_be_bytes());
    head[8..12].copy_from_slice(&header.ack.0.to_be_bytes());
    head[12..14].copy_from_slice(&[(header_len as u8 / 4) << 4, header.flags.0]);
    head[14..16].copy_from_slice(&header.window.to_be_bytes());
    head[16..20].fill(0);
    head[20..].copy_from_slice(&options[..options_len]);
    let mut sum = addresses.sum(len);
    sum.add(head);
    let (first, second) = data.split_at_mut(payload.0.len());
    sum.copy(payload.0, first);
    sum.copy(payload.1, second);
    head[16..18].copy_from_slice(&sum.checksum().to_be_bytes());
    Some(len)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::{SackBlock, Timestamps};
    use proptest::prelude::*;

    const V4: Addresses = Addresses::V4 { source: Ipv4Addr::new(10, 0, 0, 1), destination: Ipv4Addr::new(10, 0, 0, 2) };

    fn header(flags: Flags) -> Header {
        Header {
            source_port: 4096,
            destination_port: 80,
            seq: Seq(1000),
            ack: Seq(77),
            flags,
            window: 512,
            options: Options::default(),
        }
    }

    #[test]
    fn a_segment_with_every_option_of_a_syn_is_encoded_byte_for_byte() {
        let options = Options {
            mss: Some(1460),
            window_scale: Some(7),
            sack_permitted: true,
            timestamps: Some(Timestamps { value: 1, echo: 2 }),
            ..Options::default()
        };
        let mut out = [0; 64];
        let len = write(&Header { options, ..header(Flags::SYN) }, (&[], &[]), &V4, &mut out).unwrap();
        assert_eq!(len, 20 + 24);
        assert_eq!(out[12..14], [11 << 4, 2]);
        assert_eq!(
            out[20..44],
            [2, 4, 5, 180, 1, 3, 3, 7, 1, 1, 4, 2, 1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2],
            "kinds 2, 3, 4, 8 with padding before them"
        );
        assert_eq!(parse(&out[..len], &V4).unwrap().header.options, options);
    }

    #[test]
    fn damaged_and_short_segments_are_refused() {
        let mut out = [0; 64];
        let len = write(&header(Flags::ACK), (b"data", b""), &V4, &mut out).unwrap();
        for end in 0..HEADER_LEN {
            assert_eq!(parse(&out[..end], &V4), Err(Malformed::Truncated));
        }
        for byte in 0..len {
            let mut damaged = out;
            damaged[byte] ^= 0x40;
            assert!(parse(&damaged[..len], &V4).is_err(), "bit of byte {byte}");
        }
        assert_eq!(write(&header(Flags::ACK), (b"data", b""), &V4, &mut out[..23]), None);
        assert_eq!(write(&header(Flags::ACK), (&[0; 65_516], b""), &V4, &mut [0; 70_000]), None);
    }

    /// RFC 9293, section 3.10.7.1.
    #[test]
    fn an_rst_answers_by_the_acknowledgement_or_the_sequence_number() {
        let syn = Segment { header: header(Flags::SYN), payload: b"abc" };
        let reset = syn.reset().unwrap();
        assert_eq!((reset.seq, reset.ack, reset.flags), (Seq(0), Seq(1004), Flags::RST | Flags::ACK));
        let ack = Segment { header: header(Flags::ACK), payload: b"" };
        let reset = ack.reset().unwrap();
        assert_eq!((reset.seq, reset.flags), (Seq(77), Flags::RST));
        assert_eq!((reset.source_port, reset.destination_port), (80, 4096));
        assert_eq!(Segment { header: header(Flags::RST), payload: b"" }.reset(), None);
    }

    proptest! {
        #[test]
        fn any_segment_survives_encoding(
            first in prop::collection::vec(any::<u8>(), 0..200),
            second in prop::collection::vec(any::<u8>(), 0..200),
            blocks in prop::collection::vec((any::<u32>(), any::<u32>()), 0..4),
            v6: bool,
        ) {
            let addresses = if v6 {
                Addresses::V6 { source: Ipv6Addr::LOCALHOST, destination: Ipv6Addr::UNSPECIFIED }
            } else {
                V4
            };
            let mut options = Options { timestamps: Some(Timestamps { value: 5, echo: 6 }), ..Options::default() };
            for (start, end) in blocks {
                options.sack.push(SackBlock { start: Seq(start), end: Seq(end) });
            }
            let sent = Header { options, ..header(Flags::ACK | Flags::PSH) };
            let mut out = vec![0; 600];
            let len = write(&sent, (&first, &second), &addresses, &mut out).unwrap();
            let received = parse(&out[..len], &addresses).unwrap();
            prop_assert_eq!(received.header, sent);
            prop_assert_eq!(received.payload, [first, second].concat());
        }

        #[test]
        fn no_bytes_make_the_parser_panic(bytes in prop::collection::vec(any::<u8>(), 0..120)) {
            let _ = parse(&bytes, &V4);
            let _ = Options::parse(&bytes);
        }
    }
}
