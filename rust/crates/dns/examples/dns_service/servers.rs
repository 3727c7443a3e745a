//! The sockets to servers.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::os::fd::AsFd;
use std::time::Instant;

use dns::resolver::Resolver;
use dns::upstream::{Outgoing, Random};
use rustix::event::{PollFd, PollFlags};
use socket2::{Domain, Protocol, Socket, Type};

/// Sockets by the numbers of the resolver.
#[derive(Default)]
pub(crate) struct Servers {
    ports: HashMap<u16, (UdpSocket, SocketAddr)>,
    streams: HashMap<u32, Stream>,
}

struct Stream {
    socket: Socket,
    outgoing: Vec<u8>,
}

impl Servers {
    pub(crate) fn watched(&self) -> impl Iterator<Item = PollFd<'_>> {
        let ports = self.ports.values().map(|(socket, _)| PollFd::from_borrowed_fd(socket.as_fd(), PollFlags::IN));
        ports.chain(self.streams.values().map(|stream| {
            let unsent = if stream.outgoing.is_empty() { PollFlags::empty() } else { PollFlags::OUT };
            PollFd::from_borrowed_fd(stream.socket.as_fd(), PollFlags::IN | unsent)
        }))
    }

    pub(crate) fn carry_out(&mut self, outgoing: Outgoing, resolver: &mut Resolver, random: Random<'_>) {
        match outgoing {
            Outgoing::Datagram { port, server, octets } => match from_port(port, server.address, &octets) {
                Ok(socket) => drop(self.ports.insert(port, (socket, server.address))),
                Err(_) => resolver.fail_port(port, Instant::now(), random),
            },
            Outgoing::ClosePort(port) => drop(self.ports.remove(&port)),
            Outgoing::Open { stream, server } => match connect(server.address) {
                Ok(socket) => drop(self.streams.insert(stream, Stream { socket, outgoing: Vec::new() })),
                Err(_) => resolver.fail_stream(stream, Instant::now(), random),
            },
            Outgoing::Write { stream, octets } => {
                if let Some(stream) = self.streams.get_mut(&stream) {
                    stream.outgoing.extend(octets);
                }
            }
            Outgoing::Close(stream) => drop(self.streams.remove(&stream)),
        }
    }

    pub(crate) fn receive(&mut self, resolver: &mut Resolver, random: Random<'_>) {
        let mut buffer = vec![0; 0x1_0000];
        for (port, (socket, server)) in &self.ports {
            match socket.recv(&mut buffer) {
                Ok(length) => resolver.receive_datagram(*port, *server, &buffer[..length], Instant::now(), random),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => resolver.fail_port(*port, Instant::now(), random),
            }
        }
        let mut ended = Vec::new();
        for (number, stream) in &mut self.streams {
            match stream.progress(&mut buffer) {
                Ok(Some(length)) => resolver.receive_stream(*number, &buffer[..length], Instant::now(), random),
                Ok(None) => {}
                Err(_) => ended.push(*number),
            }
        }
        for number in ended {
            self.streams.remove(&number);
            resolver.fail_stream(number, Instant::now(), random);
        }
    }
}

impl Stream {
    /// Write what the socket takes, and read; None if nothing came.
    fn progress(&mut self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        while !self.outgoing.is_empty() {
            match (&self.socket).write(&self.outgoing) {
                Ok(sent) => drop(self.outgoing.drain(..sent)),
                Err(error) if is_pending(&error) => break,
                Err(error) => return Err(error),
            }
        }
        match (&self.socket).read(buffer) {
            Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(length) => Ok(Some(length)),
            Err(error) if is_pending(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

fn is_pending(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::NotConnected)
}

/// Send a datagram from the port, or from one of the system's choice where another program has it.
fn from_port(port: u16, server: SocketAddr, octets: &[u8]) -> io::Result<UdpSocket> {
    let any = if server.is_ipv4() { IpAddr::from(Ipv4Addr::UNSPECIFIED) } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((any, port)).or_else(|_| UdpSocket::bind((any, 0)))?;
    socket.set_nonblocking(true)?;
    socket.connect(server)?;
    socket.send(octets)?;
    Ok(socket)
}

fn connect(server: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(server), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    match socket.connect(&server.into()) {
        Err(error) if error.raw_os_error() != Some(rustix::io::Errno::INPROGRESS.raw_os_error()) => Err(error),
        _ => Ok(socket),
    }
}
