//! All peers behind one socket; the receiver index of a datagram names the peer it is for.

use std::collections::HashMap;
use std::io::{self, ErrorKind};
use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use proto::clock::Now;

use crate::arguments::Run;
use crate::clock::Clock;
use crate::packet::DATAGRAM_BYTES;
use crate::peer::Peer;

/// Pending handshakes at a time: few enough that no engine considers itself under load.
const CONCURRENT_HANDSHAKES: usize = 16;
/// REKEY_AFTER_TIME (paper, section 6.1) and a second: a peer whose session is that old starts a handshake with its next packet.
const REKEY_INTERVAL: Duration = Duration::from_secs(121);
/// Time for a thousand handshakes including retries; ten times what they take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(60);
const POLL_TIMEOUT: Duration = Duration::from_millis(5);
/// Sends between two reads of the socket.
const SENDS_PER_POLL: usize = 64;

/// The peers and their socket.
pub(crate) struct Generator {
    socket: UdpSocket,
    engine: SocketAddr,
    peers: Vec<Peer>,
    /// Index of a session or handshake → position of its peer.
    owners: HashMap<u32, usize>,
    clock: Clock,
}

impl Generator {
    pub(crate) fn new(socket: UdpSocket, run: &Run) -> io::Result<Self> {
        let engine = socket.peer_addr()?;
        let clock = Clock::new();
        let now = clock.now();
        let peers = (0..run.peers).map(|number| Peer::new(&run.seed, number, run.engine, engine, now)).collect();
        Ok(Self { socket, engine, peers, owners: HashMap::new(), clock })
    }

    /// Wait until every peer has completed this number of handshakes.
    ///
    /// # Errors
    /// `TimedOut` with the number of peers that have, or the error of the socket.
    pub(crate) fn connect(&mut self, sessions: u32) -> io::Result<()> {
        if sessions > 1 {
            self.clock.advance(REKEY_INTERVAL);
        }
        self.socket.set_read_timeout(Some(POLL_TIMEOUT))?;
        let end = Instant::now() + CONNECT_TIMEOUT;
        let mut started = 0;
        loop {
            let done = self.peers.iter().filter(|peer| peer.sessions >= sessions).count();
            if done == self.peers.len() {
                return Ok(());
            }
            if Instant::now() > end {
                return Err(io::Error::new(ErrorKind::TimedOut, format!("{done} of {} connected", self.peers.len())));
            }
            while started < self.peers.len() && started < done + CONCURRENT_HANDSHAKES {
                self.start_handshake(started);
                started += 1;
            }
            self.process_pending();
        }
    }

    /// Process incoming datagrams for this long.
    pub(crate) fn rest(&mut self, time: Duration) -> io::Result<()> {
        self.socket.set_read_timeout(Some(POLL_TIMEOUT))?;
        let end = Instant::now() + time;
        while Instant::now() < end {
            self.process_pending();
        }
        Ok(())
    }

    /// Send from every peer in turn, `batch` packets at a time, for this long; return the packets that the kernel accepted.
    pub(crate) fn send(&mut self, time: Duration, batch: usize) -> io::Result<u64> {
        self.socket.set_nonblocking(true)?;
        let mut buffer = vec![0; batch * DATAGRAM_BYTES];
        let end = Instant::now() + time;
        let mut sent = 0;
        let mut turns = (0..self.peers.len()).cycle();
        while Instant::now() < end {
            let now = self.clock.now();
            for owner in turns.by_ref().take(SENDS_PER_POLL) {
                if self.peers[owner].seal(&mut buffer, now) && self.socket.send(&buffer).is_ok() {
                    sent += batch as u64;
                }
                self.send_outgoing(owner);
            }
            self.process_pending();
        }
        Ok(sent)
    }

    /// Send one packet, which makes a peer without a fresh session start a handshake.
    fn start_handshake(&mut self, owner: usize) {
        let mut datagram = [0; DATAGRAM_BYTES];
        if self.peers[owner].seal(&mut datagram, self.clock.now()) {
            self.transmit(&datagram);
        }
        self.send_outgoing(owner);
    }

    /// Process incoming datagrams and expired deadlines.
    fn process_pending(&mut self) {
        let mut datagram = [0; DATAGRAM_BYTES];
        while let Ok(length) = self.socket.recv(&mut datagram) {
            self.receive(&mut datagram[..length]);
        }
        let now = self.clock.now();
        for owner in 0..self.peers.len() {
            if self.peers[owner].interface.next_deadline().is_some_and(|deadline| deadline <= now.boot) {
                self.peers[owner].interface.on_deadline(now);
                self.send_outgoing(owner);
            }
        }
    }

    fn receive(&mut self, datagram: &mut [u8]) {
        let Some(owner) = receiver(datagram).and_then(|index| self.owners.get(&index).copied()) else { return };
        let now: Now = self.clock.now();
        let interface = &mut self.peers[owner].interface;
        interface.receive(self.engine.into(), datagram, now);
        interface.process_handshakes(1, now);
        self.peers[owner].note_events();
        self.send_outgoing(owner);
    }

    /// Send the outgoing datagrams of a peer and record the index by which it will be answered.
    fn send_outgoing(&mut self, owner: usize) {
        while let Some(outgoing) = self.peers[owner].interface.take_outgoing() {
            if let Some(index) = sender(&outgoing.datagram) {
                self.owners.insert(index, owner);
            }
            self.transmit(&outgoing.datagram);
        }
    }

    /// Send a datagram; it is lost when the socket is full, as on any network.
    fn transmit(&self, datagram: &[u8]) {
        let _ = self.socket.send(datagram);
    }
}

/// Return the sender index of an initiation (paper, section 5.4.2).
fn sender(datagram: &[u8]) -> Option<u32> {
    (datagram.first() == Some(&1)).then(|| word(datagram, 4)).flatten()
}

/// Return the receiver index of a response, cookie reply or data message (sections 5.4.3, 5.4.6, 5.4.7).
fn receiver(datagram: &[u8]) -> Option<u32> {
    match datagram.first()? {
        2 => word(datagram, 8),
        3 | 4 => word(datagram, 4),
        _ => None,
    }
}

fn word(datagram: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(datagram.get(at..at + 4)?.try_into().ok()?))
}
