//! The ports from which name servers are asked: own ports in the tunnel, and sockets of the host.
//!
//! Which of them it is, the rule of the name says by the path of the server; nothing here goes the other way.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::OwnedFd;

use dns::route::{NameServer, Path};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, bind, connect, recv, send, socket_with,
};

use crate::datagrams::{From, Owner};
use crate::poller::Token;
use crate::shared::Shared;
use crate::slab::{Id, Slab};

/// The way from a port to its server.
#[derive(Debug, Clone, Copy)]
enum Way {
    Tunnel,
    Host(Id),
}

/// A socket of the host that is connected to a server.
struct HostPort {
    port: u16,
    server: SocketAddr,
    fd: OwnedFd,
}

/// The ports, by the numbers of the resolver.
#[derive(Default)]
pub(crate) struct Servers {
    ports: HashMap<u16, Way>,
    sockets: Slab<HostPort>,
}

impl Servers {
    /// Send a message from a port that is not used otherwise. False if there is no such port.
    pub(crate) fn send(&mut self, port: u16, server: NameServer, octets: &[u8], shared: &mut Shared) -> bool {
        match server.path {
            Path::Tunnel => self.send_inside(port, server.address, octets, shared),
            Path::Host => self.send_outside(port, server.address, octets, shared).is_ok(),
        }
    }

    fn send_inside(&mut self, port: u16, server: SocketAddr, octets: &[u8], shared: &mut Shared) -> bool {
        let is_bound = shared.datagrams.bind(port, Owner::NameServer).is_some();
        if is_bound {
            self.ports.insert(port, Way::Tunnel);
            shared.send_datagram(From { address: None, port }, server, octets);
        }
        is_bound
    }

    fn send_outside(&mut self, port: u16, server: SocketAddr, octets: &[u8], shared: &Shared) -> Result<(), Errno> {
        let (family, any): (_, IpAddr) = match server {
            SocketAddr::V4(_) => (AddressFamily::INET, Ipv4Addr::UNSPECIFIED.into()),
            SocketAddr::V6(_) => (AddressFamily::INET6, Ipv6Addr::UNSPECIFIED.into()),
        };
        let fd = socket_with(family, SocketType::DGRAM, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC, None)?;
        // Where another program has the port, the kernel chooses one, which others cannot foresee either.
        bind(&fd, &SocketAddr::new(any, port)).or_else(|_| bind(&fd, &SocketAddr::new(any, 0)))?;
        connect(&fd, &server)?;
        send(&fd, octets, SendFlags::DONTWAIT)?;
        let id = self.sockets.insert(HostPort { port, server, fd });
        let watched = self.sockets.get(id).map(|socket| shared.poller.add_readable(&socket.fd, Token::NameServer(id)));
        if !matches!(watched, Some(Ok(()))) {
            self.sockets.remove(id);
            return Err(Errno::NOSPC);
        }
        self.ports.insert(port, Way::Host(id));
        Ok(())
    }

    /// Give up a port.
    pub(crate) fn close(&mut self, port: u16, shared: &mut Shared) {
        match self.ports.remove(&port) {
            Some(Way::Tunnel) => shared.datagrams.unbind(port),
            Some(Way::Host(id)) => drop(self.sockets.remove(id)),
            None => {}
        }
    }

    /// Give up all ports.
    pub(crate) fn clear(&mut self, shared: &mut Shared) {
        let ports: Vec<_> = self.ports.keys().copied().collect();
        for port in ports {
            self.close(port, shared);
        }
    }

    /// Receive at a socket of the host: return its port, its server, and the octets or that the server is unreachable.
    /// `None` if nothing has come.
    pub(crate) fn receive(&self, id: Id, buffer: &mut [u8]) -> Option<(u16, SocketAddr, Result<usize, Errno>)> {
        let HostPort { port, server, fd } = self.sockets.get(id)?;
        match recv(fd, &mut *buffer, RecvFlags::DONTWAIT) {
            Ok((count, _)) => Some((*port, *server, Ok(count))),
            Err(Errno::AGAIN | Errno::INTR) => None,
            Err(errno) => Some((*port, *server, Err(errno))),
        }
    }
}
