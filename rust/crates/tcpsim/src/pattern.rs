//! The bytes that a side sends: each follows from its offset in the stream, so that a misplaced byte is found.

/// Return the byte of a stream at an offset.
#[must_use]
pub const fn byte_at(stream: u8, offset: u64) -> u8 {
    let mixed = (offset ^ ((stream as u64) << 56)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> 56) as u8
}

/// Write the bytes of a stream from an offset on.
pub fn fill(stream: u8, offset: u64, bytes: &mut [u8]) {
    for (byte, at) in bytes.iter_mut().zip(offset..) {
        *byte = byte_at(stream, at);
    }
}

/// Return the offset of the first byte that is not that of the stream.
#[must_use]
pub fn first_difference(stream: u8, offset: u64, bytes: &[u8]) -> Option<u64> {
    bytes.iter().zip(offset..).find(|&(&byte, at)| byte != byte_at(stream, at)).map(|(_, at)| at)
}
