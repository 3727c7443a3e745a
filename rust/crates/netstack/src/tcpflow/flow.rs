//! One flow: a connection of the own TCP on the inner side, a stream on the host's, and what passes between them.

use std::io::IoSlice;
use std::net::SocketAddr;
use std::time::Duration;

use device::place::{Place, Route};
use proto::PeerId;
use tcp::{Addresses, Connection, Event, Time, segment};

use crate::dial::Failure;
use crate::packet::{Header, protocol};
use crate::packets::OVERHEAD;
use crate::pcapng::Direction;
use crate::shared::Shared;
use crate::slab::Id;
use crate::stream::{Read, Stream};
use crate::wheel::Timer;

/// Bytes that are read from the host side in one turn.
const READ_BYTES: usize = 256 << 10;
/// What a read counts at least: of octets behind the framing of a client nothing is passed on.
const MIN_READ_BYTES: usize = 1024;
/// Segments that are taken from a connection at once.
const SEGMENTS: usize = 16;
/// Space for a segment's headers: IPv6 and TCP with all options.
const HEADERS: usize = 40 + 60;
/// The headers of a segment: IP and TCP without options.
const HEADERS_V4: u16 = 40;
const HEADERS_V6: u16 = 60;
/// The hops of a segment (IANA's recommended default).
const TTL: u8 = 64;

/// The identity of a flow: the peer, its address and port, and the address and port that it speaks to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    pub(crate) peer: PeerId,
    pub(crate) remote: SocketAddr,
    pub(crate) local: SocketAddr,
}

impl Key {
    /// Return the addresses of what is sent to the peer.
    pub(crate) fn outgoing(&self) -> Addresses {
        addresses(self.local, self.remote)
    }

    /// Return the greatest payload of a segment, without options, in packets of this size.
    pub(crate) fn mss(&self, mtu: u16) -> u16 {
        mtu.saturating_sub(if self.remote.is_ipv4() { HEADERS_V4 } else { HEADERS_V6 })
    }

    /// Return the IP header of what is sent to the peer.
    pub(crate) fn header(&self) -> Header {
        Header {
            source: self.local.ip(),
            destination: self.remote.ip(),
            protocol: protocol::TCP,
            ttl: TTL,
            tos: 0,
            dont_fragment: true,
        }
    }
}

/// Return two addresses of one family, as the own TCP takes them.
pub(crate) fn addresses(source: SocketAddr, destination: SocketAddr) -> Addresses {
    match (source, destination) {
        (SocketAddr::V4(source), SocketAddr::V4(destination)) => {
            Addresses::V4 { source: *source.ip(), destination: *destination.ip() }
        }
        (source, destination) => Addresses::V6 { source: v6(source), destination: v6(destination) },
    }
}

fn v6(address: SocketAddr) -> std::net::Ipv6Addr {
    match address {
        SocketAddr::V4(address) => address.ip().to_ipv6_mapped(),
        SocketAddr::V6(address) => *address.ip(),
    }
}

/// Who opened a flow, as long as it is being opened, and for whom it is.
#[derive(Debug)]
pub(crate) enum Origin {
    /// A peer, to the outside. While the outside is being dialled the SYN is kept, to be quoted in an error.
    Exit {
        /// The SYN with its IP header.
        syn: Box<[u8]>,
    },
    /// A stream that no policy judges any more: a forward, an accepted connection, or a dial that has succeeded.
    Stream,
    /// A peer, to a listener at this own port.
    Listener(u16),
    /// This side, as one attempt of a dial.
    Dial(Id),
}

/// What a turn of a flow has come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It goes on.
    Open,
    /// The inner side has just been connected.
    Connected,
    /// The inner side could not be connected.
    Failed(Failure),
    /// Both sides have ended, and nothing is left to be sent.
    Ended,
}

/// A flow.
pub(crate) struct Flow {
    pub(crate) key: Key,
    pub(crate) connection: Connection,
    /// `None` for an attempt of a dial that is not connected yet, and after the host side has ended.
    pub(crate) host: Option<Stream>,
    pub(crate) origin: Origin,
    /// The timer that is set, and its time, which may be earlier than needed.
    pub(crate) timer: Option<(Duration, Timer)>,
    /// Whether something arrived in this batch.
    pub(crate) is_touched: bool,
    /// Whether it waits for its turn to be sent.
    pub(crate) is_queued: bool,
    /// When the dial of the outside ends.
    pub(crate) connect_deadline: Option<Duration>,
    /// The memory of its buffers, as it stands in the budget.
    pub(crate) memory: usize,
    /// Whether it may use buffers of full size.
    pub(crate) may_grow: bool,
    /// Since when the window is closed, because the host side does not take what is there.
    pub(crate) stalled_since: Option<Duration>,
    /// The other direction was closed: nothing more comes from the host side.
    host_ended: bool,
    peer_closed: bool,
    /// Whether the peer's end was passed on to the host side.
    shut_down: bool,
}

impl Flow {
    pub(crate) fn new(key: Key, connection: Connection, host: Option<Stream>, origin: Origin) -> Self {
        Self {
            key,
            connection,
            host,
            origin,
            timer: None,
            is_touched: false,
            is_queued: false,
            connect_deadline: None,
            memory: 0,
            may_grow: true,
            stalled_since: None,
            host_ended: false,
            peer_closed: false,
            shut_down: false,
        }
    }

    /// Return whether the outside is being dialled.
    pub(crate) fn is_dialling(&self) -> bool {
        self.host.as_ref().is_some_and(Stream::is_connecting)
    }

    /// Pass what is there from one side to the other, and note what happened. With `may_read` unset nothing is read from
    /// the host side.
    pub(crate) fn pass(&mut self, may_read: bool, now: Time) -> Outcome {
        let mut outcome = Outcome::Open;
        while let Some(event) = self.connection.take_event() {
            match event {
                Event::Connected => outcome = Outcome::Connected,
                Event::PeerClosed => self.peer_closed = true,
                Event::Reset(reason) => {
                    let failure =
                        if reason == tcp::status::Reset::Refused { Failure::Refused } else { Failure::Unreachable };
                    outcome = self.fail(failure);
                }
                Event::TimedOut => outcome = self.fail(Failure::TimedOut),
                Event::Readable | Event::Writable | Event::Closed => {}
            }
        }
        if !self.is_dialling() {
            self.pass_out(now);
            if may_read {
                self.pass_in();
            }
        }
        self.close_host();
        if matches!(outcome, Outcome::Open) && self.has_ended() { Outcome::Ended } else { outcome }
    }

    /// End the host side by a reset. An attempt of a dial has failed by it.
    fn fail(&mut self, failure: Failure) -> Outcome {
        if let Some(host) = self.host.take() {
            // What the peer sent before its reset is passed on as far as it goes at once.
            host.reset();
        }
        if matches!(self.origin, Origin::Dial(_)) { Outcome::Failed(failure) } else { Outcome::Open }
    }

    /// Pass bytes from the peer to the host side, and the end of them.
    fn pass_out(&mut self, now: Time) {
        let Some(host) = &mut self.host else { return };
        loop {
            let (first, second) = self.connection.readable();
            if first.is_empty() {
                break;
            }
            match host.write(&[IoSlice::new(first), IoSlice::new(second)]) {
                Ok(0) => return,
                Ok(count) => self.connection.consume(count, now),
                Err(_) => return self.break_off(),
            }
        }
        if self.peer_closed && !self.shut_down {
            self.shut_down = true;
            host.shut_down();
        }
    }

    /// Pass bytes from the host side to the peer, and the end of them.
    fn pass_in(&mut self) {
        let Some(host) = &mut self.host else { return };
        let mut left = READ_BYTES;
        while left > 0 && host.is_readable() && !self.host_ended {
            let (first, second) = self.connection.write_space();
            if first.is_empty() {
                return;
            }
            match host.read((first, second)) {
                Read::Bytes(count) => {
                    self.connection.commit_write(count);
                    left = left.saturating_sub(count.max(MIN_READ_BYTES));
                }
                Read::Wait => {
                    // Gives back the space.
                    self.connection.commit_write(0);
                    return;
                }
                Read::End => {
                    self.host_ended = true;
                    self.connection.shutdown();
                }
                Read::Broken => return self.break_off(),
            }
        }
    }

    /// Reset the peer's side because the host side is broken.
    pub(crate) fn break_off(&mut self) {
        self.host = None;
        self.connection.abort();
    }

    /// Reset both sides.
    pub(crate) fn reset(&mut self) {
        if let Some(host) = self.host.take() {
            host.reset();
        }
        self.connection.abort();
    }

    /// Close the host side once both directions have ended.
    fn close_host(&mut self) {
        if self.shut_down && self.host_ended {
            self.host = None;
        }
    }

    /// Return whether the host side has more to be read in another turn.
    pub(crate) fn has_more(&self) -> bool {
        !self.host_ended && self.host.as_ref().is_some_and(Stream::is_readable) && self.connection.write_room() > 0
    }

    fn has_ended(&self) -> bool {
        self.connection.is_finished() && (self.host.is_none() || self.connection.readable().0.is_empty())
    }

    /// Put segments into `place`. Return false if it has no more room, so that there may be more.
    pub(crate) fn transmit(&mut self, route: Route, place: &mut impl Place, shared: &mut Shared) -> bool {
        let Self { connection, key, .. } = self;
        let (header, addresses) = (key.header(), key.outgoing());
        let room = SEGMENTS * (connection.mss() as usize + HEADERS + OVERHEAD);
        loop {
            if !place.has_room(room) {
                return false;
            }
            let mut count = 0;
            connection.take_segments(SEGMENTS, shared.time(), &mut |segment, payload| {
                count += 1;
                let octets = segment::size(segment, payload);
                let Some(packet) = place.room(route, header.bytes() + octets) else { return };
                let (head, body) = packet.split_at_mut(header.bytes());
                header.put(octets, head);
                let _ = segment::write(segment, payload, &addresses, body);
                shared.record(Direction::Outbound, packet);
            });
            if count < SEGMENTS {
                return true;
            }
        }
    }
}
