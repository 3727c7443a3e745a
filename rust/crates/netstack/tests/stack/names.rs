//! Names: asked by proxies and threads of one node, and answered by the other node at port 53 of its address.

use std::collections::{HashMap, HashSet};
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;

use dns::frames::framed;
use dns::message::addresses::{AddressQuestion, Family, Response, parse};
use dns::route::{NameServer, Path, Servers, Table};
use dns::zone::Zone;
use netstack::local::config::{Listen, Listener, Protocol, Proxy, Service};
use netstack::{Dns, Forward, Tables};

use crate::node::{Node, TIMEOUT};

const LOOPBACK: (Ipv4Addr, u16) = (Ipv4Addr::LOCALHOST, 0);
/// More addresses than fit into a datagram.
const MANY: usize = 200;

fn servers(addresses: &[SocketAddr], path: Path) -> Servers {
    addresses.iter().map(|address| NameServer { address: *address, path }).collect()
}

/// Return rules without any name, whose other names are asked of these servers in the tunnel.
fn rules(hosts: &[(&str, Vec<IpAddr>)], others: &[SocketAddr]) -> Table {
    let hosts: Vec<_> = hosts.iter().map(|(name, addresses)| (name.parse().unwrap(), addresses.clone())).collect();
    Table {
        zone: Zone::new("warren.internal".parse().unwrap(), &hosts, Vec::new()),
        routes: HashMap::new(),
        others: servers(others, Path::Tunnel),
        host_names: HashSet::new(),
        host: servers(&[], Path::Host),
        mesh: Vec::new(),
        rebind_allow: HashSet::from(["example".parse().unwrap()]),
    }
}

fn dns(table: Table) -> Option<Dns> {
    Some(Dns { rules: Arc::new(table), serves_peers: false, listen: vec![LOOPBACK.into()] })
}

/// Return two nodes that are peers. The second knows names, and forwards its port 80 to the server that is returned.
fn pair(change: impl FnOnce(&mut Tables)) -> (Node, Node, TcpListener) {
    let server = TcpListener::bind(LOOPBACK).unwrap();
    let to = server.local_addr().unwrap();
    let many = (0..MANY).map(|number| IpAddr::from([10, 1, 0, number as u8])).collect();
    let hosts: [(&str, Vec<IpAddr>); 2] =
        [("web.example", vec!["10.0.0.2".parse().unwrap(), "fd00::2".parse().unwrap()]), ("many.example", many)];
    let second = Node::new(2, |tables| {
        tables.forwards = vec![Forward { port: 80, to, from: Vec::new() }];
        tables.dns = Some(Dns { serves_peers: true, ..dns(rules(&hosts, &[])).unwrap() });
    });
    let first = Node::new(1, |tables| {
        tables.dns = dns(rules(&[], &[(Ipv4Addr::new(10, 0, 0, 2), 53).into()]));
        change(tables);
    });
    first.add(&second, &[]);
    second.add(&first, &[]);
    (first, second, server)
}

fn resolve(node: &Node, name: &str) -> Vec<IpAddr> {
    node.stack.resolve(name).unwrap().recv_timeout(TIMEOUT).unwrap()
}

/// Return the address of the listener of a node for DNS.
fn listener(node: &Node) -> SocketAddr {
    let listeners = node.stack.status().unwrap().listeners;
    let address = listeners.iter().find_map(|(text, _)| text.strip_prefix("dns ").map(str::to_owned));
    address.unwrap().parse().unwrap()
}

fn question(name: &str) -> AddressQuestion {
    AddressQuestion { id: 7, name: name.parse().unwrap(), family: Family::V4 }
}

/// Ask over UDP.
fn ask(server: SocketAddr, name: &str) -> Response {
    let (socket, mut buffer) = (UdpSocket::bind(LOOPBACK).unwrap(), [0; 4096]);
    socket.set_read_timeout(Some(TIMEOUT)).unwrap();
    socket.send_to(&question(name).encode(true), server).unwrap();
    let count = socket.recv(&mut buffer).unwrap();
    parse(&buffer[..count], &question(name)).unwrap()
}

/// Ask over TCP.
fn ask_over_tcp(server: SocketAddr, name: &str) -> Response {
    let mut stream = TcpStream::connect(server).unwrap();
    stream.set_read_timeout(Some(TIMEOUT)).unwrap();
    stream.write_all(&framed(&question(name).encode(true))).unwrap();
    let mut length = [0; 2];
    stream.read_exact(&mut length).unwrap();
    let mut message = vec![0; u16::from_be_bytes(length).into()];
    stream.read_exact(&mut message).unwrap();
    parse(&message, &question(name)).unwrap()
}

#[test]
fn a_name_is_asked_through_the_tunnel_and_has_its_addresses_in_order() {
    let (first, _second, _server) = pair(|_| {});
    // A private network of IPv6 comes behind IPv4 (RFC 6724, section 2.1).
    assert_eq!(resolve(&first, "web.example"), ["10.0.0.2", "fd00::2"].map(|text| text.parse::<IpAddr>().unwrap()));
    assert_eq!(resolve(&first, "gone.warren.internal"), [] as [IpAddr; 0]);
    assert_eq!(resolve(&first, "..."), [] as [IpAddr; 0]);
    assert!(resolve(&first, "localhost").iter().all(IpAddr::is_loopback));
}

#[test]
fn an_answer_that_is_cut_off_is_asked_for_again_over_tcp() {
    let (first, _second, _server) = pair(|_| {});
    assert_eq!(resolve(&first, "many.example").len(), MANY);
}

#[test]
fn programs_of_the_host_are_answered_over_udp_and_tcp() {
    let (first, _second, _server) = pair(|_| {});
    let server = listener(&first);
    let addresses = |response| match response {
        Response::Addresses(addresses) => addresses.len(),
        response => panic!("{response:?}"),
    };
    assert_eq!(addresses(ask(server, "web.example")), 1);
    assert!(matches!(ask(server, "many.example"), Response::Truncated));
    assert_eq!(addresses(ask_over_tcp(server, "many.example")), MANY);
    assert!(matches!(ask(server, "gone.warren.internal"), Response::NoSuchName));
}

#[test]
fn a_client_of_a_proxy_reaches_a_name() {
    let proxy = Service::Proxy(Proxy { protocol: Protocol::Mixed, login: None, is_direct: false });
    let listener = Listener { listen: Listen::Tcp(LOOPBACK.into()), service: proxy };
    let (first, _second, server) = pair(|tables| tables.listeners = vec![listener]);
    let address = first.stack.status().unwrap().listeners[0].0.strip_prefix("mixed ").unwrap().to_owned();
    let mut client = TcpStream::connect(&address).unwrap();
    client.set_read_timeout(Some(TIMEOUT)).unwrap();
    client.write_all(b"CONNECT web.example:80 HTTP/1.1\r\nHost: a\r\n\r\nearly").unwrap();
    let (mut served, mut octets) = (server.accept().unwrap().0, [0; 5]);
    served.read_exact(&mut octets).unwrap();
    assert_eq!(&octets, b"early");

    let mut client = TcpStream::connect(&address).unwrap();
    client.write_all(b"\x05\x01\x00\x05\x01\x00\x03\x14gone.warren.internal\x00\x50").unwrap();
    let mut answer = Vec::new();
    client.read_to_end(&mut answer).unwrap();
    assert_eq!(answer[..4], [5, 0, 5, 4]);
}

#[test]
fn a_rule_for_the_host_asks_outside_and_a_rule_that_fails_asks_nobody_else() {
    let outside = UdpSocket::bind(LOOPBACK).unwrap();
    outside.set_read_timeout(Some(TIMEOUT)).unwrap();
    let address = outside.local_addr().unwrap();
    let (first, _second, _server) = pair(|tables| {
        let nobody = servers(&[(Ipv4Addr::new(10, 0, 0, 2), 54).into()], Path::Tunnel);
        let mut table = rules(&[], &[]);
        table.host_names = HashSet::from(["vpn.example".parse().unwrap()]);
        table.host = servers(&[address], Path::Host);
        table.routes = HashMap::from([("corp.example".parse().unwrap(), nobody)]);
        tables.dns = dns(table);
    });
    assert_eq!(resolve(&first, "a.corp.example"), [] as [IpAddr; 0]);
    let answered = first.stack.resolve("vpn.example").unwrap();
    let mut asked = Vec::new();
    for _ in 0..2 {
        let mut buffer = [0; 512];
        let (count, from) = outside.recv_from(&mut buffer).unwrap();
        asked.push(String::from_utf8_lossy(&buffer[..count]).into_owned());
        // The question comes back as an answer of the code REFUSED.
        (buffer[2], buffer[3]) = (0x81, 5);
        outside.send_to(&buffer[..count], from).unwrap();
    }
    assert_eq!(answered.recv_timeout(TIMEOUT).unwrap(), [] as [IpAddr; 0]);
    assert!(asked.iter().all(|text| text.contains("vpn") && !text.contains("corp")), "{asked:?}");
}

#[test]
fn without_rules_no_name_is_known_and_with_new_ones_the_cache_is_empty() {
    let (first, _second, _server) = pair(|_| {});
    assert_eq!(resolve(&first, "web.example").len(), 2);
    let tables = |dns| Tables {
        addresses: vec!["10.0.0.1/24".parse().unwrap(), "fd00::1/64".parse().unwrap()],
        dns,
        ..Tables::default()
    };
    first.stack.set_tables(tables(None)).unwrap();
    assert_eq!(resolve(&first, "web.example"), [] as [IpAddr; 0]);
    let own = ("web.example", vec!["10.0.0.9".parse().unwrap()]);
    first.stack.set_tables(tables(dns(rules(&[own], &[])))).unwrap();
    assert_eq!(resolve(&first, "web.example"), ["10.0.0.9".parse::<IpAddr>().unwrap()]);
}
