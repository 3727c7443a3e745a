//! UDP of the own addresses: who has each port, and what has arrived for them.
//!
//! What arrives waits in one queue, in the order of its arrival; the stack hands each datagram to the part that has its
//! port. The queue is bounded. What it does not take is dropped, as by a full socket, and counted.

use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, SocketAddr};

use crate::icmp;
use crate::random;
use crate::slab::Id;

/// The octets that wait at most.
const MAX_OCTETS: usize = 1 << 20;
/// What an entry of the queue counts besides its payload.
const ENTRY_OCTETS: usize = 128;
/// Buffers that are kept for use.
const MAX_SPARE: usize = 64;
/// The dynamic ports (RFC 6335, section 6).
const FIRST_PORT: u16 = 49_152;
const PORTS: u16 = u16::MAX - FIRST_PORT;
/// Ports that are tried before there is none.
const PORT_ATTEMPTS: usize = 64;

/// The part of the stack that has a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Owner {
    /// A pair of sockets, whose other end a thread of this process has.
    Pair(Id),
    /// The DNS service, which is asked there.
    NameClients,
    /// The DNS service, which asked a server from there.
    NameServer,
}

/// What arrived at a port.
#[derive(Debug)]
pub(crate) struct Arrival {
    pub(crate) owner: Owner,
    /// The own address and port to which it was sent: an answer comes from there.
    pub(crate) local: SocketAddr,
    /// The other side.
    pub(crate) remote: SocketAddr,
    /// The payload, or an error about a datagram that was sent to the other side.
    pub(crate) content: Result<Vec<u8>, icmp::Error>,
}

/// The ports and the queue.
#[derive(Debug, Default)]
pub(crate) struct Datagrams {
    owners: HashMap<u16, Owner>,
    arrivals: VecDeque<Arrival>,
    octets: usize,
    spare: Vec<Vec<u8>>,
    /// Datagrams that were dropped, because the queue or the socket of their owner was full.
    pub(crate) dropped: u64,
}

impl Datagrams {
    /// Give a port to an owner, or a free dynamic one if `port` is 0. Return it; `None` if it is taken or none is free.
    pub(crate) fn bind(&mut self, port: u16, owner: Owner) -> Option<u16> {
        let is_free = |port: &u16| !self.owners.contains_key(port);
        let found = if port == 0 {
            (0..PORT_ATTEMPTS).map(|_| FIRST_PORT + random::short() % PORTS).find(is_free)
        } else {
            Some(port).filter(is_free)
        }?;
        self.owners.insert(found, owner);
        Some(found)
    }

    /// Give up a port. What has arrived for it may still be taken.
    pub(crate) fn unbind(&mut self, port: u16) {
        self.owners.remove(&port);
    }

    /// Queue a datagram for the owner of the port it was sent to; false if nobody has the port.
    pub(crate) fn receive(&mut self, local: SocketAddr, remote: SocketAddr, payload: &[u8]) -> bool {
        let Some(owner) = self.owners.get(&local.port()).copied() else { return false };
        if self.octets + payload.len() + ENTRY_OCTETS > MAX_OCTETS {
            self.dropped += 1;
            return true;
        }
        let mut buffer = self.spare.pop().unwrap_or_default();
        buffer.clear();
        buffer.extend_from_slice(payload);
        self.push(Arrival { owner, local, remote, content: Ok(buffer) });
        true
    }

    /// Queue an error about a datagram from `local` to `remote` for the owner of the port, if it has room.
    pub(crate) fn receive_error(&mut self, local: SocketAddr, remote: SocketAddr, error: icmp::Error) {
        if let Some(owner) = self.owners.get(&local.port()).copied()
            && self.octets + ENTRY_OCTETS <= MAX_OCTETS
        {
            self.push(Arrival { owner, local, remote, content: Err(error) });
        }
    }

    fn push(&mut self, arrival: Arrival) {
        self.octets += arrival.octets();
        self.arrivals.push_back(arrival);
    }

    /// Take what arrived first. Its buffer may be given back by [`Datagrams::reuse`].
    pub(crate) fn take(&mut self) -> Option<Arrival> {
        let arrival = self.arrivals.pop_front()?;
        self.octets -= arrival.octets();
        Some(arrival)
    }

    /// Keep the buffer of an arrival that was processed.
    pub(crate) fn reuse(&mut self, arrival: Arrival) {
        if let Ok(buffer) = arrival.content
            && self.spare.len() < MAX_SPARE
        {
            self.spare.push(buffer);
        }
    }
}

impl Arrival {
    fn octets(&self) -> usize {
        ENTRY_OCTETS + self.content.as_ref().map_or(0, Vec::len)
    }
}

/// Where an own datagram comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct From {
    /// The own address; `None` for the first of the family of the destination.
    pub(crate) address: Option<IpAddr>,
    /// The port, which the sender owns.
    pub(crate) port: u16,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(port: u16) -> SocketAddr {
        SocketAddr::from(([10, 0, 0, 1], port))
    }

    /// Return two owners.
    fn owners() -> [Owner; 2] {
        [1, 2].map(|number| Owner::Pair(Id::from_bits(number)))
    }

    #[test]
    fn a_port_has_one_owner_until_it_is_given_up() {
        let (mut datagrams, [one, other]) = (Datagrams::default(), owners());
        assert_eq!(datagrams.bind(53, one), Some(53));
        assert_eq!(datagrams.bind(53, other), None);
        let dynamic = datagrams.bind(0, other).unwrap();
        assert!(dynamic >= FIRST_PORT);
        datagrams.unbind(53);
        assert_eq!(datagrams.bind(53, other), Some(53));
    }

    #[test]
    fn what_arrives_is_taken_in_order_by_the_owner_of_the_port() {
        let (mut datagrams, [one, other]) = (Datagrams::default(), owners());
        datagrams.bind(1, one);
        datagrams.bind(2, other);
        assert!(datagrams.receive(at(1), at(9), b"first"));
        datagrams.receive_error(at(2), at(8), icmp::Error::PortUnreachable);
        assert!(!datagrams.receive(at(3), at(9), b"nobody"));
        let first = datagrams.take().unwrap();
        assert_eq!((first.owner, first.local, first.remote), (one, at(1), at(9)));
        assert_eq!(first.content.as_deref(), Ok(&b"first"[..]));
        datagrams.reuse(first);
        let second = datagrams.take().unwrap();
        assert_eq!((second.owner, second.content), (other, Err(icmp::Error::PortUnreachable)));
        assert!(datagrams.take().is_none() && datagrams.octets == 0);
    }

    #[test]
    fn the_queue_is_bounded_and_counts_what_it_drops() {
        let (mut datagrams, [one, _]) = (Datagrams::default(), owners());
        datagrams.bind(1, one);
        let payload = [0; 1000];
        let fits = MAX_OCTETS / (payload.len() + ENTRY_OCTETS);
        for _ in 0..fits + 3 {
            assert!(datagrams.receive(at(1), at(9), &payload));
        }
        assert_eq!((datagrams.arrivals.len(), datagrams.dropped), (fits, 3));
        assert!(datagrams.octets <= MAX_OCTETS);
    }
}
