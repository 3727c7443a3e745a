//! What a connection is configured with.

use crate::congestion::Algorithm;
use crate::pool::Pool;

/// The settings of a connection.
#[derive(Debug, Clone)]
pub struct Config {
    /// The greatest payload of a segment by the path's MTU: MTU − 40 for IPv4, MTU − 60 for IPv6, in bytes.
    pub mss: u16,
    /// The least value that is believed of the other side's MSS option: 536 for IPv4, 1220 for IPv6.
    pub min_mss: u16,
    /// How the congestion window is found.
    pub algorithm: Algorithm,
    /// The greatest size of the receive window and of the send buffer, each, in bytes.
    pub max_buffer: usize,
    /// Their size at the start, in bytes.
    pub initial_buffer: usize,
    /// Whether timestamps are offered and accepted (RFC 7323).
    pub timestamps: bool,
    /// Whether selective acknowledgements are offered and accepted (RFC 2018).
    pub sack: bool,
    /// The start of the timestamp clock, from [`crate::isn::Generator::timestamp_offset`] (RFC 7323, section 7.1).
    pub timestamp_offset: u32,
    /// Where the blocks of the buffers come from.
    pub pool: Pool,
}

impl Default for Config {
    /// Return the settings of an IPv4 connection over a path whose MTU is 1,420 bytes.
    fn default() -> Self {
        Self {
            mss: 1380,
            min_mss: 536,
            algorithm: Algorithm::default(),
            max_buffer: 4 << 20,
            initial_buffer: 128 << 10,
            timestamps: true,
            sack: true,
            timestamp_offset: 0,
            pool: Pool::new(),
        }
    }
}
