//! Opening: SYN and SYN-ACK, and what both sides agree on.

use super::{Agreed, Connection, Handshake, Lifetime};
use crate::acks::Acks;
use crate::challenge::FlowLimit;
use crate::config::Config;
use crate::events::Events;
use crate::growth::Growth;
use crate::options::Options;
use crate::pool::BLOCK;
use crate::receive::{Receiver, shift_for};
use crate::rtt::{INITIAL_RTO, backed_off};
use crate::segment::{Flags, Ports, Segment};
use crate::send::{Negotiated, Sender};
use crate::seq::Seq;
use crate::status::{Event, State};
use crate::time::Time;
use crate::timestamps::Recent;

/// The size of the timestamps option in each segment, with its padding.
const TIMESTAMPS_LEN: u16 = 12;

impl Connection {
    /// Start a connection: its SYN is to be taken. `isn` is from [`Generator`](crate::isn::Generator).
    #[must_use]
    pub fn connect(config: &Config, ports: Ports, isn: u32, now: Time) -> Self {
        let mut connection = Self::new(config, ports, Seq(isn), State::SynSent, now);
        connection.handshake.is_due = true;
        connection
    }

    /// Answer a SYN. The SYN-ACK is to be taken after [`confirm`](Self::confirm), and an RST after
    /// [`refuse`](Self::refuse). `None` if the segment is no SYN of a new connection.
    #[must_use]
    pub fn accept(config: &Config, syn: &Segment<'_>, isn: u32, now: Time) -> Option<Self> {
        let header = &syn.header;
        if !header.flags.contains(Flags::SYN) || header.flags.intersects(Flags::ACK | Flags::RST | Flags::FIN) {
            return None;
        }
        let ports = Ports { local: header.destination_port, remote: header.source_port };
        let mut connection = Self::new(config, ports, Seq(isn), State::SynReceived, now);
        connection.handshake.is_held = true;
        connection.agree(header.seq, &header.options, now);
        Some(connection)
    }

    /// Let the SYN-ACK be sent.
    pub fn confirm(&mut self, now: Time) {
        if self.handshake.is_held {
            (self.handshake.is_held, self.handshake.is_due) = (false, true);
            self.lifetime.progress = now;
        }
    }

    fn new(config: &Config, ports: Ports, isn: Seq, state: State, now: Time) -> Self {
        let config = config.clone();
        let growth = || Growth::new(config.initial_buffer, config.max_buffer, now);
        let negotiated = Negotiated { mss: u32::from(config.mss), sack: false };
        Self {
            ports,
            state,
            handshake: Handshake { isn, is_held: false, is_due: false, deadline: None, attempts: 0, sent_at: now },
            agreed: Agreed { mss: config.mss, ..Agreed::default() },
            receiver: Receiver::new(config.pool.clone(), growth(), Seq(0), 0, config.mss),
            sender: Sender::new(config.pool.clone(), growth(), isn + 1, negotiated, config.algorithm, now),
            recent: None,
            last_ack_sent: Seq(0),
            acks: Acks::new(),
            challenge_limit: FlowLimit::default(),
            owes_challenge: false,
            reset: None,
            events: Events::default(),
            lifetime: Lifetime { heard: now, progress: now, time_wait: now, probes: 0, owes_probe: false },
            config,
        }
    }

    /// Take the sequence number and the options of the other side's SYN (RFC 7323, sections 2.2 and 3.2; RFC 2018,
    /// section 2).
    pub(super) fn agree(&mut self, seq: Seq, options: &Options, now: Time) {
        self.agreed = Agreed {
            mss: options.mss.unwrap_or(0).max(self.config.min_mss),
            window_shift: options.window_scale,
            timestamps: self.config.timestamps && options.timestamps.is_some(),
            sack: self.config.sack && options.sack_permitted,
        };
        if self.agreed.timestamps {
            self.recent = options.timestamps.map(|timestamps| Recent::new(timestamps.value, now));
        }
        let max = self.config.max_buffer.min(self.max_window());
        let growth = Growth::new(self.config.initial_buffer, max, now);
        let shift = self.receive_shift();
        self.receiver = Receiver::new(self.config.pool.clone(), growth, seq + 1, shift, self.config.mss);
        self.last_ack_sent = seq + 1;
    }

    /// Return the shift of the own windows.
    pub(super) fn receive_shift(&self) -> u8 {
        self.agreed.window_shift.map_or(0, |_| shift_for(self.config.max_buffer))
    }

    /// Return the greatest window that the field can express.
    pub(super) fn max_window(&self) -> usize {
        usize::from(u16::MAX) << self.receive_shift()
    }

    /// Return the greatest payload of a segment: the lesser of both MSS, without the options (RFC 6691).
    pub(super) fn segment_size(&self) -> u32 {
        let options = if self.agreed.timestamps { TIMESTAMPS_LEN } else { 0 };
        let payload = self.agreed.mss.min(self.config.mss).saturating_sub(options).max(1);
        u32::from(payload).min(BLOCK as u32)
    }

    /// Begin to pass data: the SYN of this side is acknowledged.
    pub(super) fn establish(&mut self, now: Time) {
        let negotiated = Negotiated { mss: self.segment_size(), sack: self.agreed.sack };
        let rtt = (self.handshake.attempts <= 1).then(|| now - self.handshake.sent_at);
        self.sender.establish(negotiated, rtt, now);
        self.handshake.deadline = None;
        self.handshake.is_due = false;
        self.state = State::Established;
        self.lifetime.progress = now;
        self.events.add(Event::Connected);
    }

    /// Send the SYN or SYN-ACK again if its time has come (RFC 6298, section 5.4).
    pub(super) fn on_handshake_deadline(&mut self, now: Time) {
        if self.handshake.deadline.take_if(|deadline| *deadline <= now).is_some() {
            self.handshake.is_due = true;
        }
    }

    /// Record that the SYN or SYN-ACK is sent now.
    pub(super) fn on_syn_sent(&mut self, now: Time) {
        let handshake = &mut self.handshake;
        handshake.deadline = Some(now + backed_off(INITIAL_RTO, handshake.attempts));
        handshake.attempts += 1;
        (handshake.is_due, handshake.sent_at) = (false, now);
    }

    /// Return the options of the own SYN, or of the SYN-ACK: there only those that the other side offered.
    pub(super) fn syn_options(&self) -> Options {
        let offers = self.state == State::SynSent;
        let scales = offers || self.agreed.window_shift.is_some();
        Options {
            mss: Some(self.config.mss),
            window_scale: scales.then(|| shift_for(self.config.max_buffer)),
            sack_permitted: if offers { self.config.sack } else { self.agreed.sack },
            ..Options::default()
        }
    }
}
