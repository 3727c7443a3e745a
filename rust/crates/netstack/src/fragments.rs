//! Fragments: reassembly of those of the inner side (RFC 791, RFC 8200 section 4.5), and splitting of long packets.
//!
//! Bounds: 64 datagrams, 1 MiB, 30 seconds. At a bound the oldest datagram of the peer that holds most is dropped. An
//! overlap drops the whole datagram and what comes of it later (RFC 5722); an exact repetition is ignored.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::ops::Range;
use std::time::Duration;

use crate::packet::{self, Fragment, MORE_FRAGMENTS, Packet, put_short, short};

/// Datagrams that wait for fragments.
const MAX_DATAGRAMS: usize = 64;
/// Memory of the fragments of all datagrams.
const MAX_BYTES: usize = 1 << 20;
/// How long a datagram waits for all of its fragments.
const TIMEOUT: Duration = Duration::from_secs(30);
/// Size of the extension header of a fragment in IPv6, and the unit of offsets.
const FRAGMENT_BYTES: usize = 8;
/// The protocol number of that header.
const FRAGMENT: u8 = 44;

/// The identity of a datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Key<P> {
    peer: P,
    source: IpAddr,
    destination: IpAddr,
    /// The protocol; 0 for IPv6, where only the first fragment's counts.
    protocol: u8,
    id: u32,
}

/// A datagram of which not all is here.
#[derive(Debug)]
struct Datagram {
    since: Duration,
    /// The payload as far as it came; what did not is zero.
    payload: Vec<u8>,
    /// The parts of the payload that came, in order, none next to another.
    ranges: Vec<Range<usize>>,
    /// The length of the payload, known from the last fragment.
    length: Option<usize>,
    /// The first fragment as it came, empty before.
    first: Vec<u8>,
    /// Whether its fragments contradicted one another, so that all of them are dropped.
    is_abandoned: bool,
}

/// What came of a fragment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Others are missing.
    Incomplete,
    /// It was the last one missing: the packet as it was before it was fragmented.
    Complete(Vec<u8>),
    /// It contradicts another one; the datagram is dropped.
    Dropped,
}

/// The datagrams of all peers that wait for fragments.
#[derive(Debug)]
pub struct Reassembly<P> {
    datagrams: HashMap<Key<P>, Datagram>,
    bytes: usize,
}

impl<P> Default for Reassembly<P> {
    fn default() -> Self {
        Self { datagrams: HashMap::new(), bytes: 0 }
    }
}

impl<P: Copy + Eq + Hash> Reassembly<P> {
    /// Add a fragment of a peer. A packet that is not a fragment is complete as it is.
    pub fn receive(&mut self, peer: P, packet: &Packet<'_>, now: Duration) -> Outcome {
        let Some(fragment) = packet.fragment else { return Outcome::Complete(packet.octets.to_vec()) };
        let protocol = if packet.source.is_ipv4() { packet.protocol } else { 0 };
        let Packet { source, destination, .. } = *packet;
        let key = Key { peer, source, destination, protocol, id: fragment.id };
        // One that is late does not meet the rest, even if the deadline was not yet served.
        if self.datagrams.get(&key).is_some_and(|datagram| datagram.since + TIMEOUT <= now) {
            self.drop_datagram(key);
        }
        if !self.datagrams.contains_key(&key) && self.datagrams.len() >= MAX_DATAGRAMS {
            self.evict(|_| 1);
        }
        let datagram = self.datagrams.entry(key).or_insert_with(|| Datagram::new(now));
        let before = datagram.bytes();
        let fits = datagram.add(packet, fragment);
        if !fits {
            datagram.abandon();
        }
        self.bytes = self.bytes + datagram.bytes() - before;
        if !fits || datagram.is_abandoned {
            return Outcome::Dropped;
        }
        if datagram.is_complete() {
            let whole = datagram.join();
            self.drop_datagram(key);
            return whole.map_or(Outcome::Dropped, Outcome::Complete);
        }
        while self.bytes > MAX_BYTES {
            self.evict(Datagram::bytes);
        }
        Outcome::Incomplete
    }

    /// Return when the oldest datagram is to be dropped.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Duration> {
        self.datagrams.values().map(|datagram| datagram.since + TIMEOUT).min()
    }

    /// Drop the datagrams whose time is over, and return the first fragment of each that came, with its peer: its
    /// sender is told (RFC 792, RFC 8200).
    pub fn on_deadline(&mut self, now: Duration) -> Vec<(P, Vec<u8>)> {
        let is_late = |datagram: &Datagram| datagram.since + TIMEOUT <= now;
        let late: Vec<_> =
            self.datagrams.iter().filter(|(_, datagram)| is_late(datagram)).map(|(key, _)| *key).collect();
        let firsts = late.into_iter().filter_map(|key| Some((key.peer, self.drop_datagram(key)?.first)));
        firsts.filter(|(_, first)| !first.is_empty()).collect()
    }

    /// Drop the datagrams of a peer that was removed.
    pub fn remove(&mut self, peer: P) {
        let keys: Vec<_> = self.datagrams.keys().filter(|key| key.peer == peer).copied().collect();
        for key in keys {
            self.drop_datagram(key);
        }
    }

    fn drop_datagram(&mut self, key: Key<P>) -> Option<Datagram> {
        let datagram = self.datagrams.remove(&key)?;
        self.bytes -= datagram.bytes();
        Some(datagram)
    }

    /// Drop the oldest datagram of the peer whose datagrams weigh most.
    fn evict(&mut self, weight: impl Fn(&Datagram) -> usize) {
        let mut held: HashMap<P, usize> = HashMap::new();
        for (key, datagram) in &self.datagrams {
            *held.entry(key.peer).or_default() += weight(datagram);
        }
        let rank = |(key, datagram): &(&Key<P>, &Datagram)| (held.get(&key.peer).copied(), Reverse(datagram.since));
        if let Some(key) = self.datagrams.iter().max_by_key(rank).map(|(key, _)| *key) {
            self.drop_datagram(key);
        }
    }
}

impl Datagram {
    fn new(since: Duration) -> Self {
        let (payload, ranges, first) = (Vec::new(), Vec::new(), Vec::new());
        Self { since, payload, ranges, length: None, first, is_abandoned: false }
    }

    fn bytes(&self) -> usize {
        self.payload.len() + self.first.len() + self.ranges.len() * size_of::<Range<usize>>()
    }

    /// Add a fragment; false if it contradicts what came before.
    fn add(&mut self, packet: &Packet<'_>, fragment: Fragment) -> bool {
        let content = packet.payload();
        let (start, end) = (fragment.offset, fragment.offset + content.len());
        let is_behind_end = self.length.is_some_and(|length| end > length || !fragment.more && end < length);
        let is_before_others = !fragment.more && self.payload.len() > end;
        if self.is_abandoned || is_behind_end || is_before_others {
            return false;
        }
        let at = self.ranges.partition_point(|range| range.end <= start);
        if let Some(range) = self.ranges.get(at).filter(|range| range.start < end) {
            // Networks repeat packets (RFC 8200, section 4.5), which is no overlap.
            return range.start <= start && end <= range.end && self.payload[start..end] == *content;
        }
        if !fragment.more {
            self.length = Some(end);
        }
        if start == 0 {
            self.first = packet.octets.to_vec();
        }
        if self.payload.len() < end {
            self.payload.resize(end, 0);
        }
        self.payload[start..end].copy_from_slice(content);
        self.ranges.insert(at, start..end);
        self.join_next(at);
        if at > 0 {
            self.join_next(at - 1);
        }
        true
    }

    /// Join a range with the one behind it if they touch.
    fn join_next(&mut self, at: usize) {
        if let Some(next) = self.ranges.get(at + 1).filter(|next| next.start == self.ranges[at].end) {
            self.ranges[at].end = next.end;
            self.ranges.remove(at + 1);
        }
    }

    fn abandon(&mut self) {
        *self = Self { is_abandoned: true, ..Self::new(self.since) };
    }

    fn is_complete(&self) -> bool {
        self.length.is_some_and(|length| self.ranges == [Range { start: 0, end: length }])
    }

    /// Return the packet as it was before it was fragmented; `None` if it would be longer than a packet can be.
    fn join(&self) -> Option<Vec<u8>> {
        let first = packet::parse(&self.first).ok()?;
        let mut whole = first.header().to_vec();
        // The length in the header of IPv6 leaves that header out (RFC 8200, section 3).
        let uncounted = if first.source.is_ipv6() { packet::IPV6_BYTES } else { 0 };
        if first.source.is_ipv4() {
            let place = short(&whole, 6) & !MORE_FRAGMENTS;
            put_short(&mut whole, 6, place);
        } else {
            whole[first.protocol_at()] = first.protocol;
        }
        if whole.len() - uncounted + self.payload.len() > usize::from(u16::MAX) {
            return None;
        }
        packet::seal(&mut whole, self.payload.len());
        whole.extend_from_slice(&self.payload);
        Some(whole)
    }
}

/// Split a packet into fragments of at most `mtu` bytes, and pass each to `emit`; a shorter packet is passed as it is.
///
/// A packet of IPv4 that is itself a fragment keeps its identity; another one gets `id`. The caller has answered a
/// packet of IPv4 with DF, and one of IPv6 that another host sent, with "too big" before. False, with nothing passed,
/// if there is no room for any payload, or for a fragment of IPv6.
#[must_use]
pub fn split(packet: &Packet<'_>, mtu: usize, id: u32, mut emit: impl FnMut(&[u8])) -> bool {
    if packet.octets.len() <= mtu {
        emit(packet.octets);
        return true;
    }
    let is_v6 = packet.source.is_ipv6();
    let header_bytes = packet.header().len() + if is_v6 { FRAGMENT_BYTES } else { 0 };
    let room = mtu.saturating_sub(header_bytes) / FRAGMENT_BYTES * FRAGMENT_BYTES;
    if room == 0 || is_v6 && packet.fragment.is_some() {
        return false;
    }
    let whole = packet.fragment.unwrap_or(Fragment { id, offset: 0, more: false });
    let count = packet.payload().len().div_ceil(room);
    let mut out = Vec::with_capacity(header_bytes + room);
    for (number, part) in packet.payload().chunks(room).enumerate() {
        let more = whole.more || number + 1 < count;
        let fragment = Fragment { id: whole.id, offset: whole.offset + number * room, more };
        out.clear();
        out.extend_from_slice(packet.header());
        if is_v6 {
            write_v6(packet, fragment, &mut out)
        } else {
            write_v4(fragment, &mut out)
        }
        packet::seal(&mut out, part.len());
        out.extend_from_slice(part);
        emit(&out);
    }
    true
}

/// Set the place of a fragment in an IPv4 header.
fn write_v4(fragment: Fragment, header: &mut [u8]) {
    let more = if fragment.more { MORE_FRAGMENTS } else { 0 };
    put_short(header, 4, fragment.id as u16);
    put_short(header, 6, (fragment.offset / FRAGMENT_BYTES) as u16 | more);
}

/// Append the header of a fragment to the headers of an IPv6 packet.
fn write_v6(packet: &Packet<'_>, fragment: Fragment, headers: &mut Vec<u8>) {
    headers[packet.protocol_at()] = FRAGMENT;
    headers.extend_from_slice(&[packet.protocol, 0]);
    headers.extend_from_slice(&(fragment.offset as u16 | u16::from(fragment.more)).to_be_bytes());
    headers.extend_from_slice(&fragment.id.to_be_bytes());
}

#[cfg(test)]
mod tests;
