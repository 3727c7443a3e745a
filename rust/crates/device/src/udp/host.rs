//! Datagram sockets of this host that are not connected, for traffic that is passed on: of UDP, and of ICMP echo
//! (icmp(7)). The time to live, the type of service and the errors that routers report pass by control message, so that
//! both sides see what a router would have left of them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::ptr;

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, ipproto, sockopt};

use super::address::{ADDRESS_BYTES, Address};
use super::control::{Control, word};
use super::slots::{MAX_MESSAGES, Message, Slots, lengths};
use super::socket::{Family, last_errno};

/// Space for the control messages of one datagram. The longest are those of an error: the error with an address of IPv6,
/// a hop limit and a traffic class take 112 octets on 64-bit machines.
const CONTROL_BYTES: usize = 256;
/// The origin of an error that a message of ICMP reports (ip(7)).
const ORIGIN_ICMP: u8 = 2;
const ORIGIN_ICMPV6: u8 = 3;
/// Size of `struct sock_extended_err`, which the address of the sender of the error follows.
const ERROR_BYTES: usize = 16;

/// What a socket carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// UDP.
    Udp,
    /// ICMP echo. A payload is a message of ICMP, in which the kernel sets the identifier and the checksum.
    Echo,
}

/// A socket, which never waits.
#[derive(Debug)]
pub struct HostSocket {
    fd: OwnedFd,
    family: Family,
    dont_fragment: bool,
}

/// The fields of the IP header of a datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fields {
    /// Time to live, or hop limit.
    pub ttl: u8,
    /// Type of service or traffic class, with the bits of ECN.
    pub tos: u8,
    /// Whether it must not be fragmented, neither here nor on the way.
    pub dont_fragment: bool,
}

/// Datagrams that were received from one sender, stored one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Received {
    /// The sender.
    pub from: SocketAddr,
    /// The position of the first datagram in the storage of the inbox.
    pub start: usize,
    /// Octets of all datagrams.
    pub len: usize,
    /// Octets of each datagram except the last, which may be shorter.
    pub stride: usize,
    /// Time to live, or hop limit, as they came in.
    pub ttl: u8,
    /// Type of service or traffic class.
    pub tos: u8,
}

/// An error about a datagram that a socket sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueuedError {
    /// The number of the error.
    pub errno: Errno,
    /// The message of ICMP that reports it: type, code and the number behind the checksum; `None` if this host found it.
    pub icmp: Option<(u8, u8)>,
    /// What the error says besides: for EMSGSIZE the largest size of a packet.
    pub info: u32,
    /// Who reports it.
    pub from: Option<IpAddr>,
    /// Where the datagram was sent.
    pub destination: Option<SocketAddr>,
    /// Octets of its payload that the error quotes, at the beginning of the buffer.
    pub len: usize,
}

impl HostSocket {
    /// Open a socket, which is not bound.
    ///
    /// # Errors
    /// Those of socket(2) and setsockopt(2): EACCES for [`Kind::Echo`] if the group of this process is not within
    /// `net.ipv4.ping_group_range`.
    pub fn open(kind: Kind, family: Family) -> rustix::io::Result<Self> {
        let domain = match family {
            Family::V4 => AddressFamily::INET,
            Family::V6 => AddressFamily::INET6,
        };
        let protocol = match (kind, family) {
            (Kind::Udp, _) => ipproto::UDP,
            (Kind::Echo, Family::V4) => ipproto::ICMP,
            (Kind::Echo, Family::V6) => ipproto::ICMPV6,
        };
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let fd = rustix::net::socket_with(domain, SocketType::DGRAM, flags, Some(protocol))?;
        let socket = Self { fd, family, dont_fragment: false };
        socket.prepare(kind)?;
        Ok(socket)
    }

    fn prepare(&self, kind: Kind) -> rustix::io::Result<()> {
        match self.family {
            Family::V4 => {
                self.set_option(libc::IPPROTO_IP, libc::IP_RECVERR, 1)?;
                self.set_option(libc::IPPROTO_IP, libc::IP_RECVTTL, 1)?;
                self.set_option(libc::IPPROTO_IP, libc::IP_RECVTOS, 1)?;
                self.set_option(libc::IPPROTO_IP, libc::IP_MTU_DISCOVER, libc::IP_PMTUDISC_DONT)?;
            }
            Family::V6 => {
                sockopt::set_ipv6_v6only(&self.fd, true)?;
                self.set_option(libc::IPPROTO_IPV6, libc::IPV6_RECVERR, 1)?;
                self.set_option(libc::IPPROTO_IPV6, libc::IPV6_RECVHOPLIMIT, 1)?;
                self.set_option(libc::IPPROTO_IPV6, libc::IPV6_RECVTCLASS, 1)?;
            }
        }
        if kind == Kind::Udp {
            // Without it datagrams come one by one.
            let _ = self.set_option(libc::SOL_UDP, libc::UDP_GRO, 1);
        }
        Ok(())
    }

    /// Bind the socket to a port, or to a free one if it is 0.
    ///
    /// # Errors
    /// Those of bind(2).
    pub fn bind(&self, port: u16) -> rustix::io::Result<()> {
        let any = match self.family {
            Family::V4 => IpAddr::from(Ipv4Addr::UNSPECIFIED),
            Family::V6 => Ipv6Addr::UNSPECIFIED.into(),
        };
        rustix::net::bind(&self.fd, &SocketAddr::new(any, port))
    }

    /// Send a payload, as datagrams of `stride` octets if it is longer.
    ///
    /// # Errors
    /// Those of sendmsg(2). The error of an earlier datagram may be among them, for which [`take_error`] has an entry.
    pub fn send(&mut self, to: SocketAddr, payload: &[u8], stride: usize, fields: Fields) -> rustix::io::Result<()> {
        let mut control = self.control(fields)?;
        if payload.len() > stride {
            control.segment(stride);
        }
        let mut address = Address::from(to);
        let mut part = libc::iovec { iov_base: payload.as_ptr().cast_mut().cast(), iov_len: payload.len() };
        // SAFETY: all zero is a valid `msghdr`: null pointers and lengths of zero.
        let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
        message.msg_name = address.bytes.as_mut_ptr().cast();
        message.msg_namelen = address.len;
        message.msg_iov = &raw mut part;
        message.msg_iovlen = 1;
        message.msg_control = control.bytes.as_mut_ptr().cast();
        message.msg_controllen = control.len as _;
        // SAFETY: the header points to one address, one part and the control messages with their true lengths, and all
        // of them outlive the call, which only reads.
        let sent =
            unsafe { libc::sendmsg(self.fd.as_raw_fd(), &raw const message, libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL) };
        if sent < 0 { Err(last_errno()) } else { Ok(()) }
    }

    /// Return the control messages for the fields. IPv4 has none for DF, so that it is an option of the socket.
    fn control(&mut self, fields: Fields) -> rustix::io::Result<Control<CONTROL_BYTES>> {
        let mut control = Control::empty();
        let mut push = |level, kind, value: u8| control.push(level, kind, &i32::from(value).to_ne_bytes());
        match self.family {
            Family::V4 => {
                push(libc::IPPROTO_IP, libc::IP_TTL, fields.ttl);
                push(libc::IPPROTO_IP, libc::IP_TOS, fields.tos);
                if fields.dont_fragment != self.dont_fragment {
                    let value = if fields.dont_fragment { libc::IP_PMTUDISC_DO } else { libc::IP_PMTUDISC_DONT };
                    self.set_option(libc::IPPROTO_IP, libc::IP_MTU_DISCOVER, value)?;
                    self.dont_fragment = fields.dont_fragment;
                }
            }
            Family::V6 => {
                push(libc::IPPROTO_IPV6, libc::IPV6_HOPLIMIT, fields.ttl);
                push(libc::IPPROTO_IPV6, libc::IPV6_TCLASS, fields.tos);
                push(libc::IPPROTO_IPV6, libc::IPV6_DONTFRAG, fields.dont_fragment.into());
            }
        }
        Ok(control)
    }

    fn set_option(&self, level: libc::c_int, name: libc::c_int, value: libc::c_int) -> rustix::io::Result<()> {
        let len = size_of::<libc::c_int>() as libc::socklen_t;
        // SAFETY: `value` is an int that lives through the call, and `len` is its size.
        let result = unsafe { libc::setsockopt(self.fd.as_raw_fd(), level, name, ptr::from_ref(&value).cast(), len) };
        if result < 0 { Err(last_errno()) } else { Ok(()) }
    }
}

impl AsFd for HostSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Space for the datagrams of one call, reserved once. Only pages that were written count as memory used.
pub struct HostInbox {
    slots: Slots<CONTROL_BYTES>,
    received: Vec<Received>,
}

impl Default for HostInbox {
    fn default() -> Self {
        Self { slots: Slots::new(), received: Vec::with_capacity(MAX_MESSAGES) }
    }
}

impl HostInbox {
    /// Receive what a socket has, up to 16 messages, in place of what was there before. Return whether there may be more.
    ///
    /// # Errors
    /// EAGAIN if there is nothing. Another error is that of a datagram that was sent, for which [`take_error`] has an
    /// entry, or makes the socket unusable.
    pub fn receive(&mut self, socket: &HostSocket) -> rustix::io::Result<bool> {
        self.received.clear();
        let Self { slots, received } = self;
        let count = slots.receive(socket.as_fd(), |&Message { start, len, address, control, .. }| {
            if let Some(from) = address.parse() {
                let stride = control.parse_stride().unwrap_or(len).max(1);
                let (ttl, tos) = control.parse_fields();
                received.push(Received { from, start, len, stride, ttl, tos });
            }
        })?;
        Ok(count == MAX_MESSAGES)
    }

    /// Return what was received, in order of arrival.
    #[must_use]
    pub fn received(&self) -> &[Received] {
        &self.received
    }

    /// Return the octets of what was received, all datagrams of one sender.
    #[must_use]
    pub fn octets(&self, received: &Received) -> &[u8] {
        &self.slots.storage[received.start..][..received.len]
    }
}

impl<const BYTES: usize> Control<BYTES> {
    /// Return time to live and type of service of a received datagram.
    fn parse_fields(&self) -> (u8, u8) {
        let (mut ttl, mut tos) = (1, 0);
        for (level, kind, data) in self.messages() {
            let value = word(data, 0).map(i32::from_ne_bytes).or(data.first().map(|value| i32::from(*value)));
            match (level, kind) {
                (libc::IPPROTO_IP, libc::IP_TTL) | (libc::IPPROTO_IPV6, libc::IPV6_HOPLIMIT) => {
                    ttl = value.unwrap_or_default() as u8;
                }
                (libc::IPPROTO_IP, libc::IP_TOS) | (libc::IPPROTO_IPV6, libc::IPV6_TCLASS) => {
                    tos = value.unwrap_or_default() as u8;
                }
                _ => {}
            }
        }
        (ttl, tos)
    }
}

/// Take the next error about what a socket sent, which has the option IP_RECVERR; what the error quotes of the payload
/// is copied to `buffer`.
pub fn take_error(socket: impl AsFd, buffer: &mut [u8]) -> Option<QueuedError> {
    let mut address = Address::default();
    let mut control = Control::<CONTROL_BYTES>::empty();
    let mut part = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
    // SAFETY: all zero is a valid `msghdr`: null pointers and lengths of zero.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_name = address.bytes.as_mut_ptr().cast();
    message.msg_namelen = ADDRESS_BYTES as libc::socklen_t;
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    message.msg_control = control.bytes.as_mut_ptr().cast();
    message.msg_controllen = control.bytes.len() as _;
    let flags = libc::MSG_ERRQUEUE | libc::MSG_DONTWAIT;
    // SAFETY: the header points to one address, one part and one control buffer with their true lengths; all of them
    // outlive the call, during which nothing else accesses them.
    let len = unsafe { libc::recvmsg(socket.as_fd().as_raw_fd(), &raw mut message, flags) };
    let len = usize::try_from(len).ok()?;
    (address.len, control.len) = lengths(&message);
    let is_error = |level, kind| {
        matches!((level, kind), (libc::IPPROTO_IP, libc::IP_RECVERR) | (libc::IPPROTO_IPV6, libc::IPV6_RECVERR))
    };
    let (_, _, data) = control.messages().find(|(level, kind, _)| is_error(*level, *kind))?;
    let error = data.first_chunk::<ERROR_BYTES>()?;
    let is_icmp = matches!(error[4], ORIGIN_ICMP | ORIGIN_ICMPV6);
    let mut from = Address::default();
    let sender = data.get(ERROR_BYTES..).filter(|sender| is_icmp && sender.len() <= ADDRESS_BYTES);
    if let Some(sender) = sender {
        from.bytes[..sender.len()].copy_from_slice(sender);
        from.len = sender.len() as u32;
    }
    Some(QueuedError {
        errno: Errno::from_raw_os_error(i32::from_ne_bytes(word(error, 0)?)),
        icmp: is_icmp.then_some((error[5], error[6])),
        info: u32::from_ne_bytes(word(error, 8)?),
        from: from.parse().map(|address| address.ip()),
        destination: address.parse(),
        len,
    })
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;
    use std::time::Duration;

    use rustix::event::{PollFd, PollFlags, Timespec, poll};

    use super::*;

    const FIELDS: Fields = Fields { ttl: 17, tos: 0x2a, dont_fragment: true };
    const LOOPBACKS: [(Family, &str); 2] = [(Family::V4, "127.0.0.1"), (Family::V6, "::1")];

    fn wait(socket: &HostSocket, flags: PollFlags) {
        let timeout = Timespec::try_from(Duration::from_secs(30)).unwrap();
        assert_eq!(poll(&mut [PollFd::new(socket, flags)], Some(&timeout)), Ok(1));
    }

    fn bound(family: Family) -> (HostSocket, u16) {
        let socket = HostSocket::open(Kind::Udp, family).unwrap();
        socket.bind(0).unwrap();
        let address = SocketAddr::try_from(rustix::net::getsockname(&socket.fd).unwrap()).unwrap();
        (socket, address.port())
    }

    #[test]
    fn a_batch_arrives_with_its_fields() {
        for (family, loopback) in LOOPBACKS {
            let ((mut sender, from), (receiver, to)) = (bound(family), bound(family));
            let payload: Vec<u8> = (0..2500u32).map(|at| at as u8).collect();
            sender.send(SocketAddr::new(loopback.parse().unwrap(), to), &payload, 1000, FIELDS).unwrap();
            let (mut inbox, mut octets) = (HostInbox::default(), Vec::new());
            while octets.len() < payload.len() {
                wait(&receiver, PollFlags::IN);
                inbox.receive(&receiver).unwrap();
                for received in inbox.received() {
                    assert_eq!((received.from.port(), received.ttl, received.tos), (from, 17, 0x2a));
                    assert!(received.stride == 1000 || received.stride == 500);
                    octets.extend_from_slice(inbox.octets(received));
                }
            }
            assert_eq!(octets, payload);
        }
    }

    #[test]
    fn an_error_names_the_datagram_that_it_is_about() {
        for (family, loopback) in LOOPBACKS {
            let (mut sender, _) = bound(family);
            let closed = UdpSocket::bind((loopback, 0)).unwrap().local_addr().unwrap();
            sender.send(closed, b"content", 7, FIELDS).unwrap();
            wait(&sender, PollFlags::ERR);
            let mut buffer = [0; 64];
            let error = take_error(&sender, &mut buffer).unwrap();
            let expected = if closed.is_ipv4() { (3, 3) } else { (1, 4) };
            assert_eq!((error.errno, error.icmp), (Errno::CONNREFUSED, Some(expected)));
            assert_eq!((error.destination, error.from), (Some(closed), Some(closed.ip())));
            assert_eq!(&buffer[..error.len], b"content");
            assert_eq!(take_error(&sender, &mut buffer), None);
        }
    }

    #[test]
    fn a_datagram_that_is_too_long_for_the_link_is_an_error_of_this_host() {
        let (mut sender, _) = bound(Family::V4);
        let to = SocketAddr::from(([127, 0, 0, 1], 9));
        // The MTU of the loopback link is 65,536, so only one that is longer than any datagram is refused.
        assert_eq!(sender.send(to, &[0; 65_508], 65_508, FIELDS), Err(Errno::MSGSIZE));
    }
}
