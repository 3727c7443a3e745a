//! The UDP sockets: one port, and one socket per address family.
//!
//! A socket stays in the network namespace of the thread that created it.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, sockopt};

/// Requested for either direction, as by wireguard-go: 40 ms at 1.4 Gb/s.
const BUFFER_BYTES: usize = 7 << 20;
/// Tries to find a port that is free in both families, as many as wireguard-go's.
const PORT_TRIES: usize = 100;

/// An address family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

/// One non-blocking UDP socket.
#[derive(Debug)]
pub struct Socket {
    fd: OwnedFd,
}

/// The segmentation offloads of a socket (udp(7)); an error is the reason why one is not used.
#[derive(Debug, Clone)]
pub struct SocketOffloads {
    /// Segmentation of what is sent (UDP_SEGMENT).
    pub send: Result<(), String>,
    /// Coalescing of what is received (UDP_GRO).
    pub receive: Result<(), String>,
}

/// The sockets of one interface: the same port in every family that the kernel has.
#[derive(Debug)]
pub struct Sockets {
    v4: Option<Socket>,
    v6: Option<Socket>,
    port: u16,
    offloads: SocketOffloads,
}

/// Why the sockets could not be bound; none is left open.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// The port could not be bound.
    #[error("UDP port {port}: {source}")]
    Port {
        /// The requested port; 0 is any.
        port: u16,
        /// The error of bind(2) or socket(2).
        source: io::Error,
    },
    /// The mark could not be set.
    #[error("fwmark {fwmark:#x}: {source}")]
    Fwmark {
        /// The requested mark.
        fwmark: u32,
        /// The error of setsockopt(2).
        source: io::Error,
    },
}

impl Family {
    /// Return the family of an address.
    #[must_use]
    pub fn of(address: IpAddr) -> Self {
        if address.is_ipv4() { Self::V4 } else { Self::V6 }
    }
}

impl SocketOffloads {
    /// Return what both sockets have.
    fn of_both(self, other: Self) -> Self {
        Self { send: self.send.and(other.send), receive: self.receive.and(other.receive) }
    }
}

impl Sockets {
    /// Bind `port` for IPv4 and IPv6, or a port that is free for both if it is 0. Where the kernel lacks one of the
    /// families, the other is used alone. `fwmark` 0 is none.
    ///
    /// # Errors
    /// [`BindError`].
    pub fn bind(port: u16, fwmark: u32) -> Result<Self, BindError> {
        let mut tries = if port == 0 { PORT_TRIES } else { 1 };
        let sockets = loop {
            tries -= 1;
            match bind_both(port) {
                Err(Errno::ADDRINUSE) if tries > 0 => {}
                Err(errno) => return Err(BindError::Port { port, source: errno.into() }),
                Ok(sockets) => break sockets,
            }
        };
        if fwmark != 0 {
            sockets.set_fwmark(fwmark).map_err(|source| BindError::Fwmark { fwmark, source })?;
        }
        Ok(sockets)
    }

    /// Return the port that both are bound to.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Return the segmentation offloads.
    #[must_use]
    pub fn offloads(&self) -> &SocketOffloads {
        &self.offloads
    }

    /// Return the socket of a family, if the kernel has that family.
    #[must_use]
    pub fn of(&self, family: Family) -> Option<&Socket> {
        match family {
            Family::V4 => self.v4.as_ref(),
            Family::V6 => self.v6.as_ref(),
        }
    }

    /// Return every socket, for polling and receiving.
    pub fn iter(&self) -> impl Iterator<Item = &Socket> {
        self.v4.iter().chain(&self.v6)
    }

    /// Set the mark of what is sent from now on (SO_MARK); 0 removes it.
    ///
    /// # Errors
    /// EPERM without CAP_NET_ADMIN.
    pub fn set_fwmark(&self, fwmark: u32) -> io::Result<()> {
        self.iter()
            .try_for_each(|socket| Ok(socket.set_option(libc::SOL_SOCKET, libc::SO_MARK, fwmark.cast_signed())?))
    }
}

impl Socket {
    /// Return `None` if the kernel lacks the family.
    fn bind(family: Family, port: u16) -> rustix::io::Result<Option<Self>> {
        let domain = match family {
            Family::V4 => AddressFamily::INET,
            Family::V6 => AddressFamily::INET6,
        };
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = match rustix::net::socket_with(domain, SocketType::DGRAM, flags, None) {
            Ok(fd) => Self { fd },
            Err(Errno::AFNOSUPPORT) => return Ok(None),
            Err(errno) => return Err(errno),
        };
        socket.prepare(family)?;
        let any = match family {
            Family::V4 => SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)),
            Family::V6 => SocketAddr::from((Ipv6Addr::UNSPECIFIED, port)),
        };
        rustix::net::bind(&socket.fd, &any)?;
        Ok(Some(socket))
    }

    /// Set the options of every socket. Outer packets may be fragmented, as by the kernel's WireGuard.
    fn prepare(&self, family: Family) -> rustix::io::Result<()> {
        match family {
            Family::V4 => self.set_option(libc::IPPROTO_IP, libc::IP_PKTINFO, 1)?,
            Family::V6 => {
                sockopt::set_ipv6_v6only(&self.fd, true)?;
                self.set_option(libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO, 1)?;
            }
        }
        self.set_unfragmented(family, false)?;
        self.enlarge_buffers()
    }

    /// Set whether what is sent has DF, and is refused if it is larger than the MTU of the link; the path MTU that the
    /// kernel has learnt from ICMP does not count.
    pub(super) fn set_unfragmented(&self, family: Family, unfragmented: bool) -> rustix::io::Result<()> {
        let (level, name, probe, dont) = match family {
            Family::V4 => (libc::IPPROTO_IP, libc::IP_MTU_DISCOVER, libc::IP_PMTUDISC_PROBE, libc::IP_PMTUDISC_DONT),
            Family::V6 => {
                (libc::IPPROTO_IPV6, libc::IPV6_MTU_DISCOVER, libc::IPV6_PMTUDISC_PROBE, libc::IPV6_PMTUDISC_DONT)
            }
        };
        self.set_option(level, name, if unfragmented { probe } else { dont })
    }

    /// Enlarge the buffers beyond the host's limit with CAP_NET_ADMIN, otherwise up to that limit.
    fn enlarge_buffers(&self) -> rustix::io::Result<()> {
        sockopt::set_socket_recv_buffer_size_force(&self.fd, BUFFER_BYTES)
            .or_else(|_| sockopt::set_socket_recv_buffer_size(&self.fd, BUFFER_BYTES))?;
        sockopt::set_socket_send_buffer_size_force(&self.fd, BUFFER_BYTES)
            .or_else(|_| sockopt::set_socket_send_buffer_size(&self.fd, BUFFER_BYTES))
    }

    fn set_option(&self, level: libc::c_int, name: libc::c_int, value: libc::c_int) -> rustix::io::Result<()> {
        let len = size_of::<libc::c_int>() as libc::socklen_t;
        // SAFETY: `value` is an int that lives through the call, and `len` is its size.
        let result =
            unsafe { libc::setsockopt(self.fd.as_raw_fd(), level, name, std::ptr::from_ref(&value).cast(), len) };
        if result < 0 { Err(last_errno()) } else { Ok(()) }
    }

    /// Enable the offloads. The kernel has had both since Linux 5.0.
    fn enable_offloads(&self) -> SocketOffloads {
        let map_error = |result: rustix::io::Result<()>| result.map_err(|errno| errno.to_string());
        SocketOffloads {
            send: map_error(self.set_option(libc::SOL_UDP, libc::UDP_SEGMENT, 0)),
            receive: map_error(self.set_option(libc::SOL_UDP, libc::UDP_GRO, 1)),
        }
    }

    fn port(&self) -> rustix::io::Result<u16> {
        let address = SocketAddr::try_from(rustix::net::getsockname(&self.fd)?)?;
        Ok(address.port())
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

fn bind_both(port: u16) -> rustix::io::Result<Sockets> {
    let v4 = Socket::bind(Family::V4, port)?;
    let port = v4.as_ref().map_or(Ok(port), Socket::port)?;
    let v6 = Socket::bind(Family::V6, port)?;
    let offloads = v4.iter().chain(&v6).map(Socket::enable_offloads).reduce(SocketOffloads::of_both);
    let (Some(any), Some(offloads)) = (v6.as_ref().or(v4.as_ref()), offloads) else { return Err(Errno::AFNOSUPPORT) };
    Ok(Sockets { port: any.port()?, v4, v6, offloads })
}

/// Return the `errno` of the libc call that just failed.
pub(super) fn last_errno() -> Errno {
    Errno::from_io_error(&io::Error::last_os_error()).unwrap_or(Errno::IO)
}
