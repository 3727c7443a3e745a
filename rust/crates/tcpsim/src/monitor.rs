//! Checks of what each side sends, as an observer on the wire can make them.

use tcp::segment::{self, Flags, Segment};
use tcp::{Addresses, Seq};

use crate::pattern;

/// What is known of a side.
#[derive(Debug, Clone)]
struct Side {
    /// The addresses of its packets.
    addresses: Addresses,
    /// The stream that it sends.
    stream: u8,
    /// Whether the rules count that every TCP should follow and some do not.
    is_strict: bool,
    /// Its first sequence number.
    isn: Option<Seq>,
    /// The greatest payload with options that it takes.
    mss: u16,
    shift: u8,
    offers_scale: bool,
    /// The sequence number after everything that it sent.
    sent: Seq,
    /// The sequence number of its FIN.
    fin: Option<Seq>,
    /// What it acknowledged.
    acknowledged: Option<Seq>,
    /// The right edge of the window that it offered.
    offered: Option<Seq>,
    /// The right edge that the other side offered and that arrived.
    permitted: Option<Seq>,
    segments: u64,
    resets: u64,
    payload_bytes: u64,
}

/// An observer of both directions.
#[derive(Debug, Clone)]
pub struct Monitor {
    sides: [Side; 2],
}

/// How many segments and bytes a side sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sent {
    /// Segments.
    pub segments: u64,
    /// Segments with RST.
    pub resets: u64,
    /// Bytes of payload, repeated ones included.
    pub payload_bytes: u64,
}

impl Monitor {
    /// Create an observer. Each side is given by the addresses of its packets, the stream that it sends, and whether
    /// it is held to the rules that some implementations do not follow.
    #[must_use]
    pub fn new(sides: [(Addresses, u8, bool); 2]) -> Self {
        let sides = sides.map(|(addresses, stream, is_strict)| Side {
            addresses,
            stream,
            is_strict,
            isn: None,
            mss: 536,
            shift: 0,
            offers_scale: false,
            sent: Seq(0),
            fin: None,
            acknowledged: None,
            offered: None,
            permitted: None,
            segments: 0,
            resets: 0,
            payload_bytes: 0,
        });
        Self { sides }
    }

    /// Return what a side sent so far.
    #[must_use]
    pub const fn sent(&self, side: usize) -> Sent {
        let Side { segments, resets, payload_bytes, .. } = self.sides[side];
        Sent { segments, resets, payload_bytes }
    }

    /// Check a packet that a side sends.
    ///
    /// # Panics
    /// It violates a rule.
    #[expect(clippy::panic, reason = "the judgement of a test")]
    pub fn on_sent(&mut self, side: usize, packet: &[u8]) {
        let parsed = segment::parse(packet, &self.sides[side].addresses);
        let Ok(segment) = parsed else { panic!("side {side} sends what is no segment: {parsed:?}") };
        self.sides[side].segments += 1;
        self.sides[side].payload_bytes += segment.payload.len() as u64;
        if segment.header.flags.contains(Flags::RST) {
            self.sides[side].resets += 1;
            return;
        }
        if let Err(rule) = self.check(side, &segment) {
            panic!("side {side}: {rule}: {:?} with {} bytes; {:?}", segment.header, segment.payload.len(), self.sides);
        }
    }

    /// Note a packet that arrives at a side.
    pub fn on_received(&mut self, side: usize, packet: &[u8]) {
        let other = &self.sides[1 - side];
        let Ok(segment) = segment::parse(packet, &other.addresses) else { return };
        if !segment.header.flags.contains(Flags::ACK) || segment.header.flags.contains(Flags::RST) {
            return;
        }
        let edge = self.edge_of(1 - side, &segment);
        let side = &mut self.sides[side];
        side.permitted = Some(side.permitted.map_or(edge, |permitted| permitted.max(edge)));
    }

    fn edge_of(&self, side: usize, segment: &Segment<'_>) -> Seq {
        let is_scaled = self.sides.iter().all(|side| side.offers_scale) && !segment.header.flags.contains(Flags::SYN);
        let shift = if is_scaled { self.sides[side].shift } else { 0 };
        segment.header.ack + (u32::from(segment.header.window) << shift)
    }

    fn check(&mut self, side: usize, segment: &Segment<'_>) -> Result<(), &'static str> {
        let flags = segment.header.flags;
        if flags.contains(Flags::SYN) {
            self.check_syn(side, segment)?;
        } else {
            self.check_data(side, segment)?;
        }
        if flags.contains(Flags::ACK) { self.check_ack(side, segment) } else { Ok(()) }
    }

    fn check_syn(&mut self, number: usize, segment: &Segment<'_>) -> Result<(), &'static str> {
        let side = &mut self.sides[number];
        let header = &segment.header;
        if side.isn.is_some_and(|isn| isn != header.seq) {
            return Err("a SYN with another sequence number");
        }
        if !segment.payload.is_empty() {
            return Err("a SYN with data");
        }
        if side.isn.is_none() {
            side.sent = header.seq + 1;
        }
        side.isn = Some(header.seq);
        side.mss = header.options.mss.unwrap_or(536);
        side.offers_scale = header.options.window_scale.is_some();
        side.shift = header.options.window_scale.unwrap_or(0);
        if side.shift > 14 { Err("a shift of more than 14 (RFC 7323, section 2.3)") } else { Ok(()) }
    }

    fn check_data(&mut self, number: usize, segment: &Segment<'_>) -> Result<(), &'static str> {
        let peer_mss = usize::from(self.sides[1 - number].mss.max(536));
        let side = &mut self.sides[number];
        let Some(isn) = side.isn else { return Err("a segment before the SYN") };
        let (seq, payload) = (segment.header.seq, segment.payload);
        let end = seq + payload.len() as u32;
        if payload.len() + segment.header.options.encoded_len() > peer_mss {
            return Err("more than the MSS with options (RFC 6691)");
        }
        if payload.len() > 1 && side.permitted.is_none_or(|permitted| end.after(permitted)) {
            return Err("data beyond the window (RFC 9293, section 3.8.6)");
        }
        // A keepalive may have an old sequence number.
        let first = isn + 1;
        if seq.at_or_after(first) && pattern::first_difference(side.stream, u64::from(seq - first), payload).is_some() {
            return Err("bytes that are not those of the stream");
        }
        if segment.header.flags.contains(Flags::FIN) {
            if side.fin.is_some_and(|fin| fin != end) || side.sent.after(end + 1) {
                return Err("a FIN at another place");
            }
            side.fin = Some(end);
        }
        let end = end + u32::from(segment.header.flags.contains(Flags::FIN));
        if side.fin.is_some_and(|fin| end.after(fin + 1)) {
            return Err("data after the FIN");
        }
        if seq.after(side.sent) {
            return Err("a sequence number was left out");
        }
        side.sent = side.sent.max(end);
        Ok(())
    }

    fn check_ack(&mut self, number: usize, segment: &Segment<'_>) -> Result<(), &'static str> {
        let edge = self.edge_of(number, segment);
        let (peer_isn, peer_sent) = (self.sides[1 - number].isn, self.sides[1 - number].sent);
        let side = &mut self.sides[number];
        let ack = segment.header.ack;
        if peer_isn.is_none_or(|isn| ack.at_or_before(isn)) || ack.after(peer_sent) {
            return Err("an acknowledgement of what was not sent");
        }
        if side.acknowledged.is_some_and(|acknowledged| ack.before(acknowledged)) {
            return Err("an acknowledgement that goes back");
        }
        side.acknowledged = Some(ack);
        if side.is_strict && side.offered.is_some_and(|offered| edge.before(offered)) {
            return Err("a right edge that moves to the left (RFC 9293, section 3.8.6)");
        }
        side.offered = Some(side.offered.map_or(edge, |offered| offered.max(edge)));
        for block in segment.header.options.sack.as_slice() {
            if !block.start.before(block.end) || block.end.after(peer_sent) {
                return Err("a SACK block of what was not sent");
            }
        }
        Ok(())
    }
}
