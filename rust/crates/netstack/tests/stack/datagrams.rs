//! Own ports of UDP.

use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;

use netstack::ListenError;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{RecvFlags, SendFlags, recv, send};

use crate::node::{Node, TIMEOUT, pair, v6};

/// An own port, by its descriptor.
struct Port {
    number: u16,
    fd: OwnedFd,
}

impl Port {
    fn open(node: &Node, port: u16) -> Self {
        let (number, fd) = node.stack.datagrams(port).unwrap();
        Self { number, fd }
    }

    fn send(&self, to: SocketAddr, payload: &[u8]) {
        let mut message = vec![0; 20];
        message[0] = if to.is_ipv4() { 4 } else { 6 };
        message[2..4].copy_from_slice(&to.port().to_be_bytes());
        match to.ip() {
            IpAddr::V4(ip) => message[4..8].copy_from_slice(&ip.octets()),
            IpAddr::V6(ip) => message[4..].copy_from_slice(&ip.octets()),
        }
        message.extend_from_slice(payload);
        assert_eq!(send(&self.fd, &message, SendFlags::empty()), Ok(message.len()));
    }

    /// Wait for a message: the number of an error, the other side, and the payload.
    fn receive(&self) -> (u8, SocketAddr, Vec<u8>) {
        let timeout = Timespec::try_from(TIMEOUT).unwrap();
        assert_eq!(poll(&mut [PollFd::new(&self.fd, PollFlags::IN)], Some(&timeout)), Ok(1), "nothing arrived");
        let mut message = vec![0; 20 + 65_507];
        let (_, length) = recv(&self.fd, &mut *message, RecvFlags::empty()).unwrap();
        message.truncate(length);
        let port = u16::from_be_bytes([message[2], message[3]]);
        let ip: IpAddr = match message[0] {
            4 => <[u8; 4]>::try_from(&message[4..8]).unwrap().into(),
            _ => <[u8; 16]>::try_from(&message[4..20]).unwrap().into(),
        };
        (message[1], (ip, port).into(), message.split_off(20))
    }
}

#[test]
fn datagrams_of_all_sizes_pass_both_ways_over_both_families() {
    let (first, second, _listener) = pair();
    let (client, server) = (Port::open(&first, 0), Port::open(&second, 5000));
    assert_eq!(server.number, 5000);
    let ends = [
        (SocketAddr::from((first.address(), client.number)), SocketAddr::from((second.address(), 5000))),
        (v6(1, client.number), v6(2, 5000)),
    ];
    for (from, to) in ends {
        for size in [0, 1, 1372, 1392, 1393, 9000, 65_507] {
            let payload: Vec<u8> = (0..size).map(|at: u32| (at / 3) as u8).collect();
            client.send(to, &payload);
            assert!(server.receive() == (0, from, payload.clone()), "{size} octets to {to}");
            server.send(from, &payload);
            assert!(client.receive() == (0, to, payload), "{size} octets from {to}");
        }
    }
}

#[test]
fn a_port_that_nobody_has_is_reported_to_the_sender_as_refused() {
    let (first, second, _listener) = pair();
    let client = Port::open(&first, 0);
    for to in [SocketAddr::from((second.address(), 9)), v6(2, 9)] {
        client.send(to, b"is anybody there?");
        assert_eq!(client.receive(), (111, to, Vec::new()));
    }
}

#[test]
fn a_port_is_taken_until_its_descriptor_is_closed() {
    let (first, _second, _listener) = pair();
    let port = Port::open(&first, 53);
    assert!(matches!(first.stack.datagrams(53), Err(ListenError::InUse(53))));
    drop(port);
    // The stack sees that it was closed in a later turn.
    crate::node::until(|| first.stack.datagrams(53).is_ok());
}
