//! Lookups at real name servers over real sockets.
#![allow(clippy::unwrap_used, clippy::panic)]

mod wire;

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::os::fd::AsFd;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use dns::client::{Query, look_up};
use dns::lookup::{LookupError, Transport};
use dns::resolv_conf::{ResolvConf, Server as ServerAddress};
use dns::task::Task;
use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd, poll};

use wire::{A, AAAA, ASKED, CNAME, FORMERR, NO_ERROR, NXDOMAIN, SERVFAIL, address, asked, labels, record, response};

type Log = Arc<Mutex<Vec<(String, u16, Transport)>>>;

/// A name server; its threads end with the test's process.
struct Server {
    address: SocketAddr,
    log: Log,
}

impl Server {
    /// Serve UDP and TCP on one port; `None` is no answer.
    fn start(answer: impl Fn(&[u8], Transport) -> Option<Vec<u8>> + Send + Sync + 'static) -> Self {
        let (udp, tcp) = loop {
            let udp = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
            if let Ok(tcp) = TcpListener::bind(udp.local_addr().unwrap()) {
                break (udp, tcp);
            }
        };
        let (address, log, answer) = (udp.local_addr().unwrap(), Log::default(), Arc::new(answer));
        let note = |log: &Log, query: &[u8], transport| {
            let (name, kind, _) = asked(query);
            log.lock().unwrap().push((name, kind, transport));
        };
        let (udp_log, udp_answer) = (Arc::clone(&log), Arc::clone(&answer));
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok((length, asker)) = udp.recv_from(&mut buffer) {
                note(&udp_log, &buffer[..length], Transport::Udp);
                if let Some(reply) = udp_answer(&buffer[..length], Transport::Udp) {
                    udp.send_to(&reply, asker).unwrap();
                }
            }
        });
        let tcp_log = Arc::clone(&log);
        thread::spawn(move || {
            for stream in tcp.incoming() {
                let (mut stream, mut length) = (stream.unwrap(), [0; 2]);
                while stream.read_exact(&mut length).is_ok() {
                    let mut query = vec![0; usize::from(u16::from_be_bytes(length))];
                    stream.read_exact(&mut query).unwrap();
                    note(&tcp_log, &query, Transport::Tcp);
                    let Some(reply) = answer(&query, Transport::Tcp) else { continue };
                    // In pieces, as a stream may arrive.
                    let framed = [&(reply.len() as u16).to_be_bytes()[..], &reply].concat();
                    for piece in framed.chunks(7) {
                        let _ = stream.write_all(piece);
                    }
                }
            }
        });
        Self { address, log }
    }

    fn asked(&self) -> Vec<(String, u16, Transport)> {
        self.log.lock().unwrap().clone()
    }

    /// Wait until the server has read so many questions: a lookup may end before.
    fn asked_times(&self, count: usize) -> Vec<(String, u16, Transport)> {
        for _ in 0..6000 {
            if self.asked().len() >= count {
                break;
            }
            thread::sleep(Duration::from_millis(10));
        }
        let asked = self.asked();
        assert_eq!(asked.len(), count, "{asked:?}");
        asked
    }
}

/// A server with those addresses, and no other name.
fn zone(names: &'static [(&'static str, &'static str)]) -> Server {
    Server::start(move |query, _| {
        let (name, kind, _) = asked(query);
        let is_kind = |text: &str| text.contains(':') == (kind == AAAA);
        let owned: Vec<_> = names.iter().filter(|(owner, _)| *owner == name).collect();
        let records: Vec<_> =
            owned.iter().filter(|(_, text)| is_kind(text)).map(|(_, text)| address(&ASKED, text)).collect();
        Some(response(query, if owned.is_empty() { NXDOMAIN } else { NO_ERROR }, false, &records))
    })
}

fn conf(servers: &[&Server]) -> ResolvConf {
    let servers = servers.iter().map(|server| ServerAddress { address: server.address, zone: None }).collect();
    ResolvConf { servers, timeout: Duration::from_secs(10), ..ResolvConf::default() }
}

fn query(name: &str, conf: ResolvConf) -> Query {
    Query { name: name.to_owned(), hosts: String::new(), conf, mark: 0 }
}

fn found(query: &Query) -> Result<Vec<IpAddr>, LookupError> {
    let never = eventfd(0, EventfdFlags::empty()).unwrap();
    look_up(query, never.as_fd()).unwrap()
}

fn ips(texts: &[&str]) -> Vec<IpAddr> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

#[test]
fn both_kinds_of_addresses_are_found_in_the_order_to_try_them() {
    let server =
        zone(&[("vpn.example.org", "127.0.0.2"), ("vpn.example.org", "::1"), ("vpn.example.org", "127.0.0.3")]);
    let mut addresses = found(&query("vpn.example.org", conf(&[&server]))).unwrap();
    addresses.sort_unstable();
    assert_eq!(addresses, ips(&["127.0.0.2", "127.0.0.3", "::1"]));
    assert_eq!(server.asked().len(), 2);
}

#[test]
fn a_truncated_answer_is_asked_for_again_over_tcp() {
    let server = Server::start(|query, transport| {
        let (_, kind, _) = asked(query);
        let records: Vec<_> = (1..=100).map(|number| address(&ASKED, &format!("127.0.1.{number}"))).collect();
        match (kind, transport) {
            (A, Transport::Udp) => Some(response(query, NO_ERROR, true, &records[..3])),
            (A, Transport::Tcp) => Some(response(query, NO_ERROR, false, &records)),
            _ => Some(response(query, NO_ERROR, false, &[])),
        }
    });
    assert_eq!(found(&query("vpn.example.org", conf(&[&server]))).unwrap().len(), 100);
    assert!(server.asked().iter().any(|(_, kind, transport)| (*kind, *transport) == (A, Transport::Tcp)));
}

#[test]
fn with_use_vc_only_tcp_is_used() {
    let server = zone(&[("vpn.example.org", "127.0.0.2")]);
    let conf = ResolvConf { use_tcp: true, ..conf(&[&server]) };
    assert_eq!(found(&query("vpn.example.org", conf)).unwrap(), ips(&["127.0.0.2"]));
    assert!(server.asked().iter().all(|(_, _, transport)| *transport == Transport::Tcp));
}

#[test]
fn a_silent_server_gives_way_to_the_next() {
    let silent = Server::start(|_, _| None);
    let server = zone(&[("vpn.example.org", "127.0.0.2")]);
    let conf = ResolvConf { timeout: Duration::from_secs(1), ..conf(&[&silent, &server]) };
    assert_eq!(found(&query("vpn.example.org", conf)).unwrap(), ips(&["127.0.0.2"]));
    silent.asked_times(2);
}

#[test]
fn servers_without_an_answer_are_named_with_the_reason_and_end_the_search() {
    let silent = Server::start(|_, _| None);
    let closed = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
    let mut conf = ResolvConf { timeout: Duration::from_millis(50), attempts: 2, ..conf(&[&silent]) };
    conf.search = vec!["corp.example".parse().unwrap()];
    assert_eq!(found(&query("vpn", conf.clone())).unwrap_err().to_string(), "127.0.0.1: no answer");
    assert!(silent.asked_times(4).iter().all(|(name, ..)| name == "vpn.corp.example"));
    conf.servers = vec![ServerAddress { address: closed, zone: None }];
    assert_eq!(found(&query("vpn", conf)).unwrap_err().to_string(), "127.0.0.1: connection refused");
}

#[test]
fn a_server_that_fails_gives_way_to_the_next_and_to_the_next_name() {
    let failing = Server::start(|query, _| Some(response(query, SERVFAIL, false, &[])));
    let server = zone(&[("vpn.example.org", "127.0.0.2")]);
    assert_eq!(found(&query("vpn.example.org", conf(&[&failing, &server]))).unwrap(), ips(&["127.0.0.2"]));
    let mut alone = conf(&[&failing]);
    alone.search = vec!["corp.example".parse().unwrap()];
    assert_eq!(found(&query("vpn", alone)).unwrap_err().to_string(), "127.0.0.1: SERVFAIL");
    assert!(failing.asked().iter().any(|(name, ..)| name == "vpn"));
}

#[test]
fn a_chain_of_aliases_is_followed_over_several_answers() {
    let server = Server::start(|query, _| {
        let (name, kind, _) = asked(query);
        let records = match (name.as_str(), kind) {
            ("vpn.example.org", _) => vec![
                record(&ASKED, CNAME, &labels("a.example.org")),
                record(&labels("a.example.org"), CNAME, &labels("b.example.net")),
            ],
            ("b.example.net", A) => vec![address(&ASKED, "127.0.0.9")],
            _ => Vec::new(),
        };
        Some(response(query, NO_ERROR, false, &records))
    });
    assert_eq!(found(&query("vpn.example.org", conf(&[&server]))).unwrap(), ips(&["127.0.0.9"]));
}

#[test]
fn an_endless_chain_of_aliases_is_an_error() {
    let server = Server::start(|query, _| {
        let (name, ..) = asked(query);
        let next = name.trim_start_matches('a').len();
        let target = format!("{}{}", "a".repeat(name.len() - next + 1), &name[name.len() - next..]);
        Some(response(query, NO_ERROR, false, &[record(&ASKED, CNAME, &labels(&target))]))
    });
    let error = found(&query("x.example.org", conf(&[&server]))).unwrap_err();
    assert_eq!(error.to_string(), "127.0.0.1: too many aliases");
}

#[test]
fn the_search_list_is_asked_as_resolv_conf_says() {
    let server = zone(&[("vpn.corp.example", "127.0.0.5"), ("vpn.lab.example", "127.0.0.6")]);
    let text = "search none.example corp.example lab.example\noptions ndots:1\n";
    let conf = ResolvConf { servers: conf(&[&server]).servers, ..ResolvConf::parse(text, "host") };
    assert_eq!(found(&query("vpn", conf.clone())).unwrap(), ips(&["127.0.0.5"]));
    let error = found(&query("gone", conf.clone())).unwrap_err().to_string();
    let names = "gone.none.example, gone.corp.example, gone.lab.example, gone";
    assert_eq!(error, format!("127.0.0.1: there is no such name ({names})"));
    assert_eq!(found(&query("vpn.", conf)).unwrap_err().to_string(), "127.0.0.1: there is no such name");
}

#[test]
fn a_name_without_addresses_is_told_from_one_that_does_not_exist() {
    let server = Server::start(|query, _| Some(response(query, NO_ERROR, false, &[])));
    let error = found(&query("vpn.example.org", conf(&[&server]))).unwrap_err();
    assert_eq!(error.to_string(), "127.0.0.1: the name has no address");
}

#[test]
fn a_server_that_does_not_know_edns_is_asked_without_it() {
    let server = Server::start(|query, _| {
        let (_, kind, edns) = asked(query);
        if edns {
            let mut head = query[..12].to_vec();
            head[2..].copy_from_slice(&[0x81, 0x80 | FORMERR, 0, 0, 0, 0, 0, 0, 0, 0]);
            return Some(head);
        }
        let records = if kind == A { vec![address(&ASKED, "127.0.0.2")] } else { Vec::new() };
        Some(response(query, NO_ERROR, false, &records))
    });
    assert_eq!(found(&query("vpn.example.org", conf(&[&server]))).unwrap(), ips(&["127.0.0.2"]));
}

#[test]
fn one_kind_of_addresses_is_enough_where_the_other_question_is_lost() {
    let server = Server::start(|query, _| {
        let (_, kind, _) = asked(query);
        (kind == A).then(|| response(query, NO_ERROR, false, &[address(&ASKED, "127.0.0.2")]))
    });
    assert_eq!(found(&query("vpn.example.org", conf(&[&server]))).unwrap(), ips(&["127.0.0.2"]));
}

#[test]
fn only_the_question_without_an_answer_is_asked_again() {
    let lost = Mutex::new(true);
    let server = Server::start(move |query, _| {
        let (_, kind, _) = asked(query);
        if kind == A && std::mem::replace(&mut *lost.lock().unwrap(), false) {
            return None;
        }
        let records = if kind == A { vec![address(&ASKED, "127.0.0.2")] } else { Vec::new() };
        Some(response(query, NO_ERROR, false, &records))
    });
    let conf = ResolvConf { timeout: Duration::from_secs(1), ..conf(&[&server]) };
    assert_eq!(found(&query("vpn.example.org", conf)).unwrap(), ips(&["127.0.0.2"]));
    let kinds: Vec<u16> = server.asked_times(3).iter().map(|(_, kind, _)| *kind).collect();
    assert_eq!(kinds, [AAAA, A, A]);
}

#[test]
fn forged_answers_are_ignored() {
    let server = Server::start(|query, transport| {
        let (_, kind, _) = asked(query);
        let records = if kind == A { vec![address(&ASKED, "127.0.0.2")] } else { Vec::new() };
        let mut reply = response(query, NO_ERROR, false, &records);
        if transport == Transport::Udp {
            reply[0] ^= 1;
        }
        Some(reply)
    });
    let conf = ResolvConf { timeout: Duration::from_millis(50), ..conf(&[&server]) };
    assert_eq!(found(&query("vpn.example.org", conf)).unwrap_err().to_string(), "127.0.0.1: no answer");
}

#[test]
fn a_server_that_never_stops_sending_keeps_no_lookup_from_its_deadline() {
    let tcp = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = tcp.local_addr().unwrap();
    thread::spawn(move || {
        for stream in tcp.incoming() {
            let stray = [&[0, 12][..], &[0; 12]].concat().repeat(1000);
            thread::spawn(move || while stream.as_ref().unwrap().write_all(&stray).is_ok() {});
        }
    });
    let server = Server { address, log: Log::default() };
    let conf = ResolvConf { timeout: Duration::from_millis(300), use_tcp: true, ..conf(&[&server]) };
    assert_eq!(found(&query("vpn.example.org", conf)).unwrap_err().to_string(), "127.0.0.1: no answer");
}

#[test]
fn names_of_hosts_and_special_names_need_no_server() {
    let server = zone(&[]);
    let mut query = query("VPN", conf(&[&server]));
    query.hosts = "127.0.0.7 vpn\n::1 vpn\n".into();
    assert_eq!(found(&query).unwrap().len(), 2);
    query.name = "localhost".into();
    assert_eq!(found(&query).unwrap().len(), 2);
    query.name = "vpn.invalid".into();
    assert_eq!(found(&query).unwrap_err().to_string(), "there is no such name");
    query.name = "a..b".into();
    assert_eq!(found(&query).unwrap_err(), LookupError::InvalidName);
    assert!(server.asked().is_empty());
    query.name = "vpn.example.org".into();
    assert_eq!(found(&query.with_servers([])).unwrap_err(), LookupError::NoServer);
}

#[test]
fn a_task_signals_its_end_and_a_dropped_one_ends_at_once() {
    let server = zone(&[("vpn.example.org", "127.0.0.2")]);
    let task = Task::start(query("vpn.example.org", conf(&[&server]))).unwrap();
    poll(&mut [PollFd::new(&task, PollFlags::IN)], None).unwrap();
    assert_eq!(task.outcome(), Some(&Ok(ips(&["127.0.0.2"]))));

    let silent = Server::start(|_, _| None);
    let cancelled = eventfd(0, EventfdFlags::empty()).unwrap();
    rustix::io::write(&cancelled, &1u64.to_ne_bytes()).unwrap();
    let conf = ResolvConf { timeout: Duration::from_secs(600), ..conf(&[&silent]) };
    assert!(look_up(&query("vpn.example.org", conf.clone()), cancelled.as_fd()).is_none());
    drop(Task::start(query("vpn.example.org", conf)).unwrap());
}
