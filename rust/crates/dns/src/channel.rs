//! A socket to one server.

use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr, SocketAddrV6};
use std::os::fd::{AsFd, BorrowedFd};

use rustix::event::PollFlags;
use socket2::{Domain, Protocol, Socket, Type};

use crate::frames::{Frames, framed};
use crate::lookup::{Request, Transport};
use crate::resolv_conf::Server;

/// The longest message: TCP has two octets for the length.
const MAX_MESSAGE: usize = 0xffff;
/// Reads of one turn: a server that never stops sending must not keep the lookup from its deadline.
const MAX_READS: usize = 16;

/// A connected socket. It never blocks.
pub(crate) struct Channel {
    pub(crate) number: u32,
    socket: Socket,
    transport: Transport,
    outgoing: Vec<u8>,
    incoming: Frames,
}

impl Channel {
    /// Connect, and send what UDP takes at once.
    pub(crate) fn open(request: &Request, mark: u32) -> io::Result<Self> {
        let address = with_zone(&request.server)?;
        let socket = connected(address, request.transport, mark)?;
        let mut channel = Self {
            number: request.channel,
            socket,
            transport: request.transport,
            outgoing: Vec::new(),
            incoming: Frames::default(),
        };
        match request.transport {
            Transport::Udp => {
                for message in &request.messages {
                    channel.socket.send(message)?;
                }
            }
            Transport::Tcp => {
                for message in &request.messages {
                    channel.outgoing.extend(framed(message));
                }
            }
        }
        Ok(channel)
    }

    /// Return what to wait for.
    pub(crate) fn interest(&self) -> PollFlags {
        if self.outgoing.is_empty() { PollFlags::IN } else { PollFlags::IN | PollFlags::OUT }
    }

    /// Send and receive what is possible now, and return the messages that came.
    pub(crate) fn progress(&mut self) -> io::Result<Vec<Vec<u8>>> {
        match self.transport {
            Transport::Udp => self.receive_datagrams(),
            Transport::Tcp => {
                self.flush()?;
                self.receive_stream()
            }
        }
    }

    fn receive_datagrams(&mut self) -> io::Result<Vec<Vec<u8>>> {
        let mut messages = Vec::new();
        let mut buffer = [0; MAX_MESSAGE];
        for _ in 0..MAX_READS {
            let Some(length) = unless_blocked((&self.socket).read(&mut buffer))? else { break };
            messages.push(buffer[..length].to_vec());
        }
        Ok(messages)
    }

    fn flush(&mut self) -> io::Result<()> {
        while !self.outgoing.is_empty() {
            let Some(sent) = unless_blocked((&self.socket).write(&self.outgoing))? else { break };
            self.outgoing.drain(..sent);
        }
        Ok(())
    }

    fn receive_stream(&mut self) -> io::Result<Vec<Vec<u8>>> {
        let mut buffer = [0; 4096];
        let mut messages = Vec::new();
        for _ in 0..MAX_READS {
            let Some(length) = unless_blocked((&self.socket).read(&mut buffer))? else { break };
            if length == 0 {
                // A server may close after its last answer, which still counts.
                return if messages.is_empty() { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(messages) };
            }
            self.incoming.push(&buffer[..length]);
            messages.extend(std::iter::from_fn(|| self.incoming.take()));
        }
        Ok(messages)
    }
}

impl AsFd for Channel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// Return the source from which a datagram with the mark would leave for the address; None without a route.
pub(crate) fn source(address: IpAddr, mark: u32) -> Option<IpAddr> {
    let socket = connected(SocketAddr::new(address, 53), Transport::Udp, mark).ok()?;
    Some(socket.local_addr().ok()?.as_socket()?.ip())
}

fn connected(address: SocketAddr, transport: Transport, mark: u32) -> io::Result<Socket> {
    let (kind, protocol) = match transport {
        Transport::Udp => (Type::DGRAM, Protocol::UDP),
        Transport::Tcp => (Type::STREAM, Protocol::TCP),
    };
    let socket = Socket::new(Domain::for_address(address), kind, Some(protocol))?;
    socket.set_nonblocking(true)?;
    set_mark(&socket, mark)?;
    match socket.connect(&address.into()) {
        Err(error) if error.raw_os_error() == Some(rustix::io::Errno::INPROGRESS.raw_os_error()) => Ok(socket),
        Err(error) => Err(error),
        Ok(()) => Ok(socket),
    }
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn set_mark(socket: &Socket, mark: u32) -> io::Result<()> {
    if mark == 0 { Ok(()) } else { socket.set_mark(mark) }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn set_mark(_: &Socket, mark: u32) -> io::Result<()> {
    if mark == 0 { Ok(()) } else { Err(io::ErrorKind::Unsupported.into()) }
}

fn with_zone(server: &Server) -> io::Result<SocketAddr> {
    match (server.address, &server.zone) {
        (SocketAddr::V6(address), Some(zone)) => {
            let index = match zone.parse() {
                Ok(index) => index,
                Err(_) => rustix::net::netdevice::name_to_index(
                    rustix::net::socket(rustix::net::AddressFamily::INET6, rustix::net::SocketType::DGRAM, None)?,
                    zone,
                )?,
            };
            Ok(SocketAddrV6::new(*address.ip(), address.port(), 0, index).into())
        }
        (address, _) => Ok(address),
    }
}

fn unless_blocked(result: io::Result<usize>) -> io::Result<Option<usize>> {
    match result {
        Ok(count) => Ok(Some(count)),
        Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => Ok(None),
        Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(None), // TCP, while it connects
        Err(error) => Err(error),
    }
}
