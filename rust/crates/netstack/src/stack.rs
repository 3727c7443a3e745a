//! The stack: the inner side of a device whose packets end in this process.
//!
//! Packets of peers are parsed and given to their flows; at the end of a batch each flow that was touched acknowledges,
//! writes to its host side and reads from it once. Host sockets are watched by one epoll(7) instance, whose descriptor
//! is the one that the packet thread waits for.

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use device::inner::Inner;
use device::place::Place;
use proto::clock::Now;
use proto::{Delivered, Membership, PeerId};

use crate::budget::Budget;
use crate::capture::Capture;
use crate::connecting::Connecting;
use crate::counts::Counts;
use crate::datagrams::Datagrams;
use crate::demux::Demux;
use crate::descriptors;
use crate::dial::Connect;
use crate::echo::{self, Echoes};
use crate::fragments::Reassembly;
use crate::icmp;
use crate::local::Local;
use crate::names::{Names, Purpose};
use crate::own::{self, HostAddresses};
use crate::packets::Packets;
use crate::pairs::Pairs;
use crate::pcapng::Direction;
use crate::policy::HostTable;
use crate::poller::{Poller, Ready, Token};
use crate::random;
use crate::relay::Relays;
use crate::request::{Handle, Prepared, Request, Requests};
use crate::shared::{Alarm, Shared};
use crate::status::Status;
use crate::tables::Tables;
use crate::target::Host;
use crate::tcpflow::TcpFlows;
use crate::udpflow::UdpFlows;
use crate::wheel::Wheel;

/// The times before the first call: the packet thread gives the time with each call.
const START: Now = Now { boot: Duration::ZERO, unix: Duration::ZERO };

/// The inner side of a device whose packets end in this process.
pub struct Stack {
    parts: Demux,
    local: Local,
    connecting: Connecting,
    relays: Relays,
    requests: Requests,
    host: HostAddresses,
    /// The flows that the limit of descriptors allows.
    allowed_flows: usize,
    ready: Vec<Ready>,
    /// Why nothing is forwarded although there is an exit.
    no_exit: Option<String>,
    /// Why echo requests do not leave, if there is an exit.
    no_icmp: Option<String>,
}

impl Stack {
    /// Return a stack with its configuration, and what reaches it from other threads. Sockets to the outside are opened
    /// in the network namespace of the packet thread, which is that of the calling thread. The limit of descriptors of
    /// this process is raised to its hard limit.
    ///
    /// # Errors
    /// That of epoll(7), eventfd(2) or netlink(7).
    pub fn new(tables: Tables) -> io::Result<(Self, Handle)> {
        let (handle, requests) = Requests::new()?;
        let poller = Poller::new()?;
        let host = HostAddresses::open(&poller)?;
        poller.add_readable(&requests, Token::Requests)?;
        let mut key = [0; 16];
        random::fill(&mut key);
        let shared = Shared {
            poller,
            wheel: Wheel::new(Duration::ZERO),
            budget: Budget::new(tables.memory),
            packets: Packets::default(),
            datagrams: Datagrams::default(),
            errors: icmp::Limit::default(),
            counts: Counts::default(),
            tables: Tables::default(),
            policy: None,
            direct: None,
            host_is_known: false,
            path_mtu: HashMap::new(),
            capture: None,
            now: START,
        };
        let mut stack = Self {
            parts: Demux {
                shared,
                tcp: TcpFlows::new(key),
                udp: UdpFlows::new(),
                echo: Echoes::new(),
                pairs: Pairs::new(),
                names: Names::new(),
                fragments: Reassembly::default(),
            },
            no_exit: None,
            no_icmp: None,
            local: Local::default(),
            connecting: Connecting::default(),
            relays: Relays::default(),
            requests,
            host,
            allowed_flows: descriptors::raise_limit(),
            ready: Vec::new(),
        };
        stack.set_tables(Prepared::new(tables));
        Ok((stack, handle))
    }

    /// Replace the configuration. Flows that it forbids are reset; the others go on.
    fn set_tables(&mut self, Prepared { mut tables, policy, direct }: Prepared) {
        tables.max_flows = tables.max_flows.min(self.allowed_flows);
        self.parts.tcp.listeners.set_forwards(&tables.forwards);
        self.parts.shared.budget.set_total(tables.memory);
        (self.parts.shared.policy, self.parts.shared.direct) = (policy, direct);
        self.parts.shared.host_is_known = false;
        self.local.set_listeners(&tables.listeners, &mut self.parts.shared);
        self.no_icmp = tables.exit.as_ref().and_then(|_| echo::unavailable());
        let Demux { shared, tcp, names, .. } = &mut self.parts;
        names.set(tables.dns.as_ref(), tcp, shared);
        shared.tables = tables;
        self.update_host();
    }

    /// Read the addresses of this host for the exit policy, and end the flows that it forbids now.
    fn update_host(&mut self) {
        let tables = &self.parts.shared.tables;
        let Some(exit) = tables.direct().or_else(|| tables.exit.clone()) else {
            return self.parts.apply_policy();
        };
        match self.host.list(&self.parts.shared.poller) {
            Ok(networks) => {
                let (mut own, attached) = own::split(&networks);
                own.extend(&exit.endpoints);
                let table = HostTable::new(&own, &attached, &exit.mesh);
                let shared = &mut self.parts.shared;
                for policy in [&mut shared.policy, &mut shared.direct].into_iter().flatten() {
                    policy.set_host(table.clone());
                }
                shared.host_is_known = true;
                self.no_exit = None;
            }
            Err(error) => {
                // Nothing is forwarded while the addresses of this host are not known.
                self.parts.shared.host_is_known = false;
                self.no_exit = Some(format!("the addresses of this host cannot be listed: {error}"));
                let again = self.parts.shared.now.boot + self.host.next_delay();
                self.parts.shared.wheel.set(Alarm::Addresses, again);
            }
        }
        self.parts.apply_policy();
    }

    /// Begin to connect for clients whose target is known.
    fn connect_clients(&mut self) {
        while let Some(connect) = self.local.take_connect() {
            self.connect(connect);
        }
        self.parts.names.progress(&mut self.parts.tcp, &mut self.parts.shared);
        while let Some((purpose, addresses)) = self.parts.names.take_finished() {
            match purpose {
                Purpose::Connect(connect) => {
                    self.connecting.start(*connect, &addresses, &mut self.parts.tcp, &mut self.parts.shared);
                }
                Purpose::Answer(answer) => drop(answer.send(addresses)),
            }
        }
    }

    fn connect(&mut self, connect: Connect) {
        let Demux { shared, tcp, names, .. } = &mut self.parts;
        match &connect.target.host {
            Host::Address(address) => {
                let address = *address;
                self.connecting.start(connect, &[address], tcp, shared);
            }
            Host::Name(name) => {
                let name = name.clone();
                names.look_up(&name, Purpose::Connect(Box::new(connect)), shared);
            }
        }
    }

    fn process_requests(&mut self) {
        while let Some(request) = self.requests.take() {
            match request {
                Request::Tables(prepared) => self.set_tables(*prepared),
                Request::Dial(dial) => self.parts.tcp.dial(dial, &mut self.parts.shared),
                Request::Connect(connect) => self.connect(*connect),
                Request::Resolve { name, answer } => {
                    self.parts.names.look_up(&name, Purpose::Answer(answer), &mut self.parts.shared);
                }
                Request::Listen { port, accepted, answer } => {
                    let _ = answer.send(self.parts.tcp.listeners.add(port, accepted));
                }
                Request::Datagrams { port, fd, answer } => {
                    let _ = answer.send(self.parts.pairs.add(port, fd, &mut self.parts.shared));
                }
                Request::Capture { name, stream, limits, answer } => {
                    let capture = Capture::new(&name, stream, limits, self.parts.shared.now);
                    let _ = answer.send(self.parts.shared.begin_capture(capture));
                }
                Request::Status(answer) => {
                    let _ = answer.send(self.status());
                }
            }
        }
    }

    fn status(&self) -> Status {
        Status {
            tcp_flows: self.parts.tcp.len(),
            max_flows: self.parts.shared.tables.max_flows,
            udp_mappings: self.parts.udp.outside.len(),
            echo_sessions: self.parts.echo.outside.len(),
            no_exit: self.no_exit.clone(),
            no_icmp: self.no_icmp.clone(),
            relays: self.relays.len(),
            memory: self.parts.shared.budget.used(),
            counts: self.parts.shared.counts,
            dropped: self.parts.shared.packets.dropped + self.parts.shared.datagrams.dropped,
            listeners: self.local.status().into_iter().chain(self.parts.names.status()).collect(),
        }
    }

    fn on_alarm(&mut self, alarm: Alarm) {
        match alarm {
            Alarm::Flow(id) => self.parts.tcp.on_alarm(id, &mut self.parts.shared),
            Alarm::Dial(id) => self.parts.tcp.on_dial_alarm(id, &mut self.parts.shared),
            Alarm::TimeWait => self.parts.tcp.expire_time_wait(&mut self.parts.shared),
            Alarm::Memory => self.parts.tcp.on_memory_alarm(&mut self.parts.shared),
            Alarm::Addresses => self.update_host(),
            Alarm::Listener(id) => self.local.on_listener_alarm(id, &mut self.parts.shared),
            Alarm::Client(id) => self.local.on_client_alarm(id, &mut self.parts.shared),
            Alarm::Relay(id) => self.relays.on_alarm(id, &mut self.parts.shared),
            Alarm::Udp(id) => self.parts.udp.outside.on_alarm(id, &mut self.parts.shared),
            Alarm::Echo(id) => self.parts.echo.outside.on_alarm(id, &mut self.parts.shared),
            Alarm::Capture => self.parts.shared.expire_capture(),
            Alarm::Names => self.parts.names.on_alarm(&self.parts.shared),
            Alarm::Lookup(id) => self.parts.names.on_lookup_alarm(id, &self.parts.shared),
            Alarm::NameStream(id) => self.parts.names.on_stream_alarm(id, &mut self.parts.shared),
            Alarm::NameListener(id) => self.parts.names.on_listener_alarm(id, &mut self.parts.shared),
        }
    }
}

impl Inner for Stack {
    fn fd(&self) -> BorrowedFd<'_> {
        self.parts.shared.poller.as_fd()
    }

    fn ready(&mut self, now: Now) {
        self.parts.shared.now = now;
        let mut ready = std::mem::take(&mut self.ready);
        self.parts.shared.poller.take_ready(&mut ready);
        for event in ready.drain(..) {
            match event.token {
                Token::Requests => self.process_requests(),
                Token::Addresses => {
                    if self.host.changed() {
                        self.update_host();
                    }
                }
                Token::Udp(id) => self.parts.udp.outside.ready(id, event, &mut self.parts.shared),
                Token::Echo(id) => self.parts.echo.outside.ready(id, event, &mut self.parts.shared),
                Token::Pair(id) => self.parts.pairs.ready(id),
                Token::Flow(id) => self.parts.tcp.ready(id, event, &mut self.parts.shared),
                Token::Listener(id) => self.local.accept(id, &mut self.parts.shared),
                Token::Client(id) => self.local.receive(id, &mut self.parts.shared),
                Token::Relay(id) => self.relays.ready(id, event, &mut self.parts.shared),
                Token::Capture => self.parts.shared.flush_capture(),
                Token::NameServer(id) => self.parts.names.receive_outside(id, &self.parts.shared),
                Token::NameStream(id) => self.parts.names.stream_ready(id, event, &mut self.parts.shared),
                Token::NameDatagrams(id) => self.parts.names.receive_datagrams(id, &self.parts.shared),
                Token::NameListener(id) => self.parts.names.accept(id, &mut self.parts.shared),
                Token::NamePeers => self.parts.names.accept_peers(&mut self.parts.shared),
            }
        }
        self.ready = ready;
        self.connect_clients();
    }

    fn deliver(&mut self, storage: &[u8], packets: impl Iterator<Item = Delivered>, now: Now) {
        self.parts.shared.now = now;
        for Delivered { peer, packet } in packets {
            self.parts.shared.record(Direction::Inbound, &storage[packet.clone()]);
            self.parts.receive(peer, &storage[packet]);
        }
    }

    fn end_batch(&mut self, _storage: &[u8], now: Now) {
        self.parts.shared.now = now;
        self.parts.end_batch();
        self.connect_clients();
    }

    fn take(&mut self, place: &mut impl Place, now: Now) -> bool {
        self.parts.shared.now = now;
        self.connecting.route(place, &mut self.parts.tcp, &mut self.relays, &mut self.parts.shared);
        self.relays.progress();
        self.parts.pairs.read(&mut self.parts.shared);
        self.parts.echo.outside.take(place, &mut self.parts.shared);
        self.parts.shared.take_packets(place);
        self.parts.udp.take(place, &mut self.parts.shared);
        self.parts.tcp.take(place, &mut self.parts.shared);
        self.parts.shared.flush_capture();
        true
    }

    fn on_membership(&mut self, membership: Membership) {
        if let Membership::Removed { peer, .. } = membership {
            self.parts.remove_peer(peer);
        }
    }

    fn on_path_mtu(&mut self, peer: PeerId, mtu: Option<usize>) {
        let shared = &mut self.parts.shared;
        match mtu.and_then(|mtu| u16::try_from(mtu).ok()) {
            Some(mtu) => shared.path_mtu.insert(peer, mtu),
            None => shared.path_mtu.remove(&peer),
        };
        self.parts.tcp.set_mtu(peer, shared.mtu(peer));
    }

    fn next_deadline(&self) -> Option<Duration> {
        let Demux { shared, tcp, udp, echo, pairs, .. } = &self.parts;
        let has_work = !shared.packets.is_empty() || tcp.has_work() || pairs.has_work();
        let has_work = has_work || udp.outside.has_work() || echo.outside.has_work();
        let has_work = has_work || self.connecting.has_work() || self.relays.has_work();
        let deadlines = [
            self.parts.shared.wheel.next_deadline(),
            self.parts.fragments.next_deadline(),
            has_work.then_some(Duration::ZERO),
        ];
        deadlines.into_iter().flatten().min()
    }

    fn on_deadline(&mut self, now: Now) {
        self.parts.shared.now = now;
        while let Some(alarm) = self.parts.shared.wheel.take_due(now.boot) {
            self.on_alarm(alarm);
        }
        if self.parts.fragments.next_deadline().is_some_and(|deadline| deadline <= now.boot) {
            self.parts.expire_fragments();
        }
        self.connect_clients();
    }

    fn mtu(&self) -> Option<usize> {
        Some(usize::from(self.parts.shared.tables.mtu))
    }

    fn refused(&self) -> u64 {
        self.parts.shared.packets.dropped
    }
}
