//! Streams through two stacks.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::thread;

use netstack::Forward;
use netstack::dial::Failure;

use crate::node::{Node, TIMEOUT, pair, until, v6};

/// Bytes that tell their position.
fn content(len: usize) -> Vec<u8> {
    (0..len as u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

fn accept(listener: &TcpListener) -> TcpStream {
    let (stream, _) = listener.accept().unwrap();
    stream.set_read_timeout(Some(TIMEOUT)).unwrap();
    stream
}

#[test]
fn megabytes_pass_both_ways_at_once_with_half_closes() {
    let (first, second, listener) = pair();
    let sent = content(20 << 20);
    let mut client = first.connect(&second, 80).unwrap();
    let mut server = accept(&listener);
    let write =
        |mut stream: Box<dyn Write + Send>, sent: Vec<u8>| thread::spawn(move || stream.write_all(&sent).unwrap());
    let (up, down) = (client.try_clone().unwrap(), server.try_clone().unwrap());
    let writers = [write(Box::new(up), sent.clone()), write(Box::new(down), sent.clone())];
    let (expected, mut from_server) = (sent.len(), server.try_clone().unwrap());
    let reader = thread::spawn(move || {
        let mut received = vec![0; expected];
        from_server.read_exact(&mut received).unwrap();
        received
    });
    let mut received = vec![0; expected];
    client.read_exact(&mut received).unwrap();
    assert!(received == sent && reader.join().unwrap() == sent);
    writers.into_iter().for_each(|writer| writer.join().unwrap());

    client.shutdown(Shutdown::Write).unwrap();
    assert_eq!(server.read(&mut [0]).unwrap(), 0, "the end of the client's direction");
    server.write_all(b"after").unwrap();
    drop(server);
    let mut rest = Vec::new();
    client.read_to_end(&mut rest).unwrap();
    assert_eq!(rest, b"after");
    until(|| first.stack.status().unwrap().tcp_flows == 0 && second.stack.status().unwrap().tcp_flows == 0);
    let status = second.stack.status().unwrap();
    assert_eq!((status.memory, status.dropped), (0, 0));
}

#[test]
fn a_dial_over_ipv6_reaches_a_forward() {
    let (first, _second, listener) = pair();
    let mut client = first.dial(&[v6(2, 80)]).unwrap();
    client.write_all(b"six").unwrap();
    let mut received = [0; 3];
    accept(&listener).read_exact(&mut received).unwrap();
    assert_eq!(&received, b"six");
}

#[test]
fn a_port_that_nobody_serves_is_refused_and_an_address_of_no_peer_has_no_way() {
    let (first, second, _listener) = pair();
    assert_eq!(first.connect(&second, 81).unwrap_err(), Failure::Refused);
    assert_eq!(first.dial(&[(Ipv4Addr::new(10, 0, 0, 9), 80).into()]).unwrap_err(), Failure::NoPeer);
}

#[test]
fn the_next_address_is_tried_when_one_fails() {
    let (first, second, listener) = pair();
    let addresses = [(Ipv4Addr::new(10, 0, 0, 9), 80).into(), v6(2, 81), (second.address(), 80).into()];
    let mut client = first.dial(&addresses).unwrap();
    client.write_all(b"x").unwrap();
    accept(&listener).read_exact(&mut [0]).unwrap();
}

#[test]
fn a_forward_whose_target_is_closed_refuses() {
    let closed = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
    let first = Node::new(1, |_| {});
    let second = Node::new(2, |tables| {
        tables.forwards = vec![
            Forward { port: 80, to: closed, from: Vec::new() },
            Forward { port: 81, to: closed, from: vec!["10.0.0.3/32".parse().unwrap()] },
        ];
    });
    first.add(&second, &[]);
    second.add(&first, &[]);
    assert_eq!(first.connect(&second, 80).unwrap_err(), Failure::Refused);
    assert_eq!(first.connect(&second, 81).unwrap_err(), Failure::Refused, "the source is not among those allowed");
}

#[test]
fn a_reset_is_carried_through() {
    let (first, second, listener) = pair();
    let mut client = first.connect(&second, 80).unwrap();
    let server = accept(&listener);
    rustix::net::sockopt::set_socket_linger(&server, Some(std::time::Duration::ZERO)).unwrap();
    drop(server);
    assert_eq!(client.read(&mut [0]).unwrap(), 0, "a local stream has no reset");
    until(|| first.stack.status().unwrap().tcp_flows == 0 && second.stack.status().unwrap().tcp_flows == 0);
}

#[test]
fn a_reader_that_stops_holds_bounded_memory_and_loses_nothing() {
    let (first, second, listener) = pair();
    let mut client = first.connect(&second, 80).unwrap();
    let mut server = accept(&listener);
    let sent = content(64 << 20);
    let copy = sent.clone();
    let writer = thread::spawn(move || server.write_all(&copy).unwrap());
    let mut last = usize::MAX;
    until(|| {
        let memory = first.stack.status().unwrap().memory + second.stack.status().unwrap().memory;
        thread::sleep(std::time::Duration::from_millis(100));
        let is_still = memory == last;
        last = memory;
        is_still
    });
    assert!(last <= 17 << 20, "{last} bytes are held");
    let mut received = vec![0; sent.len()];
    client.read_exact(&mut received).unwrap();
    assert!(received == sent);
    writer.join().unwrap();
}

#[test]
fn the_flows_of_a_removed_peer_are_reset() {
    let (first, second, listener) = pair();
    let mut client = first.connect(&second, 80).unwrap();
    let mut server = accept(&listener);
    second.remove(&first);
    let end = server.read(&mut [0]);
    assert!(matches!(end, Ok(0) | Err(_)), "{end:?}");
    first.remove(&second);
    assert_eq!(client.read(&mut [0]).unwrap(), 0);
    until(|| first.stack.status().unwrap().tcp_flows == 0 && second.stack.status().unwrap().tcp_flows == 0);
}
