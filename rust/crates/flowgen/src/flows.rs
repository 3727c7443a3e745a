//! TCP connections whose bytes go one way as fast as they can, served by one thread.

use std::collections::HashMap;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};

use rustix::event::epoll::EventFlags;

use crate::direction::{Direction, Service};
use crate::poller::Poller;

/// Bytes that are read or written at once.
const CHUNK: usize = 256 << 10;

/// What this end does with a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// Do what the client's next byte asks for.
    Choose,
    Receive,
    Send,
}

struct Flow {
    stream: TcpStream,
    peer: SocketAddr,
    role: Role,
    received: u64,
}

/// All connections of a program.
pub(crate) struct Flows {
    flows: HashMap<u64, Flow>,
    next_token: u64,
    received: u64,
    ended: u64,
    buffer: Vec<u8>,
}

impl Flows {
    /// Create an empty set; tokens begin at `first_token`.
    pub(crate) fn new(first_token: u64) -> Self {
        Self { flows: HashMap::new(), next_token: first_token, received: 0, ended: 0, buffer: vec![0; CHUNK] }
    }

    /// Take a connection.
    pub(crate) fn add(&mut self, stream: TcpStream, role: Role, poller: &Poller) -> io::Result<()> {
        stream.set_nonblocking(true)?;
        let peer = stream.peer_addr()?;
        poller.add(&stream, self.next_token, interest(role))?;
        self.flows.insert(self.next_token, Flow { stream, peer, role, received: 0 });
        self.next_token += 1;
        Ok(())
    }

    /// Move bytes of a connection that is ready.
    pub(crate) fn serve(&mut self, token: u64, poller: &Poller) {
        let Some(flow) = self.flows.get_mut(&token) else { return };
        let received = flow.received;
        let outcome = flow.serve(token, &mut self.buffer, poller);
        self.received += flow.received - received;
        if !matches!(outcome, Ok(true)) {
            self.flows.remove(&token);
            self.ended += 1;
        }
    }

    /// Return the counters as fields of a JSON object.
    pub(crate) fn report(&self) -> String {
        let receiving = self.flows.values().filter(|flow| flow.role == Role::Receive);
        let each: Vec<_> = receiving.map(|flow| format!("\"{}\": {}", flow.peer, flow.received)).collect();
        let Self { received, ended, .. } = self;
        let open = self.flows.len();
        format!("\"bytes\": {received}, \"open\": {open}, \"ended\": {ended}, \"flows\": {{{}}}", each.join(", "))
    }
}

impl Flow {
    /// Return whether the connection goes on.
    fn serve(&mut self, token: u64, buffer: &mut [u8], poller: &Poller) -> io::Result<bool> {
        let moved = match self.role {
            Role::Send => self.stream.write(buffer),
            Role::Receive => self.stream.read(buffer),
            Role::Choose => self.stream.read(&mut buffer[..1]),
        };
        let len = match moved {
            Ok(0) => return Ok(false),
            Ok(len) => len,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => return Ok(true),
            Err(error) => return Err(error),
        };
        match self.role {
            Role::Send => {}
            Role::Receive => self.received += len as u64,
            Role::Choose => match Service::from_byte(buffer[0]) {
                Some(Service::Echo) => self.stream.write_all(&buffer[..1])?,
                Some(Service::Move(direction)) => {
                    self.role = Role::of_server(direction);
                    poller.modify(&self.stream, token, interest(self.role))?;
                }
                None => return Ok(false),
            },
        }
        Ok(true)
    }
}

impl Role {
    const fn of_server(direction: Direction) -> Self {
        match direction {
            Direction::Down => Self::Send,
            Direction::Up => Self::Receive,
        }
    }
}

fn interest(role: Role) -> EventFlags {
    if role == Role::Send { EventFlags::OUT } else { EventFlags::IN }
}
