//! Clients of listeners on the host, by hand: the octets that pass, and what is answered when they cannot.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;

use netstack::local::config::{Listen, Listener, Login, Protocol, Proxy, Service};
use netstack::target::Target;
use netstack::{Forward, Tables};

use crate::node::{Node, TIMEOUT, until};

const UNUSED: Listen = Listen::Tcp(std::net::SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0));

fn proxy(protocol: Protocol) -> Listener {
    Listener { listen: UNUSED, service: Service::Proxy(Proxy { protocol, login: None, is_direct: false }) }
}

fn with_login(protocol: Protocol) -> Listener {
    let login = Some(Login { user: "ann".into(), password: b"secret".to_vec() });
    Listener { listen: UNUSED, service: Service::Proxy(Proxy { protocol, login, is_direct: false }) }
}

fn forward(to: &str) -> Listener {
    Listener { listen: UNUSED, service: Service::Forward(Target::parse(to, None).unwrap()) }
}

/// Return two nodes that are peers. The first has the listeners; the second forwards its port 80 to the server that is
/// returned.
fn pair(listeners: Vec<Listener>) -> (Node, Node, TcpListener) {
    let server = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let to = server.local_addr().unwrap();
    let first = Node::new(1, |tables| tables.listeners = listeners);
    let second = Node::new(2, |tables| tables.forwards = vec![Forward { port: 80, to, from: Vec::new() }]);
    first.add(&second, &[]);
    second.add(&first, &[]);
    (first, second, server)
}

/// Connect to the listener of a node with this number.
fn client(node: &Node, index: usize) -> TcpStream {
    let (text, state) = node.stack.status().unwrap().listeners.swap_remove(index);
    assert_eq!(state, Ok(()));
    with_timeout(TcpStream::connect(text.split_once(' ').unwrap().1).unwrap())
}

fn with_timeout(stream: TcpStream) -> TcpStream {
    stream.set_read_timeout(Some(TIMEOUT)).unwrap();
    stream
}

fn accept(server: &TcpListener) -> TcpStream {
    with_timeout(server.accept().unwrap().0)
}

fn read(mut stream: impl Read, count: usize) -> Vec<u8> {
    let mut octets = vec![0; count];
    stream.read_exact(&mut octets).unwrap();
    octets
}

fn read_all(mut stream: impl Read) -> Vec<u8> {
    let mut octets = Vec::new();
    stream.read_to_end(&mut octets).unwrap();
    octets
}

/// Return what a client is answered until the proxy closes.
fn answered(node: &Node, index: usize, octets: &[u8]) -> Vec<u8> {
    let mut client = client(node, index);
    client.write_all(octets).unwrap();
    read_all(client)
}

const GREETING: &[u8] = &[5, 1, 0];

fn socks_connect(address: [u8; 4], port: u16) -> Vec<u8> {
    [&[5, 1, 0, 1][..], &address, &port.to_be_bytes()].concat()
}

#[test]
fn a_socks_client_reaches_an_address_behind_a_peer_and_its_end_is_passed_on() {
    let (first, second, server) = pair(vec![proxy(Protocol::Socks5)]);
    let mut client = client(&first, 0);
    client.write_all(GREETING).unwrap();
    assert_eq!(read(&client, 2), [5, 0]);
    client.write_all(&socks_connect(second.address().octets(), 80)).unwrap();
    assert_eq!(read(&client, 10), [5, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    let mut served = accept(&server);
    client.write_all(b"question").unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    assert_eq!(read_all(&served), b"question");
    served.write_all(b"answer").unwrap();
    drop(served);
    assert_eq!(read_all(client), b"answer");
    until(|| first.stack.status().unwrap().tcp_flows == 0);
}

#[test]
fn a_socks_client_is_told_why_there_is_no_connection() {
    let (first, second, _server) = pair(vec![proxy(Protocol::Mixed)]);
    let cases = [
        (socks_connect(second.address().octets(), 81), 5),
        (socks_connect([10, 0, 0, 9], 80), 2),
        ([&[5, 1, 0, 3, 9][..], b"a.invalid", &[0, 80]].concat(), 4),
        ([&[5, 2, 0, 1][..], &[10, 0, 0, 2, 0, 80]].concat(), 7),
        ([&[5, 1, 0, 2][..], &[10, 0, 0, 2, 0, 80]].concat(), 8),
    ];
    for (request, code) in cases {
        let answer = answered(&first, 0, &[GREETING, &request].concat());
        assert_eq!(answer, [5, 0, 5, code, 0, 1, 0, 0, 0, 0, 0, 0], "{request:?}");
    }
}

#[test]
fn the_octets_behind_a_connect_of_http_belong_to_the_stream() {
    let (first, _second, server) = pair(vec![proxy(Protocol::Mixed)]);
    let mut client = client(&first, 0);
    client.write_all(b"CONNECT 10.0.0.2:80 HTTP/1.1\r\nHost: 10.0.0.2:80\r\n\r\nearly").unwrap();
    let established = b"HTTP/1.1 200 Connection Established\r\n\r\n";
    assert_eq!(read(&client, established.len()), established);
    let mut served = accept(&server);
    client.write_all(b" and late").unwrap();
    assert_eq!(read(&served, 14), b"early and late");
    served.write_all(b"answer").unwrap();
    drop(served);
    assert_eq!(read_all(client), b"answer");
}

#[test]
fn a_request_is_forwarded_with_its_body_and_nothing_behind_it() {
    let (first, _second, server) = pair(vec![proxy(Protocol::Http)]);
    let bodies: [(&str, &[&str]); 2] = [
        ("Content-Length: 6", &["ab", "cdef", "GET http://10.0.0.2/second HTTP/1.1\r\nHost: a\r\n\r\n"]),
        ("Transfer-Encoding: chunked", &["3\r\nabc\r", "\n0\r\n\r\nGET http://10.0.0.2/second HTTP/1.1\r\n\r\n"]),
    ];
    for (header, parts) in bodies {
        let mut client = client(&first, 0);
        write!(
            client,
            "POST http://10.0.0.2/a?b HTTP/1.1\r\nHost: other\r\nProxy-Connection: keep-alive\r\n{header}\r\n\r\n"
        )
        .unwrap();
        client.write_all(parts[0].as_bytes()).unwrap();
        let mut served = accept(&server);
        for part in &parts[1..] {
            client.write_all(part.as_bytes()).unwrap();
        }
        let body = parts.concat();
        let body = body.split_once("GET").unwrap().0;
        let expected = format!("POST /a?b HTTP/1.1\r\nHost: 10.0.0.2\r\n{header}\r\nConnection: close\r\n\r\n{body}");
        assert_eq!(String::from_utf8(read(&served, expected.len())).unwrap(), expected);
        client.shutdown(Shutdown::Write).unwrap();
        assert_eq!(read_all(&served), b"", "behind the body");
        served.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello").unwrap();
        drop(served);
        assert!(read_all(client).ends_with(b"\r\n\r\nhello"));
    }
}

#[test]
fn an_http_client_is_told_why_there_is_no_connection() {
    let (first, _second, _server) = pair(vec![proxy(Protocol::Http)]);
    let long = format!("GET http://10.0.0.2/ HTTP/1.1\r\nHost: a\r\nA: {}\r\n\r\n", "a".repeat(17 << 10));
    let cases = [
        ("CONNECT 10.0.0.2:81 HTTP/1.1\r\nHost: a\r\n\r\n", "502", "Warren-Error: refused\r\n"),
        ("GET http://10.0.0.2:81/ HTTP/1.1\r\nHost: a\r\n\r\n", "502", "Warren-Error: refused\r\n"),
        ("CONNECT 10.0.0.9:80 HTTP/1.1\r\nHost: a\r\n\r\n", "403", ""),
        ("CONNECT a.invalid:80 HTTP/1.1\r\nHost: a\r\n\r\n", "502", "Warren-Error: name\r\n"),
        ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", "400", ""),
        ("GET http://10.0.0.2/ HTTP/1.1\r\n\r\n", "400", ""),
        ("POST http://10.0.0.2/ HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\na", "400", ""),
        ("POST http://10.0.0.2/ HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n", "400", ""),
        ("TRACE http://10.0.0.2/ HTTP/1.1\r\nHost: a\r\n\r\n", "405", "Allow: "),
        ("\x16\x03\x01\r\n\r\n", "400", ""),
        ("\x04\x01\0P\x0a\0\0\x02\0\r\n\r\n", "400", ""),
        (&long, "431", ""),
    ];
    for (request, code, header) in cases {
        let answer = String::from_utf8(answered(&first, 0, request.as_bytes())).unwrap();
        assert!(answer.starts_with(&format!("HTTP/1.1 {code} ")) && answer.contains(header), "{request:?}: {answer:?}");
    }
}

#[test]
fn a_malformed_socks_handshake_closes_the_connection() {
    let (first, _second, _server) = pair(vec![proxy(Protocol::Socks5)]);
    let cases: [(&[u8], &[u8]); 7] = [
        (&[4, 1, 0, 80, 10, 0, 0, 2, 0], &[]),
        (b"GET / HTTP/1.1\r\n\r\n", &[]),
        (&[5, 0], &[]),
        (&[5, 1, 2], &[5, 0xff]),
        (&[5, 1, 0, 4, 1, 0, 1, 10, 0, 0, 2, 0, 80], &[5, 0]),
        (&[5, 1, 0, 5, 1, 1, 1, 10, 0, 0, 2, 0, 80], &[5, 0]),
        (&[5, 1, 0, 5, 1, 0, 1, 10, 0, 0, 2, 0, 80, 0], &[5, 0]),
    ];
    for (octets, answer) in cases {
        assert_eq!(answered(&first, 0, octets), answer, "{octets:?}");
    }
}

#[test]
fn a_proxy_with_a_password_serves_only_who_knows_it() {
    let (first, _second, server) = pair(vec![with_login(Protocol::Mixed)]);
    assert_eq!(answered(&first, 0, GREETING), [5, 0xff]);
    assert_eq!(answered(&first, 0, b"\x05\x01\x02\x01\x03ann\x05wrong"), [5, 2, 1, 1]);
    let connect = |login| format!("CONNECT 10.0.0.2:80 HTTP/1.1\r\nHost: a\r\n{login}\r\n");
    for login in ["", "Proxy-Authorization: Basic YW5uOndyb25n\r\n"] {
        let answer = answered(&first, 0, connect(login).as_bytes());
        assert!(answer.starts_with(b"HTTP/1.1 407 "), "{answer:?}");
    }

    let mut client = client(&first, 0);
    client.write_all(b"\x05\x01\x02").unwrap();
    client.write_all(b"\x01\x03ann\x06secret").unwrap();
    assert_eq!(read(&client, 4), [5, 2, 1, 0]);
    client.write_all(&socks_connect([10, 0, 0, 2], 80)).unwrap();
    assert_eq!(read(&client, 10)[..2], [5, 0]);
    accept(&server);
    let mut client = self::client(&first, 0);
    client.write_all(connect("Proxy-Authorization: Basic YW5uOnNlY3JldA==\r\n").as_bytes()).unwrap();
    assert!(read(&client, 12).ends_with(b"200"));
}

#[test]
fn a_forward_of_the_host_leads_to_its_target_without_a_word_of_its_own() {
    let (first, _second, server) = pair(vec![forward("10.0.0.2:80"), forward("10.0.0.2:81")]);
    let mut client = client(&first, 0);
    client.write_all(b"question").unwrap();
    assert_eq!(read(accept(&server), 8), b"question");
    assert_eq!(answered(&first, 1, b""), b"");
}

#[test]
fn an_address_outside_is_dialled_by_the_host_only_if_the_policy_lets_it() {
    let mut direct = proxy(Protocol::Http);
    if let Service::Proxy(proxy) = &mut direct.service {
        proxy.is_direct = true;
    }
    let (first, _second, server) = pair(vec![direct]);
    let port = server.local_addr().unwrap().port();
    for host in ["127.0.0.1", "0.0.0.0", "[::1]", "[::ffff:127.0.0.1]", "192.168.1.1", "10.0.0.1", "10.0.0.9"] {
        let answer = answered(&first, 0, format!("CONNECT {host}:{port} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes());
        assert!(answer.starts_with(b"HTTP/1.1 403 "), "{host}: {answer:?}");
    }
    let mut client = client(&first, 0);
    client.write_all(b"CONNECT 10.0.0.2:80 HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    assert!(read(&client, 12).ends_with(b"200"), "what a peer has is dialled through the tunnel");
}

#[test]
fn a_change_of_the_configuration_leaves_connections_and_equal_listeners() {
    let (first, second, server) = pair(vec![proxy(Protocol::Mixed), proxy(Protocol::Socks5)]);
    let mut connected = client(&first, 0);
    connected.write_all(b"CONNECT 10.0.0.2:80 HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    assert!(read(&connected, 39).ends_with(b"\r\n\r\n"));
    let served = accept(&server);
    let mut half = client(&first, 1);
    half.write_all(GREETING).unwrap();
    assert_eq!(read(&half, 2), [5, 0]);
    let before = first.stack.status().unwrap().listeners;

    let tables = |listeners| Tables { addresses: vec!["10.0.0.1/24".parse().unwrap()], listeners, ..Tables::default() };
    let other = forward("10.0.0.2:80");
    let taken = Listener { listen: Listen::Tcp(server.local_addr().unwrap()), ..other.clone() };
    first.stack.set_tables(tables(vec![proxy(Protocol::Http), taken.clone()])).unwrap();
    let after = first.stack.status().unwrap().listeners;
    assert_eq!(after[0], (before[0].0.replace("mixed", "http"), Ok(())), "the socket stays, the service changes");
    assert_eq!(after[1].1, Err("the address is in use".into()));
    let closed = before[1].0.split_once(' ').unwrap().1;
    assert!(TcpStream::connect(closed).is_err(), "the listener that is gone is closed");

    half.write_all(&socks_connect(second.address().octets(), 80)).unwrap();
    assert_eq!(read(&half, 10)[..2], [5, 0], "its client goes on");
    connected.write_all(b"still here").unwrap();
    assert_eq!(read(&served, 10), b"still here");
    drop(server);
    until(|| first.stack.status().unwrap().listeners[1].1 == Ok(()));
}

#[test]
fn clients_reach_a_proxy_by_a_unix_socket() {
    let path = std::env::temp_dir().join(format!("warren-proxy-{}.sock", std::process::id()));
    let listener = Listener { listen: Listen::Unix(path.clone()), ..proxy(Protocol::Mixed) };
    let (first, _second, server) = pair(vec![listener]);
    let mut client = UnixStream::connect(&path).unwrap();
    client.set_read_timeout(Some(TIMEOUT)).unwrap();
    client.write_all(b"CONNECT 10.0.0.2:80 HTTP/1.1\r\nHost: a\r\n\r\nearly").unwrap();
    assert!(read(&client, 39).ends_with(b"\r\n\r\n"));
    assert_eq!(read(accept(&server), 5), b"early");
    drop(first);
    until(|| !path.exists());
}

#[test]
fn a_listener_accepts_again_once_a_client_has_left_its_place() {
    let (first, _second, server) = pair(vec![forward("10.0.0.2:80")]);
    // The places of one listener are 1,024, and the other end of each client is in this process too: one after the other.
    for _ in 0..1100 {
        let mut client = client(&first, 0);
        client.write_all(b"x").unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        assert_eq!(read_all(accept(&server)), b"x");
        assert_eq!(read_all(client), b"");
    }
}
