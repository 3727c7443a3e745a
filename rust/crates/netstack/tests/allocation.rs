//! Nothing on the path of a packet allocates in the steady state: shown by an allocator that counts, with two stacks that
//! are driven by hand.
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "../../tcp/tests/counting/mod.rs"]
mod counting;

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::net::UnixStream;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use counting::{ALLOCATIONS, Counting};
use device::inner::Inner;
use device::place::{Place, Route};
use netstack::dial::{Caller, Dial, Failure};
use netstack::{Forward, Handle, Stack, Tables};
use proto::change::{AllowedIpChange, InterfaceChange, PeerChange};
use proto::clock::{Now, Random};
use proto::key::PrivateKey;
use proto::{Delivered, Interface, NoRoute};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const CHUNK: usize = 64 << 10;
const WARM_UP_BYTES: usize = 32 << 20;
const MEASURED_BYTES: usize = 16 << 20;
const TURN_OCTETS: usize = 256 << 10;
const TIMEOUT: Duration = Duration::from_secs(60);

struct Zeros;

impl Random for Zeros {
    fn fill(&mut self, octets: &mut [u8]) {
        octets.fill(0);
    }
}

/// Packets of one turn, in memory that is made once.
struct Turn {
    interface: Interface,
    octets: Vec<u8>,
    packets: Vec<std::ops::Range<usize>>,
}

impl Turn {
    /// Return an empty turn; everything is routed to one peer.
    fn new(number: u8) -> Self {
        let mut interface = Interface::new(Box::new(Zeros));
        let peer = PeerChange {
            endpoint: Some(([127, 0, 0, 1], 9).into()),
            allowed_ips: vec![AllowedIpChange::Add("0.0.0.0/0".parse().unwrap())],
            ..PeerChange::new(PrivateKey::from_bytes([number; 32]).public_key())
        };
        interface.apply(&InterfaceChange { peers: vec![peer], ..InterfaceChange::default() }, now(Instant::now()));
        Self { interface, octets: Vec::with_capacity(2 * TURN_OCTETS), packets: Vec::with_capacity(4096) }
    }

    /// Deliver the packets to the other stack, which has the same peer.
    fn deliver(&mut self, to: &mut Stack, now: Now) {
        let peer = self.interface.route_to(IpAddr::from([10, 0, 0, 1])).unwrap().0;
        let packets = self.packets.drain(..).map(|packet| Delivered { peer, packet });
        to.deliver(&self.octets, packets, now);
        to.end_batch(&self.octets, now);
        self.octets.clear();
    }
}

impl Place for Turn {
    fn route(&mut self, _packet: &[u8]) -> Option<Route> {
        self.route_to(IpAddr::from([10, 0, 0, 1])).ok()
    }

    fn route_to(&self, destination: IpAddr) -> Result<Route, NoRoute> {
        self.interface.route_to(destination).map(|(peer, endpoint)| Route { peer, endpoint })
    }

    fn room(&mut self, _route: Route, packet_bytes: usize) -> Option<&mut [u8]> {
        let start = self.octets.len();
        self.octets.resize(start + packet_bytes, 0);
        self.packets.push(start..start + packet_bytes);
        Some(&mut self.octets[start..])
    }

    fn queued(&self) -> usize {
        self.octets.len()
    }

    fn has_room(&self, bytes: usize) -> bool {
        self.octets.len() + bytes <= TURN_OCTETS
    }
}

struct Silent;

impl Caller for Silent {
    fn connected(&mut self, _remote: SocketAddr) -> Vec<u8> {
        Vec::new()
    }

    fn failed(&mut self, failure: Failure) -> Vec<u8> {
        panic!("{failure:?}")
    }
}

fn now(start: Instant) -> Now {
    Now { boot: Duration::from_secs(1000) + start.elapsed(), unix: Duration::ZERO }
}

fn stack(number: u8, forwards: Vec<Forward>) -> (Stack, Handle) {
    let addresses = vec![format!("10.0.0.{number}/24").parse().unwrap()];
    Stack::new(Tables { addresses, forwards, ..Tables::default() }).unwrap()
}

/// Two stacks, what each sends, and the clock.
struct Pair {
    start: Instant,
    stacks: [Stack; 2],
    turns: [Turn; 2],
}

impl Pair {
    /// Let both do what there is to do, once.
    fn run(&mut self) {
        let now = now(self.start);
        assert!(self.start.elapsed() < TIMEOUT, "not within {TIMEOUT:?}");
        for at in 0..2 {
            self.stacks[at].ready(now);
            if self.stacks[at].next_deadline().is_some_and(|deadline| deadline <= now.boot) {
                self.stacks[at].on_deadline(now);
            }
            assert!(self.stacks[at].take(&mut self.turns[at], now));
            self.turns[at].deliver(&mut self.stacks[1 - at], now);
        }
    }
}

#[test]
fn a_stream_in_the_steady_state_allocates_nothing() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let forward = Forward { port: 80, to: listener.local_addr().unwrap(), from: Vec::new() };
    let ((first, handle), (second, _kept)) = (stack(1, Vec::new()), stack(2, vec![forward]));
    let mut pair = Pair { start: Instant::now(), stacks: [first, second], turns: [Turn::new(2), Turn::new(1)] };
    let (ours, mut client) = UnixStream::pair().unwrap();
    ours.set_nonblocking(true).unwrap();
    client.set_nonblocking(true).unwrap();
    let (addresses, caller) = (vec![([10, 0, 0, 2], 80).into()], Box::new(Silent));
    handle.dial(Dial { addresses, timeout: TIMEOUT, client: ours.into(), caller }).unwrap();
    listener.set_nonblocking(true).unwrap();
    let mut server = loop {
        pair.run();
        if let Ok((server, _)) = listener.accept() {
            break server;
        }
    };
    server.set_nonblocking(true).unwrap();
    let (chunk, mut buffer) = (vec![7; CHUNK], vec![0; CHUNK]);
    let mut pass = |bytes: usize| {
        let mut received = 0;
        while received < bytes {
            let written = client.write(&chunk);
            assert!(written.is_ok() || written.is_err_and(|error| error.kind() == ErrorKind::WouldBlock));
            pair.run();
            received += server.read(&mut buffer).unwrap_or(0);
        }
    };
    pass(WARM_UP_BYTES);
    let before = ALLOCATIONS.load(Ordering::Relaxed);
    pass(MEASURED_BYTES);
    assert_eq!(ALLOCATIONS.load(Ordering::Relaxed) - before, 0);
}
