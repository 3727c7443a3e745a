//! Datagrams through real sockets, each test in a network namespace of its own.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "what cannot be set up is a failure of its own"
)]

#[path = "../../hostnet/tests/namespace/mod.rs"]
mod namespace;

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::Duration;

use device::packet::virtio::HEADER_BYTES;
use device::tun::{Tun, TunStop};
use device::udp::{BindError, Family, Inbox, Outbox, SendReport, Sockets, Source};
use namespace::{add_address, enter, ip};
use proto::endpoint::{Endpoint, Local};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::thread::{CapabilitySet, CapabilitySets};

const DEADLINE: Timespec = Timespec { tv_sec: 10, tv_nsec: 0 };

fn bind() -> Sockets {
    Sockets::bind(0, 0).unwrap()
}

/// Bind a plain socket, as of any other program.
fn far(address: &str) -> UdpSocket {
    let socket = UdpSocket::bind(address).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    socket
}

fn to(address: &str, port: u16) -> Endpoint {
    SocketAddr::new(address.parse().unwrap(), port).into()
}

/// Wait for datagrams of a family and return copies.
fn receive(sockets: &Sockets, family: Family, count: usize) -> Vec<(Endpoint, Vec<u8>)> {
    let socket = sockets.of(family).unwrap();
    let (mut inbox, mut all) = (Inbox::new(), Vec::new());
    while all.len() < count {
        assert_eq!(poll(&mut [PollFd::new(socket, PollFlags::IN)], Some(&DEADLINE)), Ok(1), "nothing came");
        inbox.receive(socket).unwrap();
        all.extend(inbox.datagrams().map(|(from, datagram)| (from, datagram.to_vec())));
    }
    all
}

/// Queue a datagram of an owner.
fn queue(outbox: &mut Outbox<usize>, owner: usize, endpoint: Endpoint, datagram: &[u8]) {
    outbox.room(owner, endpoint, datagram.len()).unwrap().copy_from_slice(datagram);
}

/// Send the queued datagrams; return the owners that lost their source address with the report.
fn flush(outbox: &mut Outbox<usize>, sockets: &Sockets) -> (SendReport, Vec<usize>) {
    let mut lost = Vec::new();
    let report = outbox.flush(sockets, |owner| lost.push(owner));
    (report, lost)
}

fn heard(socket: &UdpSocket) -> (Vec<u8>, SocketAddr) {
    let mut buffer = vec![0; 65_536];
    let (len, from) = socket.recv_from(&mut buffer).unwrap();
    (buffer[..len].to_vec(), from)
}

#[test]
fn both_families_use_one_port() {
    enter();
    let sockets = bind();
    for (family, address) in [(Family::V4, "127.0.0.1"), (Family::V6, "::1")] {
        let peer = far(&SocketAddr::new(address.parse().unwrap(), 0).to_string());
        peer.send_to(b"hello", (address, sockets.port())).unwrap();
        let (from, datagram) = receive(&sockets, family, 1).remove(0);
        assert_eq!((datagram.as_slice(), from.remote), (&b"hello"[..], peer.local_addr().unwrap()));
        assert_eq!(from.local, Some(Local { address: address.parse().unwrap(), interface: 1 }));
        assert_eq!(sockets.send_one(from, b"answer").unwrap(), Source::Kept);
        assert_eq!(heard(&peer), (b"answer".to_vec(), SocketAddr::new(address.parse().unwrap(), sockets.port())));
    }
}

#[test]
fn a_reply_leaves_from_the_address_that_was_sent_to() {
    enter();
    for (family, one, two, three) in
        [(Family::V4, "10.7.0.1", "10.7.0.2", "10.7.0.3"), (Family::V6, "fd00::1", "fd00::2", "fd00::3")]
    {
        let prefix = if family == Family::V4 { 24 } else { 64 };
        for address in [one, two, three] {
            add_address(&format!("{address}/{prefix}"), "lo");
        }
        let sockets = bind();
        let peer = far(&SocketAddr::new(one.parse().unwrap(), 0).to_string());
        let mut outbox = Outbox::new();
        for address in [two, three, two] {
            peer.send_to(b"hello", (address, sockets.port())).unwrap();
            let (from, _) = receive(&sockets, family, 1).remove(0);
            queue(&mut outbox, 0, from, b"answer");
        }
        let (report, lost) = flush(&mut outbox, &sockets);
        assert_eq!((report.sent, report.failed, lost), (3, 0, vec![]));
        let sources: Vec<_> = (0..3).map(|_| heard(&peer).1.ip().to_string()).collect();
        assert_eq!(sources, [two, three, two]);
    }
}

#[test]
fn a_removed_source_is_reported_and_omitted() {
    enter();
    for (family, near, leaving) in
        [(Family::V4, "10.7.0.1/32", "10.7.0.2/32"), (Family::V6, "fd00::1/128", "fd00::2/128")]
    {
        add_address(near, "lo");
        add_address(leaving, "lo");
        let sockets = bind();
        let peer = far(&SocketAddr::new(host(near), 0).to_string());
        peer.send_to(b"hello", (host(leaving), sockets.port())).unwrap();
        let (stale, _) = receive(&sockets, family, 1).remove(0);
        ip(&format!("address delete {leaving} dev lo"));
        let mut outbox = Outbox::new();
        let fresh = stale.remote.into();
        for (owner, endpoint, datagram) in
            [(0, fresh, b"a"), (1, stale, b"b"), (2, fresh, b"c"), (3, stale, b"d"), (3, stale, b"e")]
        {
            queue(&mut outbox, owner, endpoint, datagram);
        }
        let (report, lost) = flush(&mut outbox, &sockets);
        assert_eq!((report.sent, report.failed), (5, 0), "{:?}", report.first_error);
        assert_eq!(lost, [1, 3]);
        let order: Vec<_> = (0..5).flat_map(|_| heard(&peer).0).collect();
        assert_eq!(order, b"abcde");
        assert_eq!(sockets.send_one(stale, b"e").unwrap(), Source::Lost);
        assert_eq!(heard(&peer).0, b"e");
    }
}

/// Return the address before the slash.
fn host(address: &str) -> IpAddr {
    address.split('/').next().unwrap().parse().unwrap()
}

#[test]
fn a_link_local_peer_is_answered_on_its_link() {
    enter();
    ip("link add v0 type veth peer name v1");
    ip("link set v1 up");
    ip("link set v0 up");
    add_address("fe80::7/64", "v0");
    let index: u32 = ip("-o link show v0").split(':').next().unwrap().parse().unwrap();
    let sockets = bind();
    let peer = far("[::]:0");
    peer.send_to(b"hello", format!("[fe80::7%{index}]:{}", sockets.port())).unwrap();
    let (from, _) = receive(&sockets, Family::V6, 1).remove(0);
    let near = "fe80::7".parse().unwrap();
    assert_eq!(from.local, Some(Local { address: near, interface: index }));
    assert_eq!(sockets.send_one(from, b"answer").unwrap(), Source::Kept);
    assert_eq!(heard(&peer).1.ip(), near);
}

#[test]
fn a_batch_keeps_its_order_across_families_and_owners() {
    enter();
    let (near, other) = (bind(), bind());
    let mut outbox = Outbox::new();
    for number in 0..60u8 {
        let address = if number % 5 == 0 { "::1" } else { "127.0.0.1" };
        queue(&mut outbox, usize::from(number / 7), to(address, other.port()), &[number]);
    }
    let (report, _) = flush(&mut outbox, &near);
    assert_eq!((report.sent, report.failed, outbox.is_empty()), (60, 0, true));
    for (family, fifth) in [(Family::V6, true), (Family::V4, false)] {
        let sent: Vec<u8> = (0..60).filter(|number| (number % 5 == 0) == fifth).collect();
        let came: Vec<u8> =
            receive(&other, family, sent.len()).into_iter().flat_map(|(_, datagram)| datagram).collect();
        assert_eq!(came, sent);
    }
}

#[test]
fn batches_of_any_shape_arrive_as_the_datagrams_that_were_queued() {
    enter();
    let (near, other) = (bind(), bind());
    for segmentation in [Ok(()), Err("off".to_owned())] {
        let mut outbox = Outbox::new();
        outbox.set_segmentation(segmentation);
        // Long and short ones, more than 64 of a kind, a batch that ends with a short one, one beyond 64 KiB.
        let lengths = [vec![1452; 50], vec![300], vec![64; 150], vec![1452, 100, 1452, 1452], vec![9000; 8]].concat();
        let mut sent = Vec::new();
        let mut came = Vec::new();
        for (number, length) in lengths.iter().enumerate() {
            let datagram: Vec<u8> = (0..*length).map(|at| (at + number) as u8).collect();
            queue(&mut outbox, 7, to("127.0.0.1", other.port()), &datagram);
            sent.push(datagram);
        }
        let (report, _) = flush(&mut outbox, &near);
        assert_eq!((report.sent, report.failed), (lengths.len(), 0), "{:?}", report.first_error);
        came.extend(receive(&other, Family::V4, lengths.len()).into_iter().map(|(_, datagram)| datagram));
        assert!(came == sent);
    }
}

#[test]
fn a_full_queue_is_reported_and_can_be_reused() {
    enter();
    let (near, other) = (bind(), bind());
    let mut outbox = Outbox::new();
    for _ in 0..3 {
        let mut count = 0;
        while outbox.room(1, to("127.0.0.1", other.port()), 60_000).is_some() {
            count += 1;
        }
        assert_eq!(count, 4, "256 KiB");
        assert_eq!(flush(&mut outbox, &near).0.sent, 4);
        assert_eq!(receive(&other, Family::V4, 4).len(), 4);
    }
    assert_eq!(Inbox::new().receive(other.of(Family::V4).unwrap()).unwrap(), 0);
}

#[test]
fn a_batch_too_large_for_its_route_is_sent_in_fragments() {
    enter();
    ip("link set lo mtu 1280");
    let (near, other) = (bind(), bind());
    let mut outbox = Outbox::new();
    for _ in 0..3 {
        for number in 0..20u8 {
            queue(&mut outbox, 1, to("127.0.0.1", other.port()), &[number; 1452]);
        }
        let (report, lost) = flush(&mut outbox, &near);
        assert_eq!((report.sent, report.failed, lost), (20, 0, vec![]), "{:?}", report.first_error);
        let came = receive(&other, Family::V4, 20);
        assert!(came.iter().enumerate().all(|(number, (_, datagram))| *datagram == [number as u8; 1452]));
    }
    assert!(outbox.segmentation().unwrap_err().starts_with("the route to a peer rejects large batches: "));
    ip("link set lo mtu 65536");
    outbox.expire_limits();
    for number in 0..20u8 {
        queue(&mut outbox, 1, to("127.0.0.1", other.port()), &[number; 1452]);
    }
    assert_eq!(flush(&mut outbox, &near).0.sent, 20);
    assert_eq!(outbox.segmentation(), Ok(()), "a batch passed again");
}

#[test]
fn the_largest_datagrams_pass_in_fragments() {
    enter();
    ip("link set lo mtu 1280");
    let (near, other) = (bind(), bind());
    let mut outbox = Outbox::new();
    // 65,535 less the headers: IPv4 counts its own 20 octets, IPv6 only UDP's 8.
    for (family, address, len) in [(Family::V4, "127.0.0.1", 65_507), (Family::V6, "::1", 65_527)] {
        let datagram: Vec<u8> = (0..len).map(|number| number as u8).collect();
        queue(&mut outbox, 0, to(address, other.port()), &datagram);
        assert_eq!(flush(&mut outbox, &near).0.sent, 1);
        assert!(receive(&other, family, 1)[0].1 == datagram);
    }
}

#[test]
fn outer_packets_may_be_fragmented() {
    enter();
    let wan = Tun::create("wan").unwrap();
    ip("address add 192.0.2.1/24 dev wan");
    ip("link set wan up");
    bind().send_one(to("192.0.2.2", 51820), b"hello").unwrap();
    let mut buffer = [0; 1500];
    loop {
        match wan.read(&mut buffer) {
            Ok(_) if buffer[HEADER_BYTES] >> 4 == 4 => break,
            Ok(_) => {}
            Err(TunStop::Wait) => assert_eq!(poll(&mut [PollFd::new(&wan, PollFlags::IN)], Some(&DEADLINE)), Ok(1)),
            Err(stop) => panic!("{stop}"),
        }
    }
    assert_eq!(buffer[HEADER_BYTES + 6] & 0x40, 0, "DF is set");
}

#[test]
fn a_rejected_datagram_does_not_delay_the_rest() {
    enter();
    let (near, other) = (bind(), bind());
    let mut outbox = Outbox::new();
    for (address, datagram) in [("127.0.0.1", b"a"), ("203.0.113.1", b"b"), ("127.0.0.1", b"c")] {
        queue(&mut outbox, 0, to(address, other.port()), datagram);
    }
    let (report, _) = flush(&mut outbox, &near);
    assert_eq!((report.sent, report.failed), (2, 1));
    assert_eq!(report.first_error.unwrap().raw_os_error(), Some(Errno::NETUNREACH.raw_os_error()));
    let came: Vec<u8> = receive(&other, Family::V4, 2).into_iter().flat_map(|(_, datagram)| datagram).collect();
    assert_eq!(came, b"ac");
    assert!(flush(&mut outbox, &near).0.first_error.is_none(), "an error is told once");
}

#[test]
fn an_unreachable_peer_does_not_stop_the_others() {
    enter();
    let sockets = bind();
    for address in ["127.0.0.1", "::1"] {
        // Port 9 is closed: the response is an ICMP error.
        sockets.send_one(to(address, 9), b"hello").unwrap();
    }
    for family in [Family::V4, Family::V6] {
        assert_eq!(Inbox::new().receive(sockets.of(family).unwrap()).unwrap(), 0);
    }
    sockets.send_one(to("127.0.0.1", sockets.port()), b"hello").unwrap();
    assert_eq!(receive(&sockets, Family::V4, 1).len(), 1);
}

#[test]
fn a_full_socket_drops_datagrams_and_reports_them() {
    enter();
    // There is no response to ARP, so that everything waits in the neighbour's queue and fills the socket.
    ip("link add v0 type veth peer name v1");
    ip("address add 192.0.2.1/24 dev v0");
    ip("link set v1 up");
    ip("link set v0 mtu 65535 up");
    std::fs::write("/proc/sys/net/ipv4/neigh/v0/unres_qlen_bytes", "200000000").unwrap();
    let sockets = bind();
    let mut outbox = Outbox::new();
    let reports = std::iter::repeat_with(|| {
        while outbox.room(0, to("192.0.2.2", 9), 65_507).is_some() {}
        flush(&mut outbox, &sockets).0
    });
    let report = reports.take(400).find(|report| report.failed > 0).expect("400 batches of 256 kB fit into 7 MiB");
    assert_eq!(report.first_error.unwrap().raw_os_error(), Some(Errno::AGAIN.raw_os_error()));
    assert_eq!(report.sent + report.failed, 4);
    assert!(outbox.is_empty());
}

#[test]
fn a_port_in_use_is_reported() {
    enter();
    let taken = far("0.0.0.0:0").local_addr().unwrap().port();
    let holder = Sockets::bind(taken, 0).unwrap();
    let error = Sockets::bind(taken, 0).unwrap_err();
    assert_eq!(error.to_string(), format!("UDP port {taken}: Address already in use (os error 98)"));
    drop(holder);
    let _only_v6 = far(&format!("[::1]:{taken}"));
    assert!(matches!(Sockets::bind(taken, 0), Err(BindError::Port { .. })));
    assert!(UdpSocket::bind(("0.0.0.0", taken)).is_ok(), "no socket is left behind");
}

#[test]
fn a_selected_port_is_free_in_both_families() {
    enter();
    std::fs::write("/proc/sys/net/ipv4/ip_local_port_range", "40000 40001").unwrap();
    let _taken = far("[::1]:40000");
    for _ in 0..20 {
        assert_eq!(bind().port(), 40001);
    }
    let _other = far("[::1]:40001");
    let error = Sockets::bind(0, 0).unwrap_err();
    assert_eq!(error.to_string(), "UDP port 0: Address already in use (os error 98)");
}

#[test]
fn the_mark_selects_the_route_and_can_be_changed() {
    enter();
    let _wan = Tun::create("wan").unwrap();
    ip("address add 192.0.2.1/24 dev wan");
    ip("link set wan up");
    add_address("2001:db8::1/64", "wan");
    for family in ["-4", "-6"] {
        ip(&format!("{family} rule add fwmark 0x80000007 table 9 priority 1"));
        ip(&format!("{family} route add unreachable default table 9"));
    }
    let marked = Sockets::bind(0, 0x8000_0007).unwrap();
    let plain = bind();
    let passes = |sockets: &Sockets| {
        ["192.0.2.2", "2001:db8::2"].map(|address| sockets.send_one(to(address, 9), b"hello").is_ok())
    };
    assert_eq!((passes(&marked), passes(&plain)), ([false; 2], [true; 2]));
    marked.set_fwmark(0).unwrap();
    plain.set_fwmark(0x8000_0007).unwrap();
    assert_eq!((passes(&marked), passes(&plain)), ([true; 2], [false; 2]));
}

#[test]
fn without_privilege_all_but_the_mark_works() {
    enter();
    let none = CapabilitySet::empty();
    let sets = CapabilitySets { effective: none, permitted: none, inheritable: none };
    rustix::thread::set_capabilities(None, sets).unwrap();
    let sockets = bind();
    sockets.send_one(to("::1", sockets.port()), b"hello").unwrap();
    assert_eq!(receive(&sockets, Family::V6, 1)[0].1, b"hello");
    let error = Sockets::bind(0, 7).unwrap_err();
    assert_eq!(error.to_string(), "fwmark 0x7: Operation not permitted (os error 1)");
}

#[test]
fn sockets_stay_in_the_namespace_where_they_were_bound() {
    enter();
    let sockets = bind();
    enter();
    ip("link set lo down");
    sockets.send_one(to("127.0.0.1", sockets.port()), b"hello").unwrap();
    assert_eq!(receive(&sockets, Family::V4, 1)[0].1, b"hello");
}

#[test]
fn a_source_of_the_other_family_is_ignored() {
    enter();
    let sockets = bind();
    let odd = Local { address: IpAddr::from([127, 0, 0, 1]), interface: 1 };
    let endpoint = Endpoint { local: Some(odd), ..to("::1", sockets.port()) };
    assert_eq!(sockets.send_one(endpoint, b"hello").unwrap(), Source::Kept);
    assert_eq!(receive(&sockets, Family::V6, 1)[0].1, b"hello");
}
