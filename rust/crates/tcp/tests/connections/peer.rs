//! The other side of one connection, whose segments a test makes by hand.

use core::time::Duration;

use tcp::options::{SackBlock, SackBlocks, Timestamps};
use tcp::{Config, Connection, Event, Flags, Header, Options, Ports, Segment, Seq, State, Time};

/// The ports as the connection sees them.
pub(crate) const PORTS: Ports = Ports { local: 80, remote: 40_000 };
/// The first sequence numbers of the connection and of the other side.
pub(crate) const ISN: u32 = 5_000;
pub(crate) const PEER_ISN: u32 = 1_000;
/// The window of the other side, unless a test says otherwise.
pub(crate) const WINDOW: u16 = 60_000;

/// A segment that the connection sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sent {
    pub(crate) header: Header,
    pub(crate) payload: Vec<u8>,
}

impl Sent {
    pub(crate) fn has(&self, flags: Flags) -> bool {
        self.header.flags.contains(flags)
    }

    /// Return the offset of the first byte in the stream of the connection.
    pub(crate) fn offset(&self) -> u32 {
        self.header.seq - (Seq(ISN) + 1)
    }
}

/// A connection and what is known of its other side.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) connection: Connection,
    pub(crate) now: Time,
    /// The next sequence number of the other side.
    pub(crate) seq: Seq,
    /// What the other side acknowledges.
    pub(crate) ack: Seq,
    /// The field of its window.
    pub(crate) window: u16,
    /// Its clock for timestamps, if they are used, and the latest of the connection.
    pub(crate) clock: Option<u32>,
    pub(crate) echo: u32,
}

/// A configuration with large segments and without the options that a case does not speak of.
pub(crate) fn bare() -> Config {
    Config { mss: 1_000, timestamps: false, sack: false, ..Config::default() }
}

pub(crate) fn with_sack() -> Config {
    Config { sack: true, ..bare() }
}

pub(crate) fn with_timestamps() -> Config {
    Config { timestamps: true, ..bare() }
}

impl Peer {
    /// Return a connection that waits for the answer to its SYN, which was taken.
    pub(crate) fn syn_sent(config: &Config) -> (Self, Sent) {
        let now = Time::ZERO + Duration::from_secs(100);
        let connection = Connection::connect(config, PORTS, ISN, now);
        let mut peer =
            Self { connection, now, seq: Seq(PEER_ISN), ack: Seq(ISN) + 1, window: WINDOW, clock: None, echo: 0 };
        let mut sent = peer.take();
        assert_eq!(sent.len(), 1);
        (peer, sent.remove(0))
    }

    /// Return an established connection, which the other side opened with the options that the configuration has. Its
    /// window is not scaled.
    pub(crate) fn established(config: &Config) -> Self {
        let options = Options { mss: Some(1_000), sack_permitted: config.sack, ..Options::default() };
        Self::established_with(config, options)
    }

    /// The same with given options in the SYN; timestamps follow the configuration.
    pub(crate) fn established_with(config: &Config, mut options: Options) -> Self {
        let clock = config.timestamps.then_some(700_000);
        options.timestamps = clock.map(|value| Timestamps { value, echo: 0 });
        let (mut peer, answer) = Self::syn_received(config, options);
        assert!(answer.has(Flags::SYN | Flags::ACK));
        peer.clock = clock;
        peer.echo = answer.header.options.timestamps.map_or(0, |timestamps| timestamps.value);
        peer.pass(Duration::from_millis(10));
        peer.acknowledge();
        assert_eq!(peer.connection.take_event(), Some(Event::Connected));
        assert_eq!(peer.state(), State::Established);
        peer
    }

    /// Return a connection that has answered a SYN, and the answer.
    pub(crate) fn syn_received(config: &Config, options: Options) -> (Self, Sent) {
        let now = Time::ZERO + Duration::from_secs(100);
        let header = Header {
            source_port: PORTS.remote,
            destination_port: PORTS.local,
            seq: Seq(PEER_ISN),
            ack: Seq(0),
            flags: Flags::SYN,
            window: WINDOW,
            options,
        };
        let syn = Segment { header, payload: &[] };
        let mut connection = Connection::accept(config, &syn, ISN, now).expect("a SYN");
        connection.confirm(now);
        let (seq, ack) = (Seq(PEER_ISN) + 1, Seq(ISN) + 1);
        let mut peer = Self { connection, now, seq, ack, window: WINDOW, clock: None, echo: 0 };
        let mut sent = peer.take();
        assert_eq!(sent.len(), 1);
        (peer, sent.remove(0))
    }

    pub(crate) fn state(&self) -> State {
        self.connection.status().state
    }

    /// Return a header of the other side.
    pub(crate) fn header(&self, flags: Flags) -> Header {
        let timestamps = self.clock.map(|value| Timestamps { value, echo: self.echo });
        Header {
            source_port: PORTS.remote,
            destination_port: PORTS.local,
            seq: self.seq,
            ack: if flags.contains(Flags::ACK) { self.ack } else { Seq(0) },
            flags,
            window: self.window,
            options: Options { timestamps, ..Options::default() },
        }
    }

    /// Give the connection a segment as a batch, and return what it sends.
    pub(crate) fn give(&mut self, header: Header, payload: &[u8]) -> Vec<Sent> {
        self.give_all(&[(header, payload)])
    }

    /// Give the connection segments as one batch, and return what it sends.
    pub(crate) fn give_all(&mut self, segments: &[(Header, &[u8])]) -> Vec<Sent> {
        for &(header, payload) in segments {
            self.connection.receive(&Segment { header, payload }, self.now);
        }
        self.connection.end_batch(self.now);
        self.take()
    }

    /// Give the connection a segment in order, and count its bytes as sent.
    pub(crate) fn send(&mut self, flags: Flags, payload: &[u8]) -> Vec<Sent> {
        let header = self.header(flags);
        self.seq += payload.len() as u32 + u32::from(flags.contains(Flags::FIN));
        self.give(header, payload)
    }

    /// Acknowledge what the other side has.
    pub(crate) fn acknowledge(&mut self) -> Vec<Sent> {
        self.give(self.header(Flags::ACK), &[])
    }

    /// Acknowledge everything up to an offset of the connection's stream.
    pub(crate) fn acknowledge_to(&mut self, offset: u32) -> Vec<Sent> {
        self.ack = Seq(ISN) + 1 + offset;
        self.acknowledge()
    }

    /// Acknowledge with ranges of the connection's stream that were received out of order.
    pub(crate) fn acknowledge_with(&mut self, ranges: &[(u32, u32)]) -> Vec<Sent> {
        let mut header = self.header(Flags::ACK);
        header.options.sack = blocks(ranges);
        self.give(header, &[])
    }

    /// Take what the connection sends now. The other side notes the timestamp.
    pub(crate) fn take(&mut self) -> Vec<Sent> {
        let mut sent = Vec::new();
        self.connection.take_segments(1_000, self.now, &mut |header, (first, second)| {
            sent.push(Sent { header: *header, payload: [first, second].concat() });
        });
        if let Some(timestamps) = sent.last().and_then(|last| last.header.options.timestamps) {
            self.echo = timestamps.value;
        }
        sent
    }

    /// Let time pass, with everything that happens in it, and return what the connection sends.
    pub(crate) fn pass(&mut self, duration: Duration) -> Vec<Sent> {
        let end = self.now + duration;
        let mut sent = Vec::new();
        while let Some(deadline) = self.connection.next_deadline().filter(|deadline| *deadline <= end) {
            self.advance(deadline);
            self.connection.on_deadline(self.now);
            sent.append(&mut self.take());
        }
        self.advance(end);
        sent
    }

    fn advance(&mut self, to: Time) {
        let passed = to - self.now;
        self.clock = self.clock.map(|clock| clock.wrapping_add(passed.as_millis() as u32));
        self.now = self.now.max(to);
    }

    /// Write bytes and return what is sent within a second of nothing else happening.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Vec<Sent> {
        assert_eq!(self.connection.write(bytes), bytes.len());
        self.take()
    }

    /// Write zeros, and let pacing release them, which takes less than a round trip.
    pub(crate) fn write_paced(&mut self, bytes: usize) -> Vec<Sent> {
        let mut sent = self.write(&vec![0; bytes]);
        while sent.iter().map(|sent| sent.payload.len()).sum::<usize>() < bytes && self.now_is_paced() {
            sent.append(&mut self.pass(Duration::from_micros(500)));
        }
        sent
    }

    fn now_is_paced(&self) -> bool {
        let soon = self.now + Duration::from_millis(5);
        self.connection.next_deadline().is_some_and(|deadline| deadline <= soon)
    }

    /// Read everything that can be read.
    pub(crate) fn read(&mut self) -> Vec<u8> {
        let mut read = Vec::new();
        loop {
            let (first, second) = self.connection.readable();
            let len = first.len() + second.len();
            if len == 0 {
                return read;
            }
            read.extend_from_slice(first);
            read.extend_from_slice(second);
            self.connection.consume(len, self.now);
        }
    }

    /// Return everything that happened since the last call.
    pub(crate) fn events(&mut self) -> Vec<Event> {
        core::iter::from_fn(|| self.connection.take_event()).collect()
    }
}

/// Return the blocks of ranges of the connection's stream.
pub(crate) fn blocks(ranges: &[(u32, u32)]) -> SackBlocks {
    let mut blocks = SackBlocks::default();
    for (start, end) in ranges {
        blocks.push(SackBlock { start: Seq(ISN) + 1 + *start, end: Seq(ISN) + 1 + *end });
    }
    blocks
}

/// Return whether something was sent that is only an acknowledgement.
#[track_caller]
pub(crate) fn check_one_ack(sent: &[Sent], ack: Seq) {
    assert_eq!(sent.len(), 1, "{sent:?}");
    assert_eq!((sent[0].header.flags, sent[0].header.ack), (Flags::ACK, ack), "{sent:?}");
    assert!(sent[0].payload.is_empty(), "{sent:?}");
}
