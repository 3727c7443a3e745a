//! The initial corpus: inputs of every target from real exchanges.

use device::packet::virtio::{Checksum, Gso, Virtio};
use device::uapi::format;
use proto::change::InterfaceChange;
use proto::key::PrivateKey;

use dns::message::addresses::Family;

use crate::dns_response::question;
use crate::messages::Step;
use crate::pair::{Pair, private_key};

/// Return the names of the targets, each with its inputs.
#[must_use]
pub fn all() -> Vec<(&'static str, Vec<Vec<u8>>)> {
    let (requests, status) = (requests(), status());
    let conversation = [b"\x00set=1\n", &requests[0][..], b"\nget=1\n\nget=1\n\nset=1\nlisten_port=x\n\n"].concat();
    vec![
        ("aead", batches()),
        ("allowed_ips", prefixes()),
        ("coalescer", flows()),
        ("dns_files", resolver_files()),
        ("dns_query", queries()),
        ("dns_response", responses()),
        ("dns_upstream", exchanges()),
        ("exit_policy", policies()),
        ("fragments", datagrams()),
        ("http_proxy", http_requests()),
        ("inner_packets", inner_packets()),
        ("insider", insiders()),
        ("keys", keys()),
        ("messages", messages()),
        ("nat_mappings", vec![vec![0, 0, 1, 0, 9, 0, 4, 0, 9, 0xfe, 0, 0, 9, 0, 1, 0, 8, 3, 1, 0, 0]]),
        ("packets", packets()),
        ("socks_client", socks_clients()),
        ("split", super_packets()),
        ("timer_wheel", vec![vec![0, 0, 0, 0, 0, 9, 0, 40, 1, 0, 100, 0, 1, 2, 0, 0, 7, 1, 0, 43, 200, 0, 127, 1, 0]]),
        ("tcp_connection", connections()),
        ("tcp_options", tcp_options()),
        ("tcp_segment", tcp_segments()),
        ("uapi_request", requests),
        ("uapi_server", vec![conversation, b"\x01get=1\n\n".to_vec()]),
        ("uapi_status", vec![[&status[..], b"errno=0\n"].concat(), b"errno=-22\n".to_vec()]),
    ]
}

/// Return entries of every form, with destinations of every class.
fn policies() -> Vec<Vec<u8>> {
    let entries = b"0.0.0.0/0:443\n10.0.0.0/8\n[2001:db8::/32]:20-30\n8.8.8.8/32\n64:ff9b::/96\n[::/0]:25\n\0";
    let v4 = [[0, 187, 1, 8, 8, 8, 8], [2, 53, 0, 10, 1, 2, 3], [4, 0, 0, 203, 0, 113, 7], [0, 25, 0, 127, 0, 0, 1]];
    let nat64 =
        [&[1, 187, 1, 0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0, 10, 1, 2, 3][..], &[3, 0, 0, 0x20, 2]].concat();
    vec![[&entries[..], &v4.concat()].concat(), [&entries[..], &nat64].concat()]
}

/// Return steps for datagrams of both families that are complete, overlap, and wait too long.
fn datagrams() -> Vec<Vec<u8>> {
    let pieces = |kind: u8| (0..4u8).flat_map(move |number| [kind, 7, 0xb8, 0x0b, 0, 5, number]).collect::<Vec<u8>>();
    let overlap = [2, 7, 0xb8, 0x0b, 0, 3, 1];
    vec![pieces(0), pieces(1), [&pieces(0)[..7], &overlap, &[0xff, 0, 0xff, 0, 0xff, 0], &pieces(4)].concat()]
}

fn http_requests() -> Vec<Vec<u8>> {
    let connect = "CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443\r\n\r\n\u{16}\u{3}";
    let post = "POST http://a.example/b?c HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\
                Proxy-Authorization: Basic YW5uOnNlY3JldA==\r\nConnection: X\r\nX: y\r\n\r\n3;a=b\r\nabc\r\n0\r\nT: u\r\n\r\n";
    let put = "PUT http://[2001:db8::1]:8080 HTTP/1.0\r\nContent-Length: 3\r\n\r\nabcd";
    [(0, connect), (1, post), (0, put)].map(|(variant, text)| [&[variant, 7][..], text.as_bytes()].concat()).to_vec()
}

/// Return a segment of TCP, an echo request, a chain of extension headers and a fragment.
fn inner_packets() -> Vec<Vec<u8>> {
    let mut tcp = vec![0; 40];
    (tcp[0], tcp[3], tcp[8], tcp[9], tcp[32]) = (0x45, 40, 64, 6, 0x50);
    let mut echo = vec![0; 28];
    (echo[0], echo[3], echo[8], echo[9], echo[20], echo[22], echo[23]) = (0x45, 28, 1, 1, 8, 0xf7, 0xff);
    let mut chain = vec![0; 64];
    (chain[0], chain[5], chain[40], chain[48], chain[51]) = (0x60, 24, 44, 17, 1);
    [tcp, echo, chain].iter().enumerate().map(|(number, packet)| [&[number as u8][..], packet].concat()).collect()
}

fn socks_clients() -> Vec<Vec<u8>> {
    let name = [&[0, 3, 5, 1, 0, 5, 1, 0, 3, 9][..], b"a.example", &[1, 187]].concat();
    let login = [&[1, 1, 5, 1, 2, 1, 3][..], b"ann", &[6], b"secret", &[5, 3, 0, 1, 0, 0, 0, 0, 0, 0]].concat();
    vec![name, login, vec![0, 9, 0, 0, 0, 1, 192, 0, 2, 1, 0, 53, 1, 2, 3]]
}

fn resolver_files() -> Vec<Vec<u8>> {
    let resolv_conf = "vpn\nnameserver 192.0.2.53\nnameserver fe80::1%eth0\nsearch corp.example lab.example\n\
                       options ndots:2 timeout:1 attempts:3 rotate use-vc no-aaaa\n";
    vec![resolv_conf.into(), b"vpn.example.org.\n127.0.0.1 localhost\nfd00::2 vpn # home\n".to_vec()]
}

/// Return a query with and without EDNS, for all types, for an own name, and an update.
fn queries() -> Vec<Vec<u8>> {
    let query = question(Family::V4).encode(false);
    let mut any = query.clone();
    any[query.len() - 3] = 255;
    let mut update = query.clone();
    update[2] = 5 << 3;
    let own = [&query[..12], b"\x01a\x06warren\x08internal\x00\x00\x01\x00\x01"].concat();
    vec![query, question(Family::V6).encode(true), any, update, own]
}

/// Return questions with an answer, a truncated one and its answer over TCP, failures, silence, and a new table.
fn exchanges() -> Vec<Vec<u8>> {
    let ask = |name: u8| vec![name << 3];
    let address = b"\x01\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04\xc0\x00\x02\x07";
    let respond = |flags: u8, data: &[u8]| [&[4 | flags << 3, data.len() as u8][..], data].concat();
    let pass = |steps: u8| vec![2 | steps << 3];
    vec![
        [ask(2), respond(0, address), ask(2), ask(0)].concat(),
        [ask(2), respond(1, &[]), respond(0, address), pass(31), ask(3)].concat(),
        [ask(1), respond(4, &[]), respond(10, &[]), vec![3], ask(1)].concat(),
        [ask(2), respond(0, address), [pass(31), pass(31)].concat().repeat(3), ask(2), pass(5)].concat(),
        [ask(1), ask(2), vec![0xff], vec![6 | 8, 2, 0x81, 0x80], respond(2, &[])].concat(),
    ]
}

/// Return an address behind two aliases, a truncated response, and one that is only an alias.
fn responses() -> Vec<Vec<u8>> {
    let question = question(Family::V4).encode(false);
    let response = |flags: [u8; 2], count: u8, records: &[&[u8]]| {
        [&question[..2], &flags, &[0, 1, 0, count, 0, 0, 0, 0], &question[12..], &records.concat()].concat()
    };
    let alias = b"\xc0\x0c\x00\x05\x00\x01\x00\x00\x00\x3c\x00\x0a\x07gateway\xc0\x10";
    let address = b"\x07gateway\xc0\x10\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04\xc0\x00\x02\x07";
    vec![
        response([0x81, 0x80], 2, &[alias, address]),
        response([0x83, 0x80], 0, &[]),
        response([0x81, 0x80], 1, &[alias]),
        response([0x81, 0x83], 0, &[]),
    ]
}

fn messages() -> Vec<Vec<u8>> {
    use Step::{Batch, Carry, Change, Clock, Flood, Link, Lose, Pass, Raw, Repeat, Send, Work};
    let steps = |steps: &[(Step, u8, u16)]| {
        [0].into_iter().chain(steps.iter().flat_map(|(step, variant, n)| step.encode(*variant, *n))).collect()
    };
    let exchange = [(Send, 0, 100), (Send, 1, 1400), (Send, 2, 60), (Send, 3, 0), (Carry, 0, 0)];
    let renewal = [(Pass, 1, 121), (Send, 0, 9), (Carry, 0, 0), (Send, 1, 9), (Carry, 0, 0), (Repeat, 0, 2)];
    let loss = [(Pass, 1, 121), (Send, 0, 9), (Lose, 0, 0), (Pass, 1, 6), (Carry, 0, 0), (Repeat, 2, 0x1001)];
    let roaming = [(Send, 0, 9), (Repeat, 0x80, 0), (Send, 1, 9), (Carry, 0, 0), (Repeat, 0x40, 0)];
    let load = [(Flood, 1, 7), (Pass, 1, 181), (Send, 0, 9), (Carry, 0, 0), (Pass, 1, 6), (Carry, 0, 0), (Work, 1, 9)];
    let link = [(Link, 2, 0), (Send, 1, 9), (Carry, 0, 0), (Link, 0, 0), (Send, 0, 9), (Clock, 0, 0), (Carry, 0, 0)];
    let forged = [(Pass, 1, 181), (Send, 0, 9), (Repeat, 0x27, 0x0800), (Repeat, 0x23, 0x4000), (Repeat, 4, 0xff00)];
    let batch = [(Send, 0, 100), (Send, 0, 100), (Send, 0, 90), (Batch, 1 | 1 << 3, 159), (Batch, 1 | 2 << 3, 159)];
    let changes = (0..11).flat_map(|kind| [(Change, kind << 1, kind.into()), (Send, 0, 9), (Carry, 0, 0)]);
    let mut seeds: Vec<Vec<u8>> = vec![
        steps(&exchange),
        steps(&renewal),
        steps(&loss),
        steps(&roaming),
        steps(&load),
        steps(&link),
        steps(&forged),
        steps(&batch),
        steps(&changes.collect::<Vec<_>>()),
    ];
    let raw = Pair::new(0).sent.into_iter().flat_map(|sent| {
        let head = Raw.encode(1, sent.octets.len() as u16);
        [&head[..], &sent.octets].concat()
    });
    seeds.push([0].into_iter().chain(raw).collect());
    seeds
}

/// Return handshakes in and out of order; counters ahead, behind and at the end; plaintexts of every kind.
fn insiders() -> Vec<Vec<u8>> {
    let ip = |version: u8| [&[60, version, 0, 0, 40, 0, 20][..], &[0; 53]].concat();
    let batches = |variant: u8, offset: u16, count, garbled| {
        let [low, high] = offset.to_le_bytes();
        vec![1, variant, low, high, count, garbled]
    };
    let data = |variant, offset| batches(variant, offset, 0, 255);
    let start = vec![0, 0, 0];
    let good = [start.clone(), data(16, 0), ip(0x45), data(24, 0), ip(0x60), batches(16, 0, 19, 3), ip(0x45)].concat();
    let window = [start.clone(), data(2, 20_000), vec![0], data(1, 8127), vec![0], data(3, 9000), vec![0]].concat();
    let again = [start, vec![3, 100, 0], vec![0, 0], vec![0, 1], vec![0x40; 12], vec![0, 2, 60, 1]].concat();
    vec![good, window, again]
}

/// Return a batch with a shorter last packet on each of three paths; random lengths; one packet forged.
fn batches() -> Vec<Vec<u8>> {
    let message = |variant: u8, length: u16| [vec![variant], length.to_le_bytes().to_vec()].concat();
    let batch = |path| [vec![path], message(0, 1420).repeat(16), message(0, 100)].concat();
    let mixed = (0..30).flat_map(|number| message(number << 3, u16::from(number) * 50));
    let forged = [vec![0], message(0, 64).repeat(7), message(6, 64), vec![3, 0, 1], message(1, 64), vec![20]].concat();
    vec![batch(0), batch(1), batch(2), [0].into_iter().chain(mixed).collect(), forged]
}

fn packets() -> Vec<Vec<u8>> {
    let mut v4 = vec![0; 60];
    (v4[0], v4[3]) = (0x45, 60);
    let mut v6 = vec![0; 100];
    (v6[0], v6[5]) = (0x60, 60);
    [v4, v6].map(|packet| [&[0, 0x8c, 5, 19][..], &packet].concat()).to_vec()
}

/// Return runs of TCP and UDP, short last ones, two alternating flows, packets changed before and after their
/// checksums.
fn flows() -> Vec<Vec<u8>> {
    let run = |shape: u8, times: u8, length: u16| [vec![shape, times], length.to_le_bytes().to_vec()].concat();
    let bulk = [vec![0], run(2, 70, 1368), run(2, 0, 100), run(3, 20, 1368), run(0, 20, 500), run(1, 20, 500)].concat();
    let turns = (0..20).flat_map(|turn| run(2 | (turn & 3) << 2, 0, 1000));
    let changed =
        [vec![4], run(0x52, 9, 900), vec![33, 8], run(0x92, 3, 900), vec![60, 1], run(0xc0, 0, 30), vec![0x45; 30]];
    vec![bulk, [0].into_iter().chain(turns).collect(), changed.concat()]
}

/// Return a TCP packet of three segments and a UDP packet whose checksum has to be completed.
fn super_packets() -> Vec<Vec<u8>> {
    let virtio = |gso, segment_bytes, start, offset| {
        let checksum = Some(Checksum { start, offset });
        Virtio { checksum, gso, segment_bytes, header_bytes: 40 }.encode()
    };
    let mut tcp = vec![0; 40 + 300];
    (tcp[0], tcp[9], tcp[32]) = (0x45, 6, 0x50);
    let mut udp = vec![0; 48 + 20];
    (udp[0], udp[6]) = (0x60, 17);
    vec![[&virtio(Gso::Tcp4, 120, 20, 16)[..], &tcp].concat(), [&virtio(Gso::None, 0, 40, 6)[..], &udp].concat()]
}

/// Return the options of a SYN, of an acknowledgement with two blocks, and of an unknown kind.
fn tcp_options() -> Vec<Vec<u8>> {
    let syn = b"\x02\x04\x05\xb4\x01\x03\x03\x07\x04\x02\x01\x01\x08\x0a\0\0\0\x01\0\0\0\0";
    let sack = b"\x01\x01\x08\x0a\0\0\0\x02\0\0\0\x01\x01\x01\x05\x12\0\0\0\x09\0\0\0\x0a\0\0\0\x01\0\0\0\x02";
    vec![syn.to_vec(), sack.to_vec(), b"\x22\x04\x09\x09\x01\0".to_vec()]
}

/// Return segments with these options, whose checksum the target repairs.
fn tcp_segments() -> Vec<Vec<u8>> {
    let segment = |flags: u8, mut options: Vec<u8>, payload: &[u8]| {
        options.resize(options.len().next_multiple_of(4), 0);
        let offset = (5 + options.len() as u8 / 4) << 4;
        let head = [0x9c, 0x40, 0, 80, 0, 0, 0, 1, 0, 0, 0, 2, offset, flags, 0xff, 0xff, 0, 0, 0, 0];
        [&head[..], &options, payload].concat()
    };
    let [syn, sack, unknown] = <[Vec<u8>; 3]>::try_from(tcp_options()).expect("three");
    vec![segment(2, syn, b""), segment(16, sack, b""), segment(24, unknown, b"payload"), segment(17, vec![], b"")]
}

/// Return a request and its answer with a close of each side; holes and blocks; a closed window; lies.
fn connections() -> Vec<Vec<u8>> {
    // Kind, flags, and for timestamps the echo; in order with payload, acknowledging everything.
    let data = |len: u16| [&[0, 0x20, 0][..], &len.to_le_bytes(), &[0]].concat();
    let ack = vec![0, 0, 0, 0];
    let fin = vec![0, 0, 20, 0];
    let ahead = |by: u16, len: u16| [&[0, 0x22, 0][..], &by.to_le_bytes(), &len.to_le_bytes(), &[0]].concat();
    let write = |len: u16| [&[8][..], &len.to_le_bytes()].concat();
    let (read, pass, close) = (vec![9, 0xff, 0xff], vec![10, 0xe8, 3], vec![13, 0]);
    let closed_window = vec![0, 0x10, 0, 0, 0, 0];
    let blocks = [&[0, 0x84, 0][..], &[0, 8], &[0], &[2], &[0, 4, 0, 2], &[0, 8, 0, 1]].concat();
    let request = [vec![0, 50], ack.clone(), data(100), read.clone(), write(9000), ack.clone(), close, fin].concat();
    let holes = [vec![2, 20], ack.clone(), ahead(500, 300), ahead(900, 200), data(500), read, write(8000)].concat();
    let shut = [vec![5, 90], ack.clone(), write(5000), closed_window, pass.clone(), pass.clone(), ack].concat();
    let lies = [vec![8, 40], write(6000), blocks, pass, vec![0, 0xff, 0xff, 9, 9, 9, 9, 9, 9, 9, 9, 9]].concat();
    vec![request, holes, shut, lies]
}

fn prefixes() -> Vec<Vec<u8>> {
    let add = |peer: u8, length: u8, high: u8| [0, peer, 0, length, high, 0];
    let nested =
        [add(0, 8, 10), add(1, 16, 10), add(2, 32, 10), add(1, 0, 0), [7, 0, 0, 32, 10, 0], [3, 1, 0, 16, 10, 0]];
    let moved = [add(0, 24, 1), add(1, 24, 1), [4, 1, 1, 64, 0xfd, 1], [5, 0, 0, 0, 0, 0], [6, 3, 0, 0, 0, 0]];
    vec![nested.concat(), moved.concat()]
}

fn keys() -> Vec<Vec<u8>> {
    let key = private_key(0, 0).public_key();
    vec![key.to_base64().as_bytes().to_vec(), key.to_hex().as_bytes().to_vec()]
}

/// Return requests with every key of a `set`.
fn requests() -> Vec<Vec<u8>> {
    let pair = Pair::new(0);
    let gone = proto::change::PeerChange { remove: true, update_only: true, ..pair.peer_of(1) };
    let change = InterfaceChange {
        private_key: Some(Some(PrivateKey::from_bytes([0x11; 32]))),
        listen_port: Some(51820),
        fwmark: Some(7),
        replace_peers: true,
        peers: vec![pair.peer_of(0), gone],
    };
    let named = "public_key=".to_owned() + &"22".repeat(32) + "\nendpoint=[fe80::1%eth0]:5\nprotocol_version=1\n";
    vec![text(|out| format::change(&change, out)), (named + "allowed_ip=-fd00::/8\n").into_bytes()]
}

fn status() -> Vec<u8> {
    text(|out| format::status(&Pair::new(0).hosts[0].interface.status(), out))
}

fn text(write: impl FnOnce(&mut Vec<u8>) -> std::io::Result<()>) -> Vec<u8> {
    let mut text = Vec::new();
    write(&mut text).expect("memory takes all");
    text
}
