//! Initial sequence numbers and timestamp offsets that nobody outside the path can guess (RFC 6528; RFC 7323, section 5.4).

use core::net::SocketAddr;

use crate::siphash::{Key, hash};
use crate::time::Time;

/// The clock of sequence numbers ticks each 4 microseconds (RFC 9293, section 3.4.1), or once in 2^12 nanoseconds here.
const TICK_SHIFT: u32 = 12;
/// The size of the hashed bytes: two addresses and ports, and one byte that separates the uses.
const INPUT_LEN: usize = 37;

/// A generator with a secret key.
#[derive(Clone)]
pub struct Generator {
    key: Key,
}

impl core::fmt::Debug for Generator {
    /// Show the type alone: the key is secret.
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        formatter.write_str("Generator")
    }
}

impl Generator {
    /// Create a generator; the key is random.
    #[must_use]
    pub const fn new(key: [u8; 16]) -> Self {
        Self { key }
    }

    /// Return the initial sequence number of a connection: ISN = M + F(addresses, ports, key), where M is a clock
    /// (RFC 6528, section 3).
    #[must_use]
    pub fn initial_sequence(&self, local: SocketAddr, remote: SocketAddr, now: Time) -> u32 {
        let clock = (now.as_nanos() >> TICK_SHIFT) as u32;
        clock.wrapping_add(self.hash(0, local, remote))
    }

    /// Return the offset of the timestamp clock. It depends on the addresses alone, so that a new connection between the
    /// same hosts has later timestamps than the one before.
    #[must_use]
    pub fn timestamp_offset(&self, local: SocketAddr, remote: SocketAddr) -> u32 {
        let without_port = |address: SocketAddr| SocketAddr::new(address.ip(), 0);
        self.hash(1, without_port(local), without_port(remote))
    }

    fn hash(&self, usage: u8, local: SocketAddr, remote: SocketAddr) -> u32 {
        let mut input = [0; INPUT_LEN];
        input[0] = usage;
        put(&mut input[1..19], local);
        put(&mut input[19..], remote);
        hash(&self.key, &input) as u32
    }
}

fn put(bytes: &mut [u8], address: SocketAddr) {
    let ip = match address {
        SocketAddr::V4(address) => address.ip().to_ipv6_mapped(),
        SocketAddr::V6(address) => *address.ip(),
    };
    bytes[..16].copy_from_slice(&ip.octets());
    bytes[16..].copy_from_slice(&address.port().to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::time::Duration;

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn numbers_of_one_connection_follow_the_clock_and_those_of_others_differ() {
        let generator = Generator::new([7; 16]);
        let (local, remote) = (address("10.0.0.1:80"), address("10.0.0.2:4000"));
        let number = |remote, now| generator.initial_sequence(local, remote, now);
        let first = number(remote, Time::ZERO);
        let later = number(remote, Time::ZERO + Duration::from_micros(4096));
        assert_eq!(later.wrapping_sub(first), 1000, "about one each 4 microseconds");
        assert_ne!(first, number(address("10.0.0.2:4001"), Time::ZERO));
        assert_ne!(first, Generator::new([8; 16]).initial_sequence(local, remote, Time::ZERO));
    }

    #[test]
    fn a_timestamp_offset_is_the_same_for_all_ports_of_two_hosts() {
        let generator = Generator::new([7; 16]);
        let offset = |local, remote| generator.timestamp_offset(address(local), address(remote));
        assert_eq!(offset("[fd00::1]:80", "[fd00::2]:1"), offset("[fd00::1]:81", "[fd00::2]:2"));
        assert_ne!(offset("[fd00::1]:80", "[fd00::2]:1"), offset("[fd00::1]:80", "[fd00::3]:1"));
    }
}
