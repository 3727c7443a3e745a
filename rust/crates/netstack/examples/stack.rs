//! A device with a stack and no link, for tests in namespaces and for the benchmark. Keys and peers are set through its
//! UAPI socket, as by `wg set`; the stack is configured by arguments `KEY=VALUE`, of which some may be repeated:
//!
//! | key | value |
//! |---|---|
//! | `name`, `directory` | the name of the UAPI socket, and where it lies |
//! | `address` | an own address with its prefix length, repeatable |
//! | `mtu`, `congestion`, `memory`, `max_flows` | as in the configuration of a network |
//! | `exit` | a prefix that the exit serves, repeatable; without one there is no exit |
//! | `allow`, `deny` | entries of the exit policy, repeatable |
//! | `allow_lan`, `mesh`, `endpoint` | `1`; a prefix of the mesh; an own address outside; the last two repeatable |
//! | `forward` | `PORT=TARGET`, repeatable: a port of the own addresses that leads to a target of the host |
//! | `proxy` | `PROTOCOL=LISTEN`, repeatable: a proxy on the host; the protocol is `socks5`, `http` or `mixed` |
//! | `login`, `direct` | `USER:PASSWORD` of the proxies; `1` if they dial what no peer has |
//! | `local` | `LISTEN=TARGET`, repeatable: a port of the host that leads to a target in the tunnel |
//! | `dns`, `host_dns` | a name server in the tunnel, for all names; one outside, for the names `host_name`; repeatable |
//! | `dns_listen` | an address of the host at which names are resolved, repeatable |
//!
//! It prints `ready` once the socket is there, and the status of the stack for each line of its standard input. It runs
//! until it is ended.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a program of tests")]

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;

use device::Device;
use device::uapi::{Listener, Server};
use dns::route::{NameServer, Table};
use dns::zone::Zone;
use netstack::local::config as local;
use netstack::policy::Rules;
use netstack::target::Target;
use netstack::{Dns, Exit, Forward, Stack, Tables};

/// The arguments.
struct Arguments(Vec<(String, String)>);

impl Arguments {
    fn read() -> Self {
        let pair = |word: String| word.split_once('=').map(|(key, value)| (key.into(), value.into()));
        Self(std::env::args().skip(1).map(|word| pair(word).expect("KEY=VALUE")).collect())
    }

    fn all<'a, T: std::str::FromStr>(&'a self, key: &'a str) -> impl Iterator<Item = T> + 'a
    where
        T::Err: std::fmt::Debug,
    {
        self.0.iter().filter(move |(name, _)| name == key).map(|(_, value)| value.parse().expect("a valid value"))
    }

    fn one<T: std::str::FromStr>(&self, key: &str, default: T) -> T
    where
        T::Err: std::fmt::Debug,
    {
        self.all(key).next().unwrap_or(default)
    }

    fn tables(&self) -> Tables {
        let default = Tables::default();
        let rules = Rules {
            routes: self.all("exit").collect(),
            allow: self.all("allow").collect(),
            deny: self.all("deny").collect(),
            allow_lan: self.one("allow_lan", 0) == 1,
        };
        let has_exit = !rules.routes.is_empty();
        let exit = Exit { rules, mesh: self.all("mesh").collect(), endpoints: self.all("endpoint").collect() };
        let is_cubic = self.one("congestion", String::new()) == "cubic";
        Tables {
            addresses: self.all("address").collect(),
            mtu: self.one("mtu", default.mtu),
            congestion: if is_cubic { tcp::Algorithm::Cubic } else { tcp::Algorithm::Bbr },
            memory: self.one("memory", default.memory),
            max_flows: self.one("max_flows", default.max_flows),
            forwards: self
                .all("forward")
                .map(|text: String| {
                    let (port, to) = text.split_once('=').expect("PORT=TARGET");
                    Forward { port: port.parse().expect("a port"), to: to.parse().expect("a target"), from: Vec::new() }
                })
                .collect(),
            exit: has_exit.then_some(exit),
            listeners: self.listeners(),
            dns: self.dns(),
            ..default
        }
    }
}

impl Arguments {
    fn listeners(&self) -> Vec<local::Listener> {
        let login = self.all("login").next().map(|text: String| {
            let (user, password) = text.split_once(':').expect("USER:PASSWORD");
            local::Login { user: user.into(), password: password.into() }
        });
        let proxies = self.all("proxy").map(|text: String| {
            let (protocol, listen) = text.split_once('=').expect("PROTOCOL=LISTEN");
            let protocol = match protocol {
                "socks5" => local::Protocol::Socks5,
                "http" => local::Protocol::Http,
                _ => local::Protocol::Mixed,
            };
            let proxy = local::Proxy { protocol, login: login.clone(), is_direct: self.one("direct", 0) == 1 };
            local::Listener { listen: listen_at(listen), service: local::Service::Proxy(proxy) }
        });
        let forwards = self.all("local").map(|text: String| {
            let (listen, target) = text.split_once('=').expect("LISTEN=TARGET");
            let target = Target::parse(target, None).expect("a target");
            local::Listener { listen: listen_at(listen), service: local::Service::Forward(target) }
        });
        proxies.chain(forwards).collect()
    }

    fn dns(&self) -> Option<Dns> {
        let servers = |key, path| self.all(key).map(|address| NameServer { address, path }).collect();
        let others: dns::route::Servers = servers("dns", dns::route::Path::Tunnel);
        let rules = Table {
            zone: Zone::new("warren.internal".parse().expect("a name"), &[], Vec::new()),
            routes: HashMap::new(),
            others: Arc::clone(&others),
            host_names: self.all("host_name").collect(),
            host: servers("host_dns", dns::route::Path::Host),
            mesh: Vec::new(),
            rebind_allow: HashSet::from(["example".parse().expect("a name")]),
        };
        let listen = self.all("dns_listen").collect();
        (!others.is_empty()).then(|| Dns { rules: Arc::new(rules), serves_peers: false, listen })
    }
}

/// Return where to listen: a path is that of a Unix socket.
fn listen_at(text: &str) -> local::Listen {
    text.parse().map_or_else(|_| local::Listen::Unix(text.into()), local::Listen::Tcp)
}

fn main() {
    let arguments = Arguments::read();
    let name: String = arguments.one("name", "stack".into());
    let directory: String = arguments.one("directory", device::uapi::DEFAULT_DIRECTORY.into());
    let (stack, handle) = Stack::new(arguments.tables()).expect("a stack");
    let device = Device::with_inner(stack, &name).expect("a device");
    let listener = Listener::open(Path::new(&directory), &name).expect("the UAPI socket");
    let _server = Server::start(listener, Arc::new(device.handle()), Arc::new(|_| {})).expect("a server");
    println!("ready");
    for _ in std::io::stdin().lines() {
        println!("{:?}", handle.status().expect("a status"));
    }
    loop {
        std::thread::park();
    }
}
