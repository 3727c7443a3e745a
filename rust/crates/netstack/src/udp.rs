//! Datagrams of UDP that this host sends to the inner side (RFC 768).

use std::net::SocketAddr;

use device::packet::checksum;

use crate::packet::{self, Header, UDP_BYTES, protocol, put_short};

/// The longest payload: what an IPv4 packet can carry.
pub(crate) const MAX_PAYLOAD: usize = 65_507;
/// The hops of a datagram (IANA's recommended default).
const TTL: u8 = 64;

/// The headers of a datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Datagram {
    ip: Header,
    ports: (u16, u16),
}

impl Datagram {
    /// Return the headers of a datagram from `source` to `destination`, which are of one family.
    pub(crate) fn new(source: SocketAddr, destination: SocketAddr) -> Self {
        let ip = Header {
            source: source.ip(),
            destination: destination.ip(),
            protocol: protocol::UDP,
            ttl: TTL,
            tos: 0,
            dont_fragment: false,
        };
        Self { ip, ports: (source.port(), destination.port()) }
    }

    /// Return the same with other hops and another type of service.
    pub(crate) fn with(self, ttl: u8, tos: u8) -> Self {
        Self { ip: Header { ttl, tos, ..self.ip }, ..self }
    }

    /// Return the octets of the packet with a payload of `length`.
    pub(crate) fn bytes(&self, length: usize) -> usize {
        self.ip.bytes() + UDP_BYTES + length
    }

    /// Write the packet into `out`, which has its size.
    ///
    /// # Panics
    /// `out` has another size.
    pub(crate) fn put(&self, payload: &[u8], out: &mut [u8]) {
        let length = UDP_BYTES + payload.len();
        let (header, datagram) = out.split_at_mut(self.ip.bytes());
        self.ip.put(length, header);
        let (udp, rest) = datagram.split_at_mut(UDP_BYTES);
        for (at, value) in [(0, self.ports.0), (2, self.ports.1), (4, length as u16), (6, 0)] {
            put_short(udp, at, value);
        }
        let start = packet::pseudo_header(self.ip.source, self.ip.destination, protocol::UDP, length);
        let field = checksum::field(checksum::copy(checksum::add(start, udp), payload, rest));
        // A computed zero is sent as ones: zero stands for no checksum (RFC 768).
        udp[6..].copy_from_slice(if field == [0, 0] { &[0xff, 0xff] } else { &field });
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::packet::Transport;

    proptest! {
        #[test]
        fn a_datagram_is_read_as_it_was_written(
            is_v6: bool,
            ports: (u16, u16),
            content in prop::collection::vec(any::<u8>(), 0..2000),
        ) {
            let (one, other) = if is_v6 { ("fd00::1", "fd00::2") } else { ("10.0.0.1", "10.0.0.2") };
            let ends = (SocketAddr::new(one.parse().unwrap(), ports.0), SocketAddr::new(other.parse().unwrap(), ports.1));
            let datagram = Datagram::new(ends.0, ends.1);
            let mut out = vec![0xaa; datagram.bytes(content.len())];
            datagram.put(&content, &mut out);
            let read = packet::parse(&out).unwrap();
            prop_assert_eq!((read.source, read.destination), (ends.0.ip(), ends.1.ip()));
            prop_assert_eq!((read.ttl, read.octets.len()), (TTL, out.len()));
            let expected = Transport::Udp { source: ports.0, destination: ports.1, payload: &content };
            prop_assert_eq!(read.transport(), Ok(expected));
        }
    }
}
