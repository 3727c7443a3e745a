//! Control messages of a datagram: its local address, IP_PKTINFO (ip(7)) or IPV6_PKTINFO (RFC 3542, section 6), and the
//! segment size of a batch, UDP_SEGMENT and UDP_GRO (udp(7)).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use proto::endpoint::Local;

/// `struct cmsghdr`: a length (size_t), a level and a kind (int), padded to the size of the length.
const HEADER_BYTES: usize = aligned(size_of::<usize>() + 2 * size_of::<libc::c_int>());
/// Space for the control messages of one datagram: an IPV6_PKTINFO takes 40 octets on 64-bit machines, a UDP_GRO 24.
pub(super) const CONTROL_BYTES: usize = 64;

/// The control messages of one datagram.
#[repr(C, align(8))]
#[derive(Clone, Copy)]
pub(super) struct Control<const BYTES: usize = CONTROL_BYTES> {
    pub(super) bytes: [u8; BYTES],
    /// Octets in use.
    pub(super) len: usize,
}

const fn aligned(len: usize) -> usize {
    len.next_multiple_of(size_of::<usize>())
}

impl Control {
    /// No message.
    pub(super) const EMPTY: Self = Self { bytes: [0; CONTROL_BYTES], len: 0 };

    /// Request `local` as the source. The link is named only for link-local addresses, which are ambiguous without it;
    /// otherwise routing selects the link, so that the address stays usable after a change of route.
    pub(super) fn from_source(local: Local) -> Self {
        let mut control = Self::EMPTY;
        match local.address {
            IpAddr::V4(v4) => {
                // struct in_pktinfo: link index, source address, header address (not used when sending).
                let mut info = [0; 12];
                info[4..8].copy_from_slice(&v4.octets());
                control.push(libc::IPPROTO_IP, libc::IP_PKTINFO, &info);
            }
            IpAddr::V6(v6) => {
                // struct in6_pktinfo: address, link index.
                let mut info = [0; 20];
                info[..16].copy_from_slice(&v6.octets());
                if v6.is_unicast_link_local() {
                    info[16..].copy_from_slice(&local.interface.to_ne_bytes());
                }
                control.push(libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, &info);
            }
        }
        control
    }
}

impl<const BYTES: usize> Control<BYTES> {
    /// Return space without a message.
    pub(super) fn empty() -> Self {
        Self { bytes: [0; BYTES], len: 0 }
    }

    /// Return the address that a received datagram was sent to, or `None` for a multicast group, which cannot be a
    /// source.
    pub(super) fn parse_local(&self) -> Option<Local> {
        self.messages().find_map(|(level, kind, data)| match (level, kind) {
            (libc::IPPROTO_IP, libc::IP_PKTINFO) => Some(parse_v4(data)),
            (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => Some(parse_v6(data)),
            _ => None,
        })?
    }

    /// Return the size of each datagram, except the last, of a batch that the kernel coalesced.
    pub(super) fn parse_stride(&self) -> Option<usize> {
        let size = self.messages().find(|(level, kind, _)| (*level, *kind) == (libc::SOL_UDP, libc::UDP_GRO))?.2;
        usize::try_from(i32::from_ne_bytes(word(size, 0)?)).ok().filter(|stride| *stride > 0)
    }

    /// Request the kernel to segment the payload into datagrams of `stride` octets.
    pub(super) fn segment(&mut self, stride: usize) {
        self.push(libc::SOL_UDP, libc::UDP_SEGMENT, &(stride as u16).to_ne_bytes());
    }

    /// Yield level, kind and content of each message.
    pub(super) fn messages(&self) -> impl Iterator<Item = (libc::c_int, libc::c_int, &[u8])> {
        let mut rest = self.bytes.get(..self.len).unwrap_or_default();
        std::iter::from_fn(move || {
            let len = word::<{ size_of::<usize>() }>(rest, 0).map(usize::from_ne_bytes)?;
            let level = word(rest, size_of::<usize>()).map(i32::from_ne_bytes)?;
            let kind = word(rest, size_of::<usize>() + 4).map(i32::from_ne_bytes)?;
            let data = rest.get(HEADER_BYTES..len)?;
            rest = rest.get(aligned(len)..).unwrap_or_default();
            Some((level, kind, data))
        })
    }

    /// Append a message.
    ///
    /// # Panics
    /// There is no space for it.
    pub(super) fn push(&mut self, level: libc::c_int, kind: libc::c_int, data: &[u8]) {
        let len = HEADER_BYTES + data.len();
        let message = &mut self.bytes[self.len..][..aligned(len)];
        message[..size_of::<usize>()].copy_from_slice(&len.to_ne_bytes());
        message[size_of::<usize>()..][..4].copy_from_slice(&level.to_ne_bytes());
        message[size_of::<usize>() + 4..][..4].copy_from_slice(&kind.to_ne_bytes());
        message[HEADER_BYTES..len].copy_from_slice(data);
        self.len += aligned(len);
    }
}

pub(super) fn word<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at + N)?.try_into().ok()
}

/// Return the second field (ipi_spec_dst): our address to reply from, also when the header named a broadcast address.
fn parse_v4(info: &[u8]) -> Option<Local> {
    let address = Ipv4Addr::from(word::<4>(info, 4)?);
    let usable = !address.is_unspecified() && !address.is_multicast();
    usable.then_some(Local { address: address.into(), interface: u32::from_ne_bytes(word(info, 0)?) })
}

fn parse_v6(info: &[u8]) -> Option<Local> {
    let address = Ipv6Addr::from(word::<16>(info, 0)?);
    let usable = !address.is_unspecified() && !address.is_multicast();
    usable.then_some(Local { address: address.into(), interface: u32::from_ne_bytes(word(info, 16)?) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_link_local_source_names_its_link() {
        let near = Local { address: "fe80::1".parse().unwrap(), interface: 7 };
        assert_eq!(Control::from_source(near).parse_local(), Some(near));
    }

    #[test]
    fn other_sources_leave_the_link_to_routing() {
        for address in ["192.0.2.1", "2001:db8::1"] {
            let near = Local { address: address.parse().unwrap(), interface: 7 };
            assert_eq!(Control::from_source(near).parse_local(), Some(Local { interface: 0, ..near }));
        }
    }

    #[test]
    fn a_multicast_group_is_not_a_source() {
        for address in ["224.0.0.1", "ff02::1", "0.0.0.0", "::"] {
            let near = Local { address: address.parse().unwrap(), interface: 7 };
            assert_eq!(Control::from_source(near).parse_local(), None);
        }
    }

    #[test]
    fn preceding_messages_are_skipped() {
        let near = Local { address: "192.0.2.1".parse().unwrap(), interface: 0 };
        let mut control = Control::EMPTY;
        control.push(libc::SOL_UDP, libc::UDP_GRO, &1420i32.to_ne_bytes());
        let source = Control::from_source(near);
        control.bytes[control.len..][..source.len].copy_from_slice(&source.bytes[..source.len]);
        control.len += source.len;
        assert_eq!((control.parse_local(), control.parse_stride()), (Some(near), Some(1420)));
    }

    proptest! {
        #[test]
        fn arbitrary_octets_parse_without_panic(bytes: [u8; 32], claimed in 0usize..64, len in 0usize..80) {
            let mut control = Control { len, ..Control::EMPTY };
            control.bytes[..32].copy_from_slice(&bytes);
            control.bytes[..size_of::<usize>()].copy_from_slice(&claimed.to_ne_bytes());
            prop_assert!(len <= CONTROL_BYTES || control.parse_local().is_none());
        }
    }
}
