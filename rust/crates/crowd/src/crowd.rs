//! All members behind one socket: whom a datagram is for is told by the index that it names.

use std::collections::HashMap;
use std::io::{self, ErrorKind};
use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use proto::clock::Now;

use crate::arguments::Run;
use crate::clock::Clock;
use crate::member::Member;
use crate::packet::DATAGRAM_BYTES;

/// Handshakes on their way at once: few enough that no engine thinks itself under load.
const ABREAST: usize = 16;
/// REKEY_AFTER_TIME (paper, section 6.1) and a second: a member that much older begins a handshake with its next packet.
const RENEWAL: Duration = Duration::from_secs(121);
/// Time for a thousand handshakes, with the retry of some; ten times what they take.
const CONNECT: Duration = Duration::from_secs(60);
const PATIENCE: Duration = Duration::from_millis(5);
/// Sends between two looks at what has come.
const SENDS: usize = 64;

/// See the module.
pub(crate) struct Crowd {
    socket: UdpSocket,
    engine: SocketAddr,
    members: Vec<Member>,
    /// Index of a session or handshake → whose it is.
    owners: HashMap<u32, usize>,
    clock: Clock,
}

impl Crowd {
    pub(crate) fn new(socket: UdpSocket, run: &Run) -> io::Result<Self> {
        let engine = socket.peer_addr()?;
        let clock = Clock::new();
        let now = clock.now();
        let members = (0..run.peers).map(|number| Member::new(&run.seed, number, run.engine, engine, now)).collect();
        Ok(Self { socket, engine, members, owners: HashMap::new(), clock })
    }

    /// Returns once every member has done so many handshakes.
    ///
    /// # Errors
    /// `TimedOut` with how many have; what the socket said.
    pub(crate) fn connect(&mut self, sessions: u32) -> io::Result<()> {
        if sessions > 1 {
            self.clock.advance(RENEWAL);
        }
        self.socket.set_read_timeout(Some(PATIENCE))?;
        let end = Instant::now() + CONNECT;
        let mut begun = 0;
        loop {
            let done = self.members.iter().filter(|member| member.sessions >= sessions).count();
            if done == self.members.len() {
                return Ok(());
            }
            if Instant::now() > end {
                return Err(io::Error::new(ErrorKind::TimedOut, format!("{done} of {} connected", self.members.len())));
            }
            while begun < self.members.len() && begun < done + ABREAST {
                self.greet(begun);
                begun += 1;
            }
            self.attend();
        }
    }

    /// Answers what comes, for so long.
    pub(crate) fn rest(&mut self, time: Duration) -> io::Result<()> {
        self.socket.set_read_timeout(Some(PATIENCE))?;
        let end = Instant::now() + time;
        while Instant::now() < end {
            self.attend();
        }
        Ok(())
    }

    /// Lets all send in turn, `train` packets at a time, for so long. How many packets the kernel took.
    pub(crate) fn send(&mut self, time: Duration, train: usize) -> io::Result<u64> {
        self.socket.set_nonblocking(true)?;
        let mut room = vec![0; train * DATAGRAM_BYTES];
        let end = Instant::now() + time;
        let mut sent = 0;
        let mut turn = (0..self.members.len()).cycle();
        while Instant::now() < end {
            let now = self.clock.now();
            for owner in turn.by_ref().take(SENDS) {
                if self.members[owner].seal(&mut room, now) && self.socket.send(&room).is_ok() {
                    sent += train as u64;
                }
                self.post(owner);
            }
            self.attend();
        }
        Ok(sent)
    }

    /// Sends one packet, which makes a member without a fresh session begin a handshake.
    fn greet(&mut self, owner: usize) {
        let mut datagram = [0; DATAGRAM_BYTES];
        if self.members[owner].seal(&mut datagram, self.clock.now()) {
            self.put(&datagram);
        }
        self.post(owner);
    }

    /// Takes what has come and does what is due.
    fn attend(&mut self) {
        let mut datagram = [0; DATAGRAM_BYTES];
        while let Ok(length) = self.socket.recv(&mut datagram) {
            self.hear(&mut datagram[..length]);
        }
        let now = self.clock.now();
        for owner in 0..self.members.len() {
            if self.members[owner].interface.next_deadline().is_some_and(|deadline| deadline <= now.boot) {
                self.members[owner].interface.on_deadline(now);
                self.post(owner);
            }
        }
    }

    fn hear(&mut self, datagram: &mut [u8]) {
        let Some(owner) = receiver(datagram).and_then(|index| self.owners.get(&index).copied()) else { return };
        let now: Now = self.clock.now();
        let interface = &mut self.members[owner].interface;
        interface.receive(self.engine.into(), datagram, now);
        interface.work_off_handshakes(1, now);
        self.members[owner].note_events();
        self.post(owner);
    }

    /// Sends what a member's machine wants sent, and learns by which index it will be answered.
    fn post(&mut self, owner: usize) {
        while let Some(outgoing) = self.members[owner].interface.take_outgoing() {
            if let Some(index) = sender(&outgoing.datagram) {
                self.owners.insert(index, owner);
            }
            self.put(&outgoing.datagram);
        }
    }

    /// What cannot be sent is lost, as it may be on any network.
    fn put(&self, datagram: &[u8]) {
        let _ = self.socket.send(datagram);
    }
}

/// The sender's index of an initiation (paper, section 5.4.2).
fn sender(datagram: &[u8]) -> Option<u32> {
    (datagram.first() == Some(&1)).then(|| word(datagram, 4)).flatten()
}

/// The receiver's index of a response, cookie reply or data message (sections 5.4.3, 5.4.6, 5.4.7).
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
