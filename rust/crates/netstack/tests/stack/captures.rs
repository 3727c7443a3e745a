//! Captures of what passes through a stack.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use netstack::CaptureError;
use netstack::capture::Limits;
use netstack::pcapng::Direction;

use crate::node::{TIMEOUT, pair};

/// The type of a packet's block, and where its fields are.
const PACKET: u32 = 6;
const LENGTH: usize = 20;
const OCTETS: usize = 28;

/// Return the packets of a capture with their directions.
fn packets(capture: &[u8]) -> Vec<(u32, Vec<u8>)> {
    let word = |at: usize| u32::from_le_bytes(capture[at..at + 4].try_into().unwrap());
    let (mut at, mut packets) = (0, Vec::new());
    while at < capture.len() {
        if word(at) == PACKET {
            let length = word(at + LENGTH) as usize;
            let flags = at + OCTETS + length.next_multiple_of(4) + 4;
            packets.push((word(flags), capture[at + OCTETS..][..length].to_vec()));
        }
        at += word(at + 4) as usize;
    }
    packets
}

#[test]
fn a_capture_has_what_passes_in_both_directions_and_ends_in_time() {
    let (first, second, listener) = pair();
    let limits = Limits { duration: Duration::from_secs(2), ..Limits::default() };
    let mut capture = UnixStream::from(first.stack.capture("wg0", limits).unwrap());
    capture.set_nonblocking(false).unwrap();
    capture.set_read_timeout(Some(TIMEOUT)).unwrap();
    assert!(matches!(first.stack.capture("wg0", limits), Err(CaptureError::Running)));
    let mut client = first.connect(&second, 80).unwrap();
    let (mut server, _) = listener.accept().unwrap();
    client.write_all(b"from the first").unwrap();
    server.read_exact(&mut [0; 14]).unwrap();
    server.write_all(b"from the second").unwrap();
    client.read_exact(&mut [0; 15]).unwrap();
    let mut octets = Vec::new();
    capture.read_to_end(&mut octets).unwrap();
    let packets = packets(&octets);
    for (direction, text) in [(Direction::Outbound, "from the first"), (Direction::Inbound, "from the second")] {
        let has_text = |(at, packet): &(u32, Vec<u8>)| *at == direction as u32 && packet.ends_with(text.as_bytes());
        assert!(packets.iter().any(has_text), "{text}");
    }
    drop(first.stack.capture("wg0", limits).unwrap());
}
