//! The sockets to clients. A peer is an IPv4 address or the network of an IPv6 address.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsFd;

use dns::frames::{Frames, framed};
use dns::lookup::Transport;
use dns::resolver::{Answer, Client};
use rustix::event::{PollFd, PollFlags};

/// Messages of one turn, so that clients do not keep servers from their turn.
const MAX_MESSAGES: usize = 256;
/// More connections are closed at once.
const MAX_CONNECTIONS: usize = 64;
/// A client that does not read its answers is disconnected.
const MAX_UNREAD_BYTES: usize = 1 << 18;

pub(crate) struct Clients {
    udp: UdpSocket,
    tcp: TcpListener,
    connections: HashMap<u64, Connection>,
    askers: HashMap<u64, (SocketAddr, Option<u64>)>,
    last: u64,
}

struct Connection {
    stream: TcpStream,
    peer: SocketAddr,
    frames: Frames,
    outgoing: Vec<u8>,
}

impl Clients {
    /// Listen on one port over UDP and TCP.
    pub(crate) fn listen(address: SocketAddr) -> io::Result<Self> {
        let tcp = TcpListener::bind(address)?;
        let udp = UdpSocket::bind(tcp.local_addr()?)?;
        tcp.set_nonblocking(true)?;
        udp.set_nonblocking(true)?;
        Ok(Self { udp, tcp, connections: HashMap::new(), askers: HashMap::new(), last: 0 })
    }

    pub(crate) fn address(&self) -> io::Result<SocketAddr> {
        self.udp.local_addr()
    }

    pub(crate) fn watched(&self) -> impl Iterator<Item = PollFd<'_>> {
        let listeners = [self.udp.as_fd(), self.tcp.as_fd()];
        let listeners = listeners.into_iter().map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN));
        listeners.chain(self.connections.values().map(|connection| {
            let unsent = if connection.outgoing.is_empty() { PollFlags::empty() } else { PollFlags::OUT };
            PollFd::from_borrowed_fd(connection.stream.as_fd(), PollFlags::IN | unsent)
        }))
    }

    /// Give each message that came to `take`.
    pub(crate) fn receive(&mut self, mut take: impl FnMut(Client, &[u8])) -> io::Result<()> {
        let mut buffer = vec![0; 0x1_0000];
        for _ in 0..MAX_MESSAGES {
            let Ok((length, asker)) = self.udp.recv_from(&mut buffer) else { break };
            take(self.client(asker, None), &buffer[..length]);
        }
        while let Ok((stream, peer)) = self.tcp.accept() {
            if self.connections.len() < MAX_CONNECTIONS && stream.set_nonblocking(true).is_ok() {
                self.last += 1;
                let connection = Connection { stream, peer, frames: Frames::default(), outgoing: Vec::new() };
                self.connections.insert(self.last, connection);
            }
        }
        let numbers: Vec<u64> = self.connections.keys().copied().collect();
        for number in numbers {
            self.receive_connection(number, &mut buffer, &mut take);
        }
        Ok(())
    }

    fn receive_connection(&mut self, number: u64, buffer: &mut [u8], take: &mut impl FnMut(Client, &[u8])) {
        let Some(connection) = self.connections.get_mut(&number) else { return };
        let peer = connection.peer;
        match connection.stream.read(buffer) {
            Ok(length) if length > 0 => connection.frames.push(&buffer[..length]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Ok(_) | Err(_) => {
                self.connections.remove(&number);
                return;
            }
        }
        let messages: Vec<Vec<u8>> = std::iter::from_fn(|| connection.frames.take()).collect();
        for message in messages {
            take(self.client(peer, Some(number)), &message);
        }
        self.flush(number);
    }

    fn client(&mut self, asker: SocketAddr, connection: Option<u64>) -> Client {
        self.last += 1;
        self.askers.insert(self.last, (asker, connection));
        let peer = match asker.ip() {
            IpAddr::V4(v4) => v4.to_bits().into(),
            IpAddr::V6(v6) => (v6.to_bits() >> 64) as u64,
        };
        let transport = if connection.is_some() { Transport::Tcp } else { Transport::Udp };
        Client { token: self.last, peer, transport }
    }

    pub(crate) fn answer(&mut self, answer: &Answer) {
        let Some((asker, connection)) = self.askers.remove(&answer.client.token) else { return };
        let Some(number) = connection else {
            let _ = self.udp.send_to(&answer.octets, asker);
            return;
        };
        if let Some(connection) = self.connections.get_mut(&number) {
            connection.outgoing.extend(framed(&answer.octets));
        }
        self.flush(number);
    }

    fn flush(&mut self, number: u64) {
        let Some(connection) = self.connections.get_mut(&number) else { return };
        while !connection.outgoing.is_empty() {
            let Ok(sent) = connection.stream.write(&connection.outgoing) else { break };
            connection.outgoing.drain(..sent);
        }
        if connection.outgoing.len() > MAX_UNREAD_BYTES {
            self.connections.remove(&number);
        }
    }
}
