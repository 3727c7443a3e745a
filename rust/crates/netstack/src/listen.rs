//! Ports of the own addresses that answer: forwards to targets of the host, and listeners of this process.
//!
//! A listener's connections are passed over a pair of sockets (SOCK_SEQPACKET): each message carries a descriptor of a
//! stream (SCM_RIGHTS) and the far address in 20 octets.

use std::collections::HashMap;
use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, OwnedFd};

use ipnet::IpNet;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
    recvmsg, sendmsg,
};

/// Connections of one listener that were not established or not handed over.
const MAX_WAITING: usize = 128;

/// A port of the own addresses that leads to a target of the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forward {
    /// The port.
    pub port: u16,
    /// The target.
    pub to: SocketAddr,
    /// The sources that may use it; all, if there are none.
    pub from: Vec<IpNet>,
}

/// Who answers at a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Service {
    /// A target of the host.
    Forward(SocketAddr),
    /// A listener of this process.
    Listener,
}

#[derive(Debug)]
struct Listener {
    accepted: OwnedFd,
    waiting: usize,
}

/// The ports that answer.
#[derive(Debug, Default)]
pub(crate) struct Listeners {
    forwards: HashMap<u16, Forward>,
    listeners: HashMap<u16, Listener>,
}

impl Listeners {
    /// Replace the forwards. Flows that are open stay.
    pub(crate) fn set_forwards(&mut self, forwards: &[Forward]) {
        self.forwards = forwards.iter().map(|forward| (forward.port, forward.clone())).collect();
    }

    /// Add a listener, whose connections are passed over `accepted`. False if the port is taken.
    pub(crate) fn add(&mut self, port: u16, accepted: OwnedFd) -> bool {
        let is_free = !self.forwards.contains_key(&port) && !self.listeners.contains_key(&port);
        if is_free {
            self.listeners.insert(port, Listener { accepted, waiting: 0 });
        }
        is_free
    }

    /// Return who answers at a port for a source.
    pub(crate) fn service(&mut self, port: u16, source: IpAddr) -> Option<Service> {
        if let Some(forward) = self.forwards.get(&port) {
            let may_use = forward.from.is_empty() || forward.from.iter().any(|prefix| prefix.contains(&source));
            return may_use.then_some(Service::Forward(forward.to));
        }
        let listener = self.listeners.get(&port)?;
        if is_closed(&listener.accepted) {
            self.listeners.remove(&port);
            return None;
        }
        Some(Service::Listener)
    }

    /// Count a connection that is being established; false if there are too many.
    pub(crate) fn enter_queue(&mut self, port: u16) -> bool {
        self.listeners.get_mut(&port).is_some_and(|listener| {
            let has_room = listener.waiting < MAX_WAITING;
            listener.waiting += usize::from(has_room);
            has_room
        })
    }

    /// Count a connection that ended before it was handed over.
    pub(crate) fn left_queue(&mut self, port: u16) {
        if let Some(listener) = self.listeners.get_mut(&port) {
            listener.waiting = listener.waiting.saturating_sub(1);
        }
    }

    /// Hand over the stream of a connection; false if the listener has gone or has not taken those before.
    pub(crate) fn deliver(&mut self, port: u16, stream: OwnedFd, remote: SocketAddr) -> bool {
        self.left_queue(port);
        let Some(listener) = self.listeners.get(&port) else { return false };
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        let fds = [stream.as_fd()];
        control.push(SendAncillaryMessage::ScmRights(&fds));
        let address = octets(remote);
        let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
        sendmsg(&listener.accepted, &[IoSlice::new(&address)], &mut control, flags).is_ok()
    }
}

/// Take a connection that a listener handed over: its stream, and the far address. `None` if there is none.
pub(crate) fn take_accepted(accepted: &OwnedFd) -> Option<(OwnedFd, SocketAddr)> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut address = [0; ADDRESS_BYTES];
    let flags = RecvFlags::DONTWAIT | RecvFlags::CMSG_CLOEXEC;
    recvmsg(accepted, &mut [IoSliceMut::new(&mut address)], &mut control, flags).ok()?;
    let stream = control.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut fds) => fds.next(),
        _ => None,
    });
    stream.zip(from_octets(&address))
}

/// Return whether the other end of a pair was closed.
fn is_closed(fd: &OwnedFd) -> bool {
    let mut fds = [rustix::event::PollFd::new(fd, rustix::event::PollFlags::empty())];
    let polled = rustix::event::poll(&mut fds, Some(&rustix::event::Timespec::default()));
    polled.is_ok() && fds[0].revents().intersects(rustix::event::PollFlags::HUP | rustix::event::PollFlags::ERR)
}

/// Size of an address as the Python side reads it.
pub(crate) const ADDRESS_BYTES: usize = 20;

/// Return an address as the Python side reads it: the version (4 or 6), a zero, the port, and 16 octets of the address,
/// of which IPv4 uses the first four.
pub(crate) fn octets(address: SocketAddr) -> [u8; ADDRESS_BYTES] {
    let mut octets = [0; ADDRESS_BYTES];
    octets[0] = if address.is_ipv4() { 4 } else { 6 };
    octets[2..4].copy_from_slice(&address.port().to_be_bytes());
    match address.ip() {
        IpAddr::V4(ip) => octets[4..8].copy_from_slice(&ip.octets()),
        IpAddr::V6(ip) => octets[4..].copy_from_slice(&ip.octets()),
    }
    octets
}

/// Return the address of octets as [`octets`] writes them; `None` for another version.
pub(crate) fn from_octets(octets: &[u8; ADDRESS_BYTES]) -> Option<SocketAddr> {
    let port = u16::from_be_bytes([octets[2], octets[3]]);
    let ip: IpAddr = match octets[0] {
        4 => <[u8; 4]>::try_from(&octets[4..8]).ok()?.into(),
        6 => <[u8; 16]>::try_from(&octets[4..]).ok()?.into(),
        _ => return None,
    };
    Some((ip, port).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_as_it_was_written() {
        for text in ["192.0.2.1:53", "[2001:db8::1]:65535"] {
            let address = text.parse().unwrap();
            assert_eq!(from_octets(&octets(address)), Some(address));
        }
        assert_eq!(from_octets(&[0; ADDRESS_BYTES]), None);
    }
}
