//! Socket addresses in the kernel's layout (ip(7), ipv6(7)).

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

/// Size of `struct sockaddr_in`.
const V4_BYTES: usize = 16;
/// Size of `struct sockaddr_in6`, the longer one.
pub(super) const ADDRESS_BYTES: usize = 28;

/// A `struct sockaddr_in` or `struct sockaddr_in6`.
#[repr(C, align(4))]
#[derive(Clone, Copy, Default)]
pub(super) struct Address {
    pub(super) bytes: [u8; ADDRESS_BYTES],
    pub(super) len: u32,
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Self {
        let mut bytes = [0; ADDRESS_BYTES];
        bytes[2..4].copy_from_slice(&address.port().to_be_bytes());
        let (family, len) = match address {
            SocketAddr::V4(v4) => {
                bytes[4..8].copy_from_slice(&v4.ip().octets());
                (libc::AF_INET, V4_BYTES)
            }
            SocketAddr::V6(v6) => {
                bytes[4..8].copy_from_slice(&v6.flowinfo().to_ne_bytes());
                bytes[8..24].copy_from_slice(&v6.ip().octets());
                bytes[24..28].copy_from_slice(&v6.scope_id().to_ne_bytes());
                (libc::AF_INET6, ADDRESS_BYTES)
            }
        };
        bytes[..2].copy_from_slice(&(family as libc::sa_family_t).to_ne_bytes());
        Self { bytes, len: len as u32 }
    }
}

impl Address {
    /// Return the address, or `None` for another family or a truncated one.
    pub(super) fn parse(&self) -> Option<SocketAddr> {
        let bytes = &self.bytes;
        let family = i32::from(u16::from_ne_bytes([bytes[0], bytes[1]]));
        let port = u16::from_be_bytes([bytes[2], bytes[3]]);
        let word = |at: usize| u32::from_ne_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        match (family, self.len as usize) {
            (libc::AF_INET, V4_BYTES..) => {
                let ip = Ipv4Addr::from([bytes[4], bytes[5], bytes[6], bytes[7]]);
                Some(SocketAddrV4::new(ip, port).into())
            }
            (libc::AF_INET6, ADDRESS_BYTES..) => {
                let ip = <[u8; 16]>::try_from(&bytes[8..24]).ok().map(Ipv6Addr::from)?;
                Some(SocketAddrV6::new(ip, port, 0, word(24)).into())
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn an_address_round_trips(v4: bool, ip: u128, port: u16, scope: u32) {
            let address = if v4 {
                SocketAddr::from((Ipv4Addr::from(ip as u32), port))
            } else {
                SocketAddrV6::new(Ipv6Addr::from(ip), port, 0, scope).into()
            };
            prop_assert_eq!(Address::from(address).parse(), Some(address));
        }

        #[test]
        fn arbitrary_octets_parse_to_an_address_or_none(bytes: [u8; ADDRESS_BYTES], family in 0u8..12, len in 0u32..=28) {
            let mut address = Address { bytes, len };
            address.bytes[..2].copy_from_slice(&u16::from(family).to_ne_bytes());
            let shortest = match i32::from(family) { libc::AF_INET => 16, libc::AF_INET6 => 28, _ => u32::MAX };
            prop_assert_eq!(address.parse().is_some(), len >= shortest);
        }
    }
}
