//! Segments of another host that follows no rule, to one connection, with an application that uses it in any order.
//!
//! Whatever arrives: nothing panics, the right edge of the window stays where it was or moves right, nothing is sent
//! beyond the window that was offered, no more is read than arrived, timers end, and a closed connection is silent.

use std::time::Duration;

use tcp::options::{SackBlock, Timestamps};
use tcp::{Algorithm, Config, Connection, Flags, Header, Options, Ports, Segment, Seq, State, Time};

/// The first sequence number of the connection, close to the end of the space.
pub const ISN: u32 = 0xffff_ff00;
/// That of the other host.
pub const PEER_ISN: u32 = 0x7fff_ff00;
const PORTS: Ports = Ports { local: 80, remote: 4000 };
const MAX_STEPS: usize = 3_000;

/// What the fuzzer decides: bytes, and zeros after the last one.
struct Script<'a>(&'a [u8]);

impl Script<'_> {
    fn byte(&mut self) -> u8 {
        let Some((&first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        first
    }

    fn word(&mut self) -> u16 {
        u16::from_le_bytes([self.byte(), self.byte()])
    }
}

/// The connection and what must hold of it.
struct Fuzzed {
    connection: Connection,
    now: Time,
    /// The sequence number after everything that the connection sent.
    sent: Seq,
    /// What it acknowledged last.
    acknowledged: Seq,
    edge: Option<Seq>,
    /// The shift of its windows.
    shift: u8,
    received: u64,
    read: u64,
    clock: u32,
    uses_timestamps: bool,
}

/// Run a script.
pub fn run(octets: &[u8]) {
    let mut script = Script(octets);
    let flags = script.byte();
    let buffer = 500 + usize::from(script.byte()) * 300;
    let config = Config {
        mss: 536 + 50 * u16::from(flags >> 4),
        algorithm: if flags & 1 == 0 { Algorithm::Bbr } else { Algorithm::Cubic },
        sack: flags & 2 == 0,
        timestamps: flags & 4 == 0,
        max_buffer: buffer,
        initial_buffer: buffer,
        ..Config::default()
    };
    let mut fuzzed = Fuzzed::open(&config, flags & 8 == 0);
    let mut steps = 0;
    while !script.0.is_empty() && steps < MAX_STEPS {
        fuzzed.step(&mut script);
        steps += 1;
    }
    fuzzed.end();
}

impl Fuzzed {
    fn open(config: &Config, accepts: bool) -> Self {
        let now = Time::ZERO + Duration::from_secs(1);
        let options = Options {
            mss: Some(1000),
            window_scale: Some(2),
            sack_permitted: true,
            timestamps: Some(Timestamps { value: 100, echo: 0 }),
            ..Options::default()
        };
        let flags = if accepts { Flags::SYN } else { Flags::SYN | Flags::ACK };
        let syn = header(flags, Seq(PEER_ISN), Seq(ISN) + 1, 1000, options);
        let segment = Segment { header: syn, payload: &[] };
        let mut connection = if accepts {
            Connection::accept(config, &segment, ISN, now).expect("a SYN")
        } else {
            Connection::connect(config, PORTS, ISN, now)
        };
        connection.confirm(now);
        let mut fuzzed = Self {
            connection,
            now,
            sent: Seq(ISN),
            acknowledged: Seq(PEER_ISN) + 1,
            edge: None,
            shift: 0,
            received: 0,
            read: 0,
            clock: 100,
            uses_timestamps: config.timestamps,
        };
        fuzzed.take();
        if !accepts {
            fuzzed.connection.receive(&segment, now);
            fuzzed.connection.end_batch(now);
            fuzzed.take();
        }
        fuzzed
    }

    fn step(&mut self, script: &mut Script<'_>) {
        match script.byte() % 16 {
            0..=7 => self.receive(script),
            8 => {
                let len = usize::from(script.word());
                self.connection.write(&vec![7; len]);
            }
            9 => {
                let len = usize::from(script.word());
                self.read(len);
            }
            10 => self.pass(Duration::from_millis(u64::from(script.word()))),
            11 => self.pass(Duration::from_secs(u64::from(script.byte()))),
            12 => self.connection.set_mss(536 + script.word() % 1000),
            13 => match script.byte() {
                0..=3 => self.connection.shutdown(),
                4 => self.connection.abort(),
                5 => self.connection.refuse(),
                _ => {}
            },
            14 => self.connection.end_batch(self.now),
            _ => while self.connection.take_event().is_some() {},
        }
        self.take();
        self.check();
    }

    /// Give the connection a segment near to what it expects.
    fn receive(&mut self, script: &mut Script<'_>) {
        let (kind, flags) = (script.byte(), script.byte());
        let seq = Self::near(self.acknowledged, kind & 3, script);
        let ack = Self::near(self.sent, kind >> 2 & 3, script);
        let window = if kind & 0x10 == 0 { 1000 } else { script.word() };
        let len = usize::from(if kind & 0x20 == 0 { 0 } else { script.word() % 1500 });
        let mut options = Options::default();
        if self.uses_timestamps && kind & 0x40 == 0 {
            self.clock = self.clock.wrapping_add(u32::from(flags >> 6));
            options.timestamps = Some(Timestamps { value: self.clock, echo: u32::from(script.byte()) });
        }
        if kind & 0x80 != 0 {
            for _ in 0..script.byte() % 5 {
                let start = Self::near(self.sent, 1, script);
                options.sack.push(SackBlock { start, end: start + u32::from(script.word()) });
            }
        }
        let header = header(flags_of(flags), seq, ack, window, options);
        self.received += len as u64;
        self.connection.receive(&Segment { header, payload: &vec![9; len] }, self.now);
        if flags & 0x20 == 0 {
            self.connection.end_batch(self.now);
        }
    }

    /// Return a number at, before, after or far from another.
    fn near(seq: Seq, kind: u8, script: &mut Script<'_>) -> Seq {
        match kind {
            0 => seq,
            1 => seq - u32::from(script.word()),
            2 => seq + u32::from(script.word()),
            _ => Seq(u32::from(script.word()) << 16 | u32::from(script.word())),
        }
    }

    fn take(&mut self) {
        let Self { connection, sent, acknowledged, edge, shift, .. } = self;
        let mut count = 0;
        connection.take_segments(1000, self.now, &mut |header, (first, second)| {
            count += 1;
            let len = (first.len() + second.len()) as u32;
            if let Some(offered) = header.options.window_scale {
                *shift = offered;
            }
            let syn_and_fin =
                u32::from(header.flags.contains(Flags::SYN)) + u32::from(header.flags.contains(Flags::FIN));
            if header.flags.contains(Flags::RST) {
                return;
            }
            let end = header.seq + len + syn_and_fin;
            assert!(header.seq.at_or_before(*sent), "a sequence number was left out");
            *sent = sent.max(end);
            if header.flags.contains(Flags::ACK) {
                assert!(header.ack.at_or_after(*acknowledged), "an acknowledgement that goes back");
                *acknowledged = header.ack;
                let shift = if header.flags.contains(Flags::SYN) { 0 } else { *shift };
                let new = header.ack + (u32::from(header.window) << shift);
                assert!(edge.is_none_or(|edge| new.at_or_after(edge)), "a right edge that moves to the left");
                *edge = Some(new);
            }
        });
        assert!(count < 1000, "no end of segments");
    }

    fn read(&mut self, max: usize) {
        let (first, second) = self.connection.readable();
        assert!(first.iter().chain(second).all(|&byte| byte == 9));
        let len = (first.len() + second.len()).min(max);
        self.connection.consume(len, self.now);
        self.read += len as u64;
    }

    fn pass(&mut self, duration: Duration) {
        let end = self.now + duration;
        let mut turns = 0;
        while let Some(deadline) = self.connection.next_deadline().filter(|deadline| *deadline <= end) {
            turns += 1;
            assert!(turns < 100_000, "a deadline that stays in the past");
            self.now = self.now.max(deadline);
            self.connection.on_deadline(self.now);
            self.take();
        }
        self.now = end;
    }

    fn check(&self) {
        let status = self.connection.status();
        assert!(self.read + status.readable as u64 <= self.received, "more was read than arrived");
        assert!(status.in_flight <= status.unacknowledged as u64 + 1, "more in flight than buffered: {status:?}");
        if status.state == State::Closed {
            assert_eq!(self.connection.next_deadline(), None);
        }
    }

    /// The other host is gone: every timer comes to its end, and the connection with it, if data or a FIN waits.
    fn end(&mut self) {
        self.connection.shutdown();
        self.take();
        self.pass(Duration::from_secs(2 * 3600));
        self.check();
        assert_eq!(self.connection.status().state, State::Closed, "{:?}", self.connection.status());
    }
}

fn flags_of(byte: u8) -> Flags {
    // Most segments have an ACK and nothing else.
    match byte % 32 {
        0..=15 => Flags::ACK,
        16..=19 => Flags::ACK | Flags::PSH,
        20..=22 => Flags::ACK | Flags::FIN,
        23 => Flags::SYN,
        24 => Flags::SYN | Flags::ACK,
        25 => Flags::RST,
        26 => Flags::RST | Flags::ACK,
        27 => Flags::FIN,
        28 => Flags::SYN | Flags::FIN | Flags::ACK,
        29 => Flags::NONE,
        _ => Flags::ACK,
    }
}

fn header(flags: Flags, seq: Seq, ack: Seq, window: u16, options: Options) -> Header {
    Header { source_port: PORTS.remote, destination_port: PORTS.local, seq, ack, flags, window, options }
}
