//! A node: a device with a stack. Node `n` has the address 10.0.0.n, and fd00::n.

use std::io::Read;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use device::Device;
use device::control::Control;
use netstack::dial::{Caller, Dial, Failure};
use netstack::{Forward, Handle, Stack, Tables};
use proto::change::{AllowedIpChange, InterfaceChange, PeerChange};
use proto::key::{PrivateKey, PublicKey};

/// Ten times what a busy machine needs.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(30);

/// A device with a stack.
pub(crate) struct Node {
    number: u8,
    pub(crate) device: Device,
    pub(crate) stack: Handle,
}

impl Node {
    pub(crate) fn new(number: u8, change: impl FnOnce(&mut Tables)) -> Self {
        let addresses =
            vec![format!("10.0.0.{number}/24").parse().unwrap(), format!("fd00::{number}/64").parse().unwrap()];
        let mut tables = Tables { addresses, ..Tables::default() };
        change(&mut tables);
        let (stack, handle) = Stack::new(tables).unwrap();
        let device = Device::with_inner(stack, &format!("stack{number}")).unwrap();
        let node = Self { number, device, stack: handle };
        node.apply(InterfaceChange { private_key: Some(Some(private_key(number))), ..InterfaceChange::default() });
        until(|| node.port() != 0);
        node
    }

    fn apply(&self, change: InterfaceChange) {
        self.device.handle().apply(change).unwrap();
    }

    fn port(&self) -> u16 {
        self.device.handle().status().unwrap().listen_port
    }

    fn public_key(&self) -> PublicKey {
        private_key(self.number).public_key()
    }

    pub(crate) fn address(&self) -> Ipv4Addr {
        Ipv4Addr::new(10, 0, 0, self.number)
    }

    /// Add another node as a peer, with these allowed IPs besides its own addresses.
    pub(crate) fn add(&self, peer: &Self, others: &[&str]) {
        let own = [format!("10.0.0.{}/32", peer.number), format!("fd00::{}/128", peer.number)];
        let allowed = own.iter().map(String::as_str).chain(others.iter().copied());
        self.apply(InterfaceChange {
            peers: vec![PeerChange {
                endpoint: Some(SocketAddr::from((Ipv4Addr::LOCALHOST, peer.port()))),
                allowed_ips: allowed.map(|prefix| AllowedIpChange::Add(prefix.parse().unwrap())).collect(),
                ..PeerChange::new(peer.public_key())
            }],
            ..InterfaceChange::default()
        });
    }

    pub(crate) fn remove(&self, peer: &Self) {
        let change = PeerChange { remove: true, ..PeerChange::new(peer.public_key()) };
        self.apply(InterfaceChange { peers: vec![change], ..InterfaceChange::default() });
    }

    /// Dial, and return the outcome with the stream.
    pub(crate) fn dial(&self, addresses: &[SocketAddr]) -> Result<UnixStream, Failure> {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        theirs.set_read_timeout(Some(TIMEOUT)).unwrap();
        let (sender, outcome) = std::sync::mpsc::channel();
        self.stack
            .dial(Dial {
                addresses: addresses.to_vec(),
                timeout: TIMEOUT,
                client: OwnedFd::from(ours),
                caller: Box::new(Outcome(sender)),
            })
            .unwrap();
        theirs.read_exact(&mut [0]).unwrap();
        outcome.recv().unwrap().map(|()| theirs)
    }

    /// Dial a port of another node.
    pub(crate) fn connect(&self, to: &Self, port: u16) -> Result<UnixStream, Failure> {
        self.dial(&[(to.address(), port).into()])
    }
}

/// Reports the outcome of a dial to a test, after an octet on the stream.
struct Outcome(std::sync::mpsc::Sender<Result<(), Failure>>);

impl Caller for Outcome {
    fn connected(&mut self, _remote: SocketAddr) -> Vec<u8> {
        let _ = self.0.send(Ok(()));
        vec![0]
    }

    fn failed(&mut self, failure: Failure) -> Vec<u8> {
        let _ = self.0.send(Err(failure));
        vec![1]
    }
}

/// Return two nodes that are peers; the second forwards its port 80 to a listener of this host, which is returned.
pub(crate) fn pair() -> (Node, Node, TcpListener) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let to = listener.local_addr().unwrap();
    let first = Node::new(1, |_| {});
    let second = Node::new(2, |tables| tables.forwards = vec![Forward { port: 80, to, from: Vec::new() }]);
    first.add(&second, &[]);
    second.add(&first, &[]);
    (first, second, listener)
}

/// Wait until a condition holds.
pub(crate) fn until(mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < TIMEOUT, "not within {TIMEOUT:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

pub(crate) fn v6(number: u8, port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::V6(format!("fd00::{number}").parse().unwrap()), port)
}

fn private_key(number: u8) -> PrivateKey {
    PrivateKey::from_bytes([number; 32])
}
