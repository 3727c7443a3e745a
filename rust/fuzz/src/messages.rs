//! An attacker on the path reads, drops, changes, repeats and creates datagrams, while the hosts are reconfigured.

use std::net::SocketAddr;
use std::time::Duration;

use proto::change::{AllowedIpChange, InterfaceChange, PeerChange};
use proto::key::{PresharedKey, PublicKey};

use crate::forgery::add_mac1;
use crate::pair::{Pair, private_key};
use crate::script::Script;

/// Handshakes of a flood: more than the 512 that count as load.
const FLOOD: usize = 520;
/// The maximum cost of the steps of one run: about a tenth of a second.
const BUDGET: usize = 400;

/// A step. Four octets encode it: its kind, the host and the variant, and a number; some are followed by more octets.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Step {
    /// Deliver a datagram again; the number counts back from the last one, and selects where it is corrupted.
    Repeat,
    /// Deliver everything in flight.
    Carry,
    /// Drop everything in flight.
    Lose,
    /// Deliver old datagrams together, as if the kernel had coalesced them; the number is their length.
    Batch,
    /// Deliver a datagram of the octets that follow.
    Raw,
    /// Let time pass.
    Pass,
    /// Send a packet through the tunnel.
    Send,
    /// Change a host's configuration.
    Change,
    /// Set a host's link up or down.
    Link,
    /// Process some queued handshakes.
    Work,
    /// Queue more handshakes than can be processed.
    Flood,
    /// Set the wall clocks, also back.
    Clock,
}

impl Step {
    const ALL: [Self; 12] = [
        Self::Repeat,
        Self::Carry,
        Self::Lose,
        Self::Batch,
        Self::Raw,
        Self::Pass,
        Self::Send,
        Self::Change,
        Self::Link,
        Self::Work,
        Self::Flood,
        Self::Clock,
    ];

    fn cost(self) -> usize {
        if matches!(self, Self::Flood) { BUDGET / 2 } else { 1 }
    }

    /// Encode the step.
    pub(crate) fn encode(self, variant: u8, number: u16) -> [u8; 4] {
        let [low, high] = number.to_le_bytes();
        [self as u8, variant, low, high]
    }
}

/// Run with an AEAD path and the steps that `octets` encode, and then require that both hosts recover.
pub fn run(octets: &[u8]) {
    let mut script = Script(octets);
    let mut pair = Pair::new(script.octet());
    let mut spent = 0;
    while spent < BUDGET && !script.is_over() {
        let step = Step::ALL[usize::from(script.octet()) % Step::ALL.len()];
        let (variant, number) = (script.octet(), script.short());
        spent += step.cost();
        take(&mut pair, step, variant, number, &mut script);
    }
    pair.lose();
    pair.recover();
}

fn take(pair: &mut Pair, step: Step, variant: u8, number: u16, script: &mut Script<'_>) {
    let host = usize::from(variant & 1);
    match step {
        Step::Repeat => repeat(pair, variant, number, script),
        Step::Carry => pair.carry(),
        Step::Lose => pair.lose(),
        Step::Batch => batch(pair, variant, number),
        Step::Raw => pair.deliver(host, stranger(variant), script.take(number.into()).to_vec()),
        // Milliseconds or seconds: all timers are between 5 s and the 18 hours of the longest keepalive.
        Step::Pass if host == 0 => pair.pass(Duration::from_millis(number.into())),
        Step::Pass => pair.pass(Duration::from_secs(number.into())),
        Step::Send => {
            pair.send(host, usize::from(number) % 3000, usize::from(variant >> 1 & 1));
        }
        Step::Change => pair.apply(host, &change(pair, host, variant >> 1, number)),
        Step::Link => pair.set_up(host, variant & 2 == 0),
        Step::Work => pair.work(host, number.into()),
        Step::Flood => flood(pair, host, variant, number),
        Step::Clock => pair.unix = Duration::from_secs(1_700_000_000 + u64::from(number) * 3600),
    }
}

fn stranger(variant: u8) -> SocketAddr {
    match variant >> 1 & 3 {
        0 => SocketAddr::from(([198, 51, 100, variant], 1)),
        1 => SocketAddr::from(([0x2001, 0xdb8, 0, 0, 0, 0, 0, variant.into()], 0)),
        2 => SocketAddr::from(([192, 0, 2, 1], 51820)),
        _ => SocketAddr::from(([192, 0, 2, 2], 51820)),
    }
}

/// Deliver an old datagram again: unchanged or changed, to its receiver or back, from its sender or another address.
fn repeat(pair: &mut Pair, variant: u8, number: u16, script: &mut Script<'_>) {
    let count = pair.sent.len();
    let old = &pair.sent[count - 1 - usize::from(number & 0xff) % count];
    let (by, mut octets) = (old.by, old.octets.clone());
    let to = if variant & 0x40 == 0 { 1 - by } else { by };
    let from = if variant & 0x80 == 0 { pair.hosts[by].address } else { stranger(variant) };
    garble(&mut octets, variant, number >> 8, script);
    if variant & 0x20 != 0 {
        add_mac1(&private_key(to, 0).public_key(), &mut octets);
    }
    pair.deliver(to, from, octets);
}

/// Deliver the last datagrams of the link, each truncated or padded to one length: the kernel coalesces by addresses.
fn batch(pair: &mut Pair, variant: u8, number: u16) {
    let to = usize::from(variant & 1);
    let stride = 1 + usize::from(number) % 1600;
    let fitted =
        pair.sent.iter().rev().filter(|sent| sent.by != to).take(1 + usize::from(variant >> 3)).flat_map(|sent| {
            let mut octets = sent.octets.clone();
            octets.resize(stride, variant);
            octets
        });
    let mut batch: Vec<_> = fitted.collect();
    // The last one may be shorter.
    batch.truncate(batch.len().saturating_sub(usize::from(variant >> 1 & 3) * stride / 4));
    let from = pair.hosts[1 - to].address;
    pair.deliver_batch(to, from, batch, stride);
}

fn garble(octets: &mut Vec<u8>, variant: u8, place: u16, script: &mut Script<'_>) {
    let place = usize::from(place) % octets.len();
    match variant & 7 {
        0 | 1 => {}
        2 => octets[place] ^= script.octet(),
        3 => octets.truncate(place),
        4 => octets.extend(script.take(place)),
        5 => octets[0] = script.octet(),
        6 => octets[4..8].copy_from_slice(&[script.octet(), script.octet(), script.octet(), script.octet()]),
        _ => {
            let fresh = script.take(octets.len() - place);
            octets[place..place + fresh.len()].copy_from_slice(fresh);
        }
    }
}

fn change(pair: &Pair, host: usize, kind: u8, number: u16) -> InterfaceChange {
    let peer = pair.peer_of(host);
    let named = PeerChange::new(peer.public_key);
    let which = number as u8;
    let one = |peer| InterfaceChange { peers: vec![peer], ..InterfaceChange::default() };
    match kind % 11 {
        0 => one(peer),
        1 => one(PeerChange { remove: true, ..named }),
        2 => InterfaceChange { replace_peers: true, ..one(peer) },
        3 => InterfaceChange { private_key: Some(Some(private_key(host, which))), ..InterfaceChange::default() },
        4 => InterfaceChange { private_key: Some(None), ..InterfaceChange::default() },
        5 => one(PeerChange { preshared_key: Some(PresharedKey::from_bytes([which & 3; 32])), ..named }),
        6 => one(PeerChange { endpoint: Some(stranger(which)), ..named }),
        7 => one(PeerChange { persistent_keepalive_interval: Some(number), ..named }),
        8 => one(PeerChange { replace_allowed_ips: true, ..named }),
        9 => one(PeerChange { public_key: private_key(host, which).public_key(), ..peer }),
        // Uses the prefixes of the other host, with a key that nobody holds, or one of low order.
        _ => one(PeerChange {
            public_key: PublicKey::from_bytes([which & 1; 32]),
            allowed_ips: vec![AllowedIpChange::Add("10.0.0.0/8".parse().expect("a prefix"))],
            ..peer
        }),
    }
}

/// Queue second messages with a valid mac1 and no other valid field, from many addresses. They fill the queue like
/// first messages, and are cheaper to process.
fn flood(pair: &mut Pair, host: usize, variant: u8, number: u16) {
    let mut message = [variant; 92];
    message[..4].copy_from_slice(&[2, 0, 0, 0]);
    for place in 0..FLOOD {
        message[8..12].copy_from_slice(&(place as u32).to_le_bytes());
        add_mac1(&private_key(host, 0).public_key(), &mut message);
        let from = SocketAddr::from(([203, 0, 113, place as u8], number));
        pair.deliver(host, from, message.to_vec());
    }
}
