//! Blocks of the capture format pcapng (draft-ietf-opsawg-pcapng), in little-endian order.

use std::time::Duration;

/// Packets begin with their IP header (LINKTYPE_RAW).
const LINK_TYPE: u16 = 101;
const SECTION: u32 = 0x0a0d_0d0a;
const INTERFACE: u32 = 1;
const STATISTICS: u32 = 5;
const PACKET: u32 = 6;
const MAGIC: u32 = 0x1a2b_3c4d;
/// Option codes of the interface, the packet and the statistics.
const IF_NAME: u16 = 2;
const IF_RESOLUTION: u16 = 9;
const PACKET_FLAGS: u16 = 2;
const RECEIVED: u16 = 4;
const DROPPED: u16 = 5;
/// Times are in nanoseconds.
const RESOLUTION: u8 = 9;
/// What a block adds to its body: type, length, and length again.
const BLOCK_BYTES: usize = 12;
/// The fields of a packet before its octets, and the options behind.
const PACKET_BYTES: usize = 20 + 8 + 4;

/// The direction of a packet, as in the flags of its block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From a peer.
    Inbound = 1,
    /// To a peer.
    Outbound = 2,
}

/// Append the blocks that a capture begins with: a section, and its one interface with a name.
pub fn begin(name: &str, out: &mut Vec<u8>) {
    block(SECTION, out, |out| {
        out.extend_from_slice(&MAGIC.to_le_bytes());
        out.extend_from_slice(&[1, 0, 0, 0]);
        out.extend_from_slice(&u64::MAX.to_le_bytes());
    });
    block(INTERFACE, out, |out| {
        out.extend_from_slice(&LINK_TYPE.to_le_bytes());
        out.extend_from_slice(&[0; 6]);
        option(IF_NAME, name.as_bytes(), out);
        option(IF_RESOLUTION, &[RESOLUTION], out);
        option(0, &[], out);
    });
}

/// Return the size of the block of a packet, in octets.
#[must_use]
pub const fn packet_bytes(octets: usize) -> usize {
    BLOCK_BYTES + PACKET_BYTES + octets.next_multiple_of(4)
}

/// Append the block of a packet; the time is since the Unix epoch.
pub fn packet(direction: Direction, time: Duration, octets: &[u8], out: &mut Vec<u8>) {
    block(PACKET, out, |out| {
        out.extend_from_slice(&0u32.to_le_bytes());
        put_time(time, out);
        out.extend_from_slice(&(octets.len() as u32).to_le_bytes());
        out.extend_from_slice(&(octets.len() as u32).to_le_bytes());
        out.extend_from_slice(octets);
        pad(octets.len(), out);
        option(PACKET_FLAGS, &(direction as u32).to_le_bytes(), out);
        option(0, &[], out);
    });
}

/// Append the block that a capture ends with: how many packets there were, and how many of them are missing.
pub fn end(time: Duration, received: u64, dropped: u64, out: &mut Vec<u8>) {
    block(STATISTICS, out, |out| {
        out.extend_from_slice(&0u32.to_le_bytes());
        put_time(time, out);
        option(RECEIVED, &received.to_le_bytes(), out);
        option(DROPPED, &dropped.to_le_bytes(), out);
        option(0, &[], out);
    });
}

fn block(kind: u32, out: &mut Vec<u8>, body: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&kind.to_le_bytes());
    out.extend_from_slice(&[0; 4]);
    body(out);
    let length = ((out.len() - start + 4) as u32).to_le_bytes();
    out.extend_from_slice(&length);
    out[start + 4..start + 8].copy_from_slice(&length);
}

/// Append a time in two halves, the upper one first.
fn put_time(time: Duration, out: &mut Vec<u8>) {
    let nanoseconds = time.as_nanos() as u64;
    out.extend_from_slice(&((nanoseconds >> 32) as u32).to_le_bytes());
    out.extend_from_slice(&(nanoseconds as u32).to_le_bytes());
}

fn option(code: u16, value: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&code.to_le_bytes());
    out.extend_from_slice(&(value.len() as u16).to_le_bytes());
    out.extend_from_slice(value);
    pad(value.len(), out);
}

/// Append zeros up to a multiple of four octets.
fn pad(length: usize, out: &mut Vec<u8>) {
    out.resize(out.len() + length.next_multiple_of(4) - length, 0);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_block_ends_with_its_length_and_is_aligned() {
        let mut out = Vec::new();
        begin("wg0", &mut out);
        for octets in 0..5 {
            let before = out.len();
            packet(Direction::Outbound, Duration::new(5, 7), &vec![9; octets], &mut out);
            assert_eq!(out.len() - before, packet_bytes(octets));
        }
        end(Duration::ZERO, 5, 0, &mut out);
        let (mut at, mut kinds) = (0, Vec::new());
        while at < out.len() {
            let word = |at: usize| u32::from_le_bytes(out[at..at + 4].try_into().unwrap());
            let length = word(at + 4) as usize;
            assert_eq!((length % 4, word(at + length - 4) as usize), (0, length));
            kinds.push(word(at));
            at += length;
        }
        assert_eq!(kinds, [SECTION, INTERFACE, PACKET, PACKET, PACKET, PACKET, PACKET, STATISTICS]);
    }
}
