//! A peer that has its keys and follows no other rule: timestamps, counters and plaintexts come from the fuzzer.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use proto::Interface;
use proto::change::{AllowedIpChange, InterfaceChange, PeerChange};
use proto::clock::Now;
use proto::endpoint::Endpoint;
use proto::key::PrivateKey;

use crate::noise::{Initiator, Keys};
use crate::path::chosen;
use crate::random::Dice;
use crate::script::Script;

const OURS: [u8; 32] = [0x77; 32];
const THEIRS: [u8; 32] = [0x44; 32];
/// The addresses that the insider may use.
const V4: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
const V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 2);
/// Counters behind the greatest that are still accepted: 127 blocks of 64 (RFC 6479).
const WINDOW: u64 = 127 * 64;
/// Counters from here on are never accepted (section 6.1).
const REJECT: u64 = u64::MAX - (1 << 13);
/// The most data messages in one batch: two batches of the AEAD and some.
const BATCH: u64 = 40;
/// A session accepts nothing at this age (section 6.1).
const LIFE: Duration = Duration::from_secs(180);
const STEPS: usize = 100;
/// Handshakes of one run, which cost the most.
const HANDSHAKES: u32 = 4;

struct Attack {
    host: Interface,
    boot: Duration,
    /// The greatest accepted timestamp, and when.
    taken: ([u8; 12], Duration),
    session: Option<Session>,
    handshakes: u32,
    /// The last endpoint of the insider.
    place: Option<SocketAddr>,
}

struct Session {
    keys: Keys,
    born: Duration,
    seen: BTreeSet<u64>,
}

/// Run with an AEAD path and the steps that `octets` encode.
pub fn run(octets: &[u8]) {
    let mut script = Script(octets);
    let mut attack = Attack::new(script.octet());
    for _ in 0..STEPS {
        if script.is_over() {
            break;
        }
        match script.octet() % 4 {
            0 if attack.handshakes < HANDSHAKES => attack.shake_hands(&mut script),
            0..=2 => attack.send(&mut script),
            _ => attack.pass(Duration::from_millis(u64::from(script.short()) * 7)),
        }
        let endpoint = attack.host.status().peers[0].endpoint;
        assert_eq!(endpoint, attack.place, "moved by what is not authentic, or not moved by what is");
    }
}

impl Attack {
    fn new(path: u8) -> Self {
        let mut host = Interface::new(Box::new(Dice(1)));
        host.set_aead(chosen(path));
        let boot = Duration::from_secs(1000);
        let insider = PeerChange {
            allowed_ips: [IpAddr::V4(V4), IpAddr::V6(V6)].map(|ip| AllowedIpChange::Add(ip.into())).to_vec(),
            ..PeerChange::new(PrivateKey::from_bytes(THEIRS).public_key())
        };
        let private_key = Some(Some(PrivateKey::from_bytes(OURS)));
        let change = InterfaceChange { private_key, peers: vec![insider], ..InterfaceChange::default() };
        let now = Now { boot, unix: boot };
        host.apply(&change, now);
        host.set_mtu(1420);
        host.set_up(now);
        Self { host, boot, taken: ([0; 12], Duration::ZERO), session: None, handshakes: 0, place: None }
    }

    fn now(&self) -> Now {
        Now { boot: self.boot, unix: self.boot }
    }

    /// Return the packets that the host delivers of datagrams of one length, and its response.
    fn deliver(&mut self, from: SocketAddr, batch: &mut [u8], stride: usize) -> (Vec<Vec<u8>>, Vec<Vec<u8>>) {
        let now = self.now();
        let delivered = self.host.receive_batch(Endpoint::from(from), batch, stride, now).to_vec();
        self.host.process_handshakes(8, now);
        (delivered.into_iter().map(|delivered| batch[delivered.packet].to_vec()).collect(), self.answers())
    }

    fn answers(&mut self) -> Vec<Vec<u8>> {
        while self.host.take_event().is_some() {}
        std::iter::from_fn(|| self.host.take_outgoing()).map(|outgoing| outgoing.datagram).collect()
    }

    fn pass(&mut self, time: Duration) {
        self.boot += time;
        self.host.on_deadline(self.now());
        assert!(self.host.next_deadline().is_none_or(|next| next > self.boot), "a deadline without effect");
        self.answers();
    }

    /// Send a first message, with a timestamp in order or any.
    fn shake_hands(&mut self, script: &mut Script<'_>) {
        self.handshakes += 1;
        let variant = script.octet();
        let mut timestamp = [0; 12];
        timestamp[..8].copy_from_slice(&((1 << 62) + u64::from(self.handshakes)).to_be_bytes());
        if variant & 1 == 1 {
            let chosen = script.take(12);
            timestamp[..chosen.len()].copy_from_slice(chosen);
        }
        let mut ephemeral = [variant; 32];
        ephemeral[4..8].copy_from_slice(&self.handshakes.to_le_bytes());
        let responder = PrivateKey::from_bytes(OURS).public_key();
        let (initiator, mut message) =
            Initiator::start(THEIRS, &responder, ephemeral, timestamp, u32::from(variant) << 8);
        if variant & 2 == 2 {
            let at = usize::from(script.octet()) % message.len();
            message[at] ^= script.octet() | 1;
        }
        let sound = variant & 2 == 0;
        let fresh = timestamp > self.taken.0 && self.boot >= self.taken.1 + Duration::from_millis(20);
        let from = place(variant);
        let (packets, answers) = self.deliver(from, &mut message, 148);
        assert!(packets.is_empty());
        let response = answers.into_iter().find(|answer| answer.len() == 92);
        // The corrupted part may have been mac2, which is not required.
        assert!(response.is_some() == (fresh && sound) || !sound, "a first message wrongly taken or refused");
        let Some(response) = response else { return };
        assert!(fresh, "a timestamp was taken twice");
        (self.taken, self.place) = ((timestamp, self.boot), Some(from));
        let keys = initiator.finish(&response).expect("an answer that the initiator can read");
        self.session = Some(Session { keys, born: self.boot, seen: BTreeSet::new() });
    }

    /// Send data messages in one batch, one of them possibly corrupted; the first counter is near the greatest one,
    /// near the end, or any.
    fn send(&mut self, script: &mut Script<'_>) {
        let Some(session) = &mut self.session else { return };
        let (variant, offset) = (script.octet(), u64::from(script.short()));
        let (count, garbled) = (1 + u64::from(script.octet()) % BATCH, u64::from(script.octet()));
        let first = session.first_counter(variant, offset);
        let plaintext = plaintext(variant, script);
        let (mut batch, mut expected) = (Vec::new(), Vec::new());
        for counter in (0..count).filter_map(|number| first.checked_add(number)) {
            let mut datagram = session.keys.seal(counter, &plaintext);
            if counter - first == garbled {
                datagram[16 + usize::from(variant) % (plaintext.len() + 16)] ^= variant | 1;
            } else if session.takes(counter, self.boot) {
                self.place = Some(place(variant));
                expected.extend(inner(&plaintext));
            }
            batch.extend(datagram);
        }
        let (packets, _) = self.deliver(place(variant), &mut batch, plaintext.len() + 32);
        assert_eq!(packets, expected, "{count} from {first}");
    }
}

impl Session {
    fn first_counter(&self, variant: u8, offset: u64) -> u64 {
        let greatest = self.seen.last().copied();
        match variant & 3 {
            0 => greatest.map_or(0, |greatest| greatest.saturating_add(1)),
            1 => greatest.unwrap_or(0).saturating_sub(offset % 9000),
            2 => greatest.unwrap_or(0).saturating_add(offset),
            _ => u64::MAX - offset,
        }
    }

    /// Return whether an authentic message of this counter must be accepted; no other one is.
    fn takes(&mut self, counter: u64, boot: Duration) -> bool {
        let in_window = || self.seen.last().is_none_or(|greatest| counter + WINDOW >= *greatest);
        boot - self.born < LIFE && counter < REJECT && in_window() && self.seen.insert(counter)
    }
}

fn place(variant: u8) -> SocketAddr {
    SocketAddr::from(([198, 51, 100, variant >> 4], 51820))
}

/// Return any octets, or an IP packet from the insider's own address or another, of a correct length or not.
fn plaintext(variant: u8, script: &mut Script<'_>) -> Vec<u8> {
    let length = usize::from(script.octet()) * if variant & 4 == 0 { 1 } else { 10 };
    let mut packet = script.take(length).to_vec();
    packet.resize(length, variant);
    let (version, at, source): (u8, usize, &[u8]) = match variant & 24 {
        0 | 8 => return packet,
        16 => (0x45, 12, &V4.octets()),
        _ => (0x60, 8, &V6.octets()),
    };
    if let Some(first) = packet.first_mut() {
        *first = version;
    }
    if let Some(field) = packet.get_mut(at..at + source.len()) {
        field.copy_from_slice(source);
    }
    packet
}

/// Return the packet in a plaintext, if it is one from the insider's own addresses and not truncated (RFC 791, RFC
/// 8200).
fn inner(plaintext: &[u8]) -> Option<&[u8]> {
    let short = |at: usize| usize::from(plaintext[at]) << 8 | usize::from(plaintext[at + 1]);
    let (source, length) = match plaintext.len() {
        20.. if plaintext[0] >> 4 == 4 => (plaintext[12..16] == V4.octets(), short(2)),
        40.. if plaintext[0] >> 4 == 6 => (plaintext[8..24] == V6.octets(), short(4) + 40),
        _ => return None,
    };
    plaintext.get(..length).filter(|packet| source && packet.len() >= 20)
}
