//! Own ports of UDP that a thread of this process has, by a pair of sockets that keep the bounds of messages.
//!
//! Each message is an address of the other side in 20 octets (see [`listen::octets`]), then the payload. In a message
//! from the stack the second octet is 0, or the number of an error (errno(3)) about a datagram that was sent there. A
//! side that does not read loses datagrams, as a full socket does.

use std::io::IoSlice;
use std::os::fd::OwnedFd;

use rustix::io::Errno;
use rustix::net::{RecvFlags, SendAncillaryBuffer, SendFlags, recv, sendmsg};

use crate::datagrams::{Arrival, From, Owner};
use crate::icmp;
use crate::listen::{self, ADDRESS_BYTES};
use crate::poller::Token;
use crate::shared::Shared;
use crate::slab::{Id, Slab};
use crate::udp::MAX_PAYLOAD;

/// Datagrams that are read from one pair in one turn.
const READS: usize = 64;

struct Pair {
    fd: OwnedFd,
    port: u16,
    /// Whether it waits to be read.
    is_queued: bool,
}

/// The pairs.
pub(crate) struct Pairs {
    pairs: Slab<Pair>,
    /// Those that may have something to be read.
    queue: Vec<Id>,
    buffer: Vec<u8>,
}

impl Pairs {
    pub(crate) fn new() -> Self {
        Self { pairs: Slab::default(), queue: Vec::new(), buffer: vec![0; ADDRESS_BYTES + MAX_PAYLOAD + 1] }
    }

    /// Add the stack's end of a pair for a port, or for a free one if it is 0. Return the port; `None` if it is taken.
    pub(crate) fn add(&mut self, port: u16, fd: OwnedFd, shared: &mut Shared) -> Option<u16> {
        let id = self.pairs.insert(Pair { fd, port, is_queued: false });
        let bound = shared.datagrams.bind(port, Owner::Pair(id));
        let watched = self.pairs.get_mut(id).zip(bound).is_some_and(|(pair, port)| {
            pair.port = port;
            shared.poller.add_edges(&pair.fd, Token::Pair(id)).is_ok()
        });
        if watched {
            return bound;
        }
        self.pairs.remove(id);
        bound.into_iter().for_each(|port| shared.datagrams.unbind(port));
        None
    }

    /// Note that a pair may be read.
    pub(crate) fn ready(&mut self, id: Id) {
        if let Some(pair) = self.pairs.get_mut(id)
            && !std::mem::replace(&mut pair.is_queued, true)
        {
            self.queue.push(id);
        }
    }

    /// Return whether pairs wait to be read.
    pub(crate) fn has_work(&self) -> bool {
        !self.queue.is_empty()
    }

    /// Send what was written to the pairs, while there is room on the way to peers.
    pub(crate) fn read(&mut self, shared: &mut Shared) {
        for _ in 0..self.queue.len() {
            let id = self.queue.remove(0);
            let Some(pair) = self.pairs.get_mut(id) else { continue };
            pair.is_queued = false;
            match pair.read(&mut self.buffer, shared) {
                Ok(true) => self.ready(id),
                Ok(false) => {}
                Err(_) => self.remove(id, shared),
            }
        }
    }

    /// Hand over what arrived for a pair.
    pub(crate) fn deliver(&mut self, id: Id, arrival: &Arrival, shared: &mut Shared) {
        let Some(pair) = self.pairs.get(id) else { return };
        match pair.write(arrival) {
            Ok(()) => {}
            Err(Errno::PIPE | Errno::CONNRESET) => self.remove(id, shared),
            Err(_) => shared.datagrams.dropped += 1,
        }
    }

    fn remove(&mut self, id: Id, shared: &mut Shared) {
        if let Some(pair) = self.pairs.remove(id) {
            shared.datagrams.unbind(pair.port);
        }
    }
}

impl Pair {
    /// Send datagrams that were written to the other end. Return whether there may be more; an error if it was closed.
    fn read(&self, buffer: &mut [u8], shared: &mut Shared) -> Result<bool, Errno> {
        for _ in 0..READS {
            if !shared.packets.has_room(ADDRESS_BYTES + MAX_PAYLOAD) {
                return Ok(true);
            }
            let octets = match recv(&self.fd, &mut *buffer, RecvFlags::DONTWAIT) {
                Ok((_, 0)) => return Err(Errno::PIPE),
                Ok((_, count)) => &buffer[..count],
                Err(Errno::AGAIN) => return Ok(false),
                Err(Errno::INTR) => continue,
                Err(errno) => return Err(errno),
            };
            if let Some((address, payload)) = octets.split_first_chunk()
                && let Some(to) = listen::from_octets(address)
            {
                shared.send_datagram(From { address: None, port: self.port }, to, payload);
            }
        }
        Ok(true)
    }

    fn write(&self, arrival: &Arrival) -> Result<(), Errno> {
        let (mut address, payload) = (listen::octets(arrival.remote), arrival.content.as_deref());
        address[1] = payload.err().map_or(0, |error| errno(*error).raw_os_error() as u8);
        let parts = [IoSlice::new(&address), IoSlice::new(payload.unwrap_or_default())];
        let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
        sendmsg(&self.fd, &parts, &mut SendAncillaryBuffer::default(), flags).map(|_| ())
    }
}

/// Return the number by which the host's sockets name an error of ICMP.
fn errno(error: icmp::Error) -> Errno {
    match error {
        icmp::Error::NetworkUnreachable => Errno::NETUNREACH,
        icmp::Error::PortUnreachable => Errno::CONNREFUSED,
        icmp::Error::Prohibited => Errno::ACCESS,
        icmp::Error::ProtocolUnreachable => Errno::NOPROTOOPT,
        icmp::Error::TooBig { .. } => Errno::MSGSIZE,
        icmp::Error::HostUnreachable
        | icmp::Error::TimeExceeded
        | icmp::Error::ReassemblyTimeExceeded
        | icmp::Error::Other { .. } => Errno::HOSTUNREACH,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_error_has_the_number_that_a_socket_would_give() {
        let cases = [
            (icmp::Error::PortUnreachable, 111),
            (icmp::Error::HostUnreachable, 113),
            (icmp::Error::NetworkUnreachable, 101),
            (icmp::Error::Prohibited, 13),
            (icmp::Error::TooBig { mtu: 1280 }, 90),
        ];
        for (error, number) in cases {
            assert_eq!(errno(error).raw_os_error(), number, "{error:?}");
        }
    }
}
