//! One connection behind a TUN that is standard input: tests/netns/test_own_tcp.py connects it to the kernel, and
//! bench/paths.py measures it beside the kernel's.
//!
//! Arguments are `KEY=VALUE`; see [`Arguments`]. It prints what happened as one line of JSON when the connection has
//! ended, and exits with status 1 if it has not ended in time.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a program of a test")]

use core::net::IpAddr;
use core::time::Duration;
use std::collections::HashMap;
use std::fs::File;
use std::io::Write;
use std::time::Instant;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::stdio::stdin;
use tcp::segment;
use tcp::{Addresses, Algorithm, Config, Connection, Event, Ports, State, Time};
use tcpsim::{Link, Path};

const PROTOCOL: u8 = 6;
/// Packets that are read at once, as a batch.
const MAX_BATCH: usize = 64;
/// What is sent after the file.
static ZEROS: [u8; 1 << 16] = [0; 1 << 16];
/// How long the last acknowledgement may take to leave, and a repeated FIN to be answered.
const LINGER: Duration = Duration::from_millis(500);

/// What the program is told.
struct Arguments {
    /// `role=listen` or `role=connect`.
    listens: bool,
    /// `local=ADDRESS`, `remote=ADDRESS`.
    outgoing: Addresses,
    incoming: Addresses,
    /// `local_port=N`, `remote_port=N`.
    ports: Ports,
    config: Config,
    /// `loss`, `duplication`, `reordering`, `truncation`: the probabilities of a veil before the TUN, in both directions.
    path: Path,
    seed: u64,
    /// `send=FILE`: what is sent.
    send: Vec<u8>,
    /// `zeros=BYTES`: how many bytes of zero are sent after it.
    zeros: usize,
    /// `receive=FILE`: where what is received is written.
    receive: File,
    /// `pause=MILLISECONDS` before anything is read, so that the window closes.
    pause: Duration,
    /// `read=BYTES`: how many bytes are read at once, and then nothing for a millisecond.
    read: usize,
    /// `after_peer=1`: close after the other side, else after everything was sent.
    after_peer: bool,
    /// `abort=BYTES`: reset the connection after so many were received.
    abort: Option<usize>,
    /// `seconds=N`: the time in which it must end.
    limit: Duration,
}

impl Arguments {
    fn parse() -> Self {
        let pairs: HashMap<String, String> = std::env::args()
            .skip(1)
            .map(|word| word.split_once('=').map(|(key, value)| (key.to_owned(), value.to_owned())).expect("KEY=VALUE"))
            .collect();
        let text = |key: &str, default: &str| pairs.get(key).cloned().unwrap_or_else(|| default.to_owned());
        let number = |key: &str, default: u64| text(key, &default.to_string()).parse::<u64>().expect("a number");
        let probability = |key: &str| text(key, "0").parse::<f64>().expect("a probability");
        let local: IpAddr = text("local", "10.9.0.2").parse().expect("an address");
        let remote: IpAddr = text("remote", "10.9.0.1").parse().expect("an address");
        let buffer = number("buffer", 4 << 20) as usize;
        let config = Config {
            mss: number("mss", 1380) as u16,
            algorithm: if text("congestion", "bbr") == "cubic" { Algorithm::Cubic } else { Algorithm::Bbr },
            max_buffer: buffer,
            initial_buffer: buffer.min(128 << 10),
            timestamps: number("timestamps", 1) == 1,
            sack: number("sack", 1) == 1,
            ..Config::default()
        };
        let path = Path {
            rate: u64::MAX,
            delay: Duration::ZERO,
            queue: u64::MAX,
            loss: probability("loss"),
            duplication: probability("duplication"),
            reordering: probability("reordering"),
            held_back: Duration::from_millis(3),
            truncation: probability("truncation"),
            batch: Duration::ZERO,
            ..Path::default()
        };
        Self {
            listens: text("role", "listen") == "listen",
            outgoing: addresses(local, remote),
            incoming: addresses(remote, local),
            ports: Ports { local: number("local_port", 5000) as u16, remote: number("remote_port", 5000) as u16 },
            config,
            path,
            seed: number("seed", 0),
            send: std::fs::read(text("send", "/dev/null")).expect("the file to send"),
            zeros: number("zeros", 0) as usize,
            receive: File::create(text("receive", "/dev/null")).expect("the file to write"),
            pause: Duration::from_millis(number("pause", 0)),
            read: number("read", 0) as usize,
            after_peer: number("after_peer", 0) == 1,
            abort: pairs.get("abort").map(|bytes| bytes.parse().expect("a number")),
            limit: Duration::from_secs(number("seconds", 100)),
        }
    }
}

fn addresses(source: IpAddr, destination: IpAddr) -> Addresses {
    match (source, destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => Addresses::V4 { source, destination },
        (IpAddr::V6(source), IpAddr::V6(destination)) => Addresses::V6 { source, destination },
        _ => panic!("addresses of two families"),
    }
}

/// The connection, its application, and the links in front of the TUN.
struct Program {
    arguments: Arguments,
    start: Instant,
    connection: Option<Connection>,
    from_tun: Link,
    to_tun: Link,
    events: Vec<Event>,
    written: usize,
    received: usize,
    is_closed: bool,
    read_at: Time,
    ended_at: Option<Time>,
    buffer: Vec<u8>,
    least_window: u32,
}

impl Program {
    fn new(arguments: Arguments) -> Self {
        let link = |seed| Link::new(arguments.path.clone(), seed);
        let (from_tun, to_tun) = (link(arguments.seed), link(!arguments.seed));
        let connects = !arguments.listens;
        let connection =
            connects.then(|| Connection::connect(&arguments.config, arguments.ports, 0xffff_f000, Time::ZERO));
        Self {
            read_at: Time::ZERO + arguments.pause,
            arguments,
            start: Instant::now(),
            connection,
            from_tun,
            to_tun,
            events: Vec::new(),
            written: 0,
            received: 0,
            is_closed: false,
            ended_at: None,
            buffer: vec![0; 1 << 16],
            least_window: u32::MAX,
        }
    }

    fn now(&self) -> Time {
        Time::ZERO + self.start.elapsed()
    }

    /// Run until the connection has ended and the last segment has left. Return whether it has.
    fn run(&mut self) -> bool {
        while self.now() < Time::ZERO + self.arguments.limit {
            let now = self.now();
            self.read_tun(now);
            self.receive(now);
            self.run_timers(now);
            self.run_application(now);
            self.transmit(now);
            if self.has_ended(now) {
                return true;
            }
            self.wait();
        }
        false
    }

    fn has_ended(&mut self, now: Time) -> bool {
        let state = self.connection.as_ref().map(|connection| connection.status().state);
        let is_read = self.connection.as_ref().is_some_and(|connection| connection.status().readable == 0);
        if matches!(state, Some(State::Closed | State::TimeWait)) && is_read {
            self.ended_at.get_or_insert(now);
        }
        self.ended_at.is_some_and(|ended_at| now - ended_at >= LINGER)
    }

    fn read_tun(&mut self, now: Time) {
        for _ in 0..MAX_BATCH {
            match rustix::io::read(stdin(), &mut self.buffer[..]) {
                Ok(len) => {
                    if let Some(segment) = payload(&self.buffer[..len]) {
                        self.from_tun.send(segment, now);
                    }
                }
                Err(Errno::AGAIN) => break,
                Err(error) => panic!("the TUN: {error}"),
            }
        }
    }

    fn receive(&mut self, now: Time) {
        let mut is_batch = false;
        while let Some(packet) = self.from_tun.receive(now) {
            let Ok(segment) = segment::parse(&packet, &self.arguments.incoming) else { continue };
            if let Some(connection) = &mut self.connection {
                connection.receive(&segment, now);
                is_batch = true;
            } else if segment.header.destination_port == self.arguments.ports.local {
                self.connection = Connection::accept(&self.arguments.config, &segment, 0xffff_f000, now);
                self.connection.iter_mut().for_each(|connection| connection.confirm(now));
            }
        }
        if let Some(connection) = self.connection.as_mut().filter(|_| is_batch) {
            connection.end_batch(now);
        }
    }

    fn run_timers(&mut self, now: Time) {
        if let Some(connection) = &mut self.connection
            && connection.next_deadline().is_some_and(|deadline| deadline <= now)
        {
            connection.on_deadline(now);
        }
    }

    fn run_application(&mut self, now: Time) {
        let Some(connection) = &mut self.connection else { return };
        self.events.extend(core::iter::from_fn(|| connection.take_event()));
        let status = connection.status();
        if matches!(status.state, State::SynSent | State::SynReceived) {
            return;
        }
        self.least_window = self.least_window.min(status.send_window);
        while now >= self.read_at {
            let (first, second) = connection.readable();
            let max = if self.arguments.read == 0 { usize::MAX } else { self.arguments.read };
            let first = &first[..first.len().min(max)];
            let second = &second[..second.len().min(max - first.len())];
            let len = first.len() + second.len();
            if len == 0 {
                break;
            }
            self.arguments.receive.write_all(first).expect("a file takes bytes");
            self.arguments.receive.write_all(second).expect("a file takes bytes");
            self.received += len;
            connection.consume(len, now);
            if self.arguments.read > 0 {
                self.read_at = now + Duration::from_millis(1);
            }
        }
        if self.arguments.abort.is_some_and(|bytes| self.received >= bytes) {
            connection.abort();
            return;
        }
        let send = &self.arguments.send;
        let end = send.len() + self.arguments.zeros;
        loop {
            let unsent = match send.get(self.written..) {
                Some(rest) if !rest.is_empty() => rest,
                _ => &ZEROS[..ZEROS.len().min(end - self.written)],
            };
            let written = connection.write(unsent);
            self.written += written;
            if written == 0 {
                break;
            }
        }
        let peer_closed = self.events.contains(&Event::PeerClosed) && connection.status().readable == 0;
        let may_close = !self.arguments.after_peer || peer_closed;
        if self.written == end && may_close && !self.is_closed && self.arguments.abort.is_none() {
            self.is_closed = true;
            connection.shutdown();
        }
    }

    fn transmit(&mut self, now: Time) {
        let Self { connection, to_tun, arguments, buffer, .. } = self;
        if let Some(connection) = connection {
            connection.take_segments(usize::MAX, now, &mut |header, payload| {
                let len = segment::write(header, payload, &arguments.outgoing, buffer).expect("a segment in a packet");
                to_tun.send(&buffer[..len], now);
            });
        }
        while let Some(segment) = to_tun.receive(now) {
            let header = ip_header(&arguments.outgoing, segment.len());
            let packet = [&header[..], &segment].concat();
            match rustix::io::write(stdin(), &packet) {
                Ok(_) | Err(Errno::AGAIN | Errno::NOBUFS | Errno::IO) => {}
                Err(error) => panic!("the TUN: {error}"),
            }
        }
    }

    /// Wait for a packet or the next deadline.
    fn wait(&self) {
        let deadlines = [
            self.from_tun.next_arrival(),
            self.to_tun.next_arrival(),
            self.connection.as_ref().and_then(Connection::next_deadline),
            self.ended_at.map(|ended_at| ended_at + LINGER),
            Some(self.read_at).filter(|&at| at > self.now()),
            Some(self.now() + Duration::from_secs(1)),
        ];
        let next = deadlines.into_iter().flatten().min().unwrap_or_default();
        let timeout = Timespec::try_from(next - self.now()).expect("at most a second");
        match poll(&mut [PollFd::from_borrowed_fd(stdin(), PollFlags::IN)], Some(&timeout)) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => panic!("poll: {error}"),
        }
    }

    fn report(&self) -> String {
        let status = self.connection.as_ref().map(Connection::status);
        let events: Vec<_> = self.events.iter().map(|event| format!("\"{event:?}\"")).collect();
        format!(
            "{{\"events\": [{}], \"state\": \"{:?}\", \"received\": {}, \"retransmitted\": {}, \"least_window\": {}, \
             \"mss\": {}}}",
            events.join(", "),
            status.map(|status| status.state),
            self.received,
            status.map_or(0, |status| status.retransmitted_segments),
            self.least_window,
            status.map_or(0, |status| status.mss),
        )
    }
}

/// Return the segment of a packet, without a look at its addresses, which the checksum covers.
fn payload(packet: &[u8]) -> Option<&[u8]> {
    match packet.first()? >> 4 {
        4 if packet.get(9) == Some(&PROTOCOL) => packet.get(usize::from(packet[0] & 15) * 4..),
        6 if packet.get(6) == Some(&PROTOCOL) => packet.get(40..),
        _ => None,
    }
}

fn ip_header(addresses: &Addresses, len: usize) -> Vec<u8> {
    match addresses {
        Addresses::V4 { source, destination } => {
            let mut header = vec![0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, PROTOCOL, 0, 0];
            header[2..4].copy_from_slice(&((len + 20) as u16).to_be_bytes());
            header.extend_from_slice(&source.octets());
            header.extend_from_slice(&destination.octets());
            let sum: u32 = header.chunks(2).map(|word| u32::from(u16::from_be_bytes([word[0], word[1]]))).sum();
            let folded = (sum & 0xffff) + (sum >> 16);
            let checksum = !((folded & 0xffff) + (folded >> 16)) as u16;
            header[10..12].copy_from_slice(&checksum.to_be_bytes());
            header
        }
        Addresses::V6 { source, destination } => {
            let mut header = vec![0x60, 0, 0, 0, 0, 0, PROTOCOL, 64];
            header[4..6].copy_from_slice(&(len as u16).to_be_bytes());
            header.extend_from_slice(&source.octets());
            header.extend_from_slice(&destination.octets());
            header
        }
    }
}

fn main() {
    let mut program = Program::new(Arguments::parse());
    let has_ended = program.run();
    println!("{}", program.report());
    std::process::exit(i32::from(!has_ended));
}
