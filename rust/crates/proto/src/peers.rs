//! The peers of an interface: their state and how they are looked up.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use crate::allowedips::{List, Lists};
use crate::clock::Random;
use crate::cookie::Adder;
use crate::endpoint::Endpoint;
use crate::hash::Secret;
use crate::key::{PresharedKey, PublicKey};
use crate::keypairs::Keypairs;
use crate::noise::{Identity, Initiated};
use crate::peerid::PeerId;
use crate::timers::Timers;
use crate::timestamp::Timestamp;

/// Packets staged per peer while there is no session; the oldest is dropped first.
pub(crate) const STAGED_PACKETS: usize = 128;

/// The state of one peer.
pub(crate) struct Peer {
    pub(crate) public_key: PublicKey,
    pub(crate) preshared_key: PresharedKey,
    pub(crate) endpoint: Option<Endpoint>,
    pub(crate) allowed_ips: List,
    /// Its position in the order of creation.
    pub(crate) order: u64,
    /// The result of X25519 of the static keys; computed when first needed, for most peers never.
    static_static: Option<Secret>,
    /// Whether it is queued for an initiation.
    pub(crate) awaits_initiation: bool,
    /// Our pending initiation, and its index.
    pub(crate) initiated: Option<Box<(u32, Initiated)>>,
    /// The timestamp of our last initiation, or the greatest that any peer was sent before this one was created.
    pub(crate) last_sent_timestamp: Timestamp,
    pub(crate) macs: Adder,
    /// The greatest timestamp received from it.
    pub(crate) last_timestamp: Timestamp,
    /// When its last initiation was accepted.
    pub(crate) last_consumed: Option<Duration>,
    /// When the last event of a move was reported.
    pub(crate) last_move_event: Option<Duration>,
    pub(crate) keypairs: Keypairs,
    pub(crate) timers: Timers,
    /// The deadline by which it is scheduled.
    pub(crate) scheduled: Option<Duration>,
    /// Packets that wait for a session, padded or not; an empty one is a keepalive.
    pub(crate) staged: VecDeque<Box<[u8]>>,
    /// The largest packet that reaches it in one datagram; the largest number while that is unknown.
    pub(crate) path_mtu: usize,
    pub(crate) last_handshake: Duration,
    pub(crate) rx_bytes: u64,
    pub(crate) tx_bytes: u64,
}

impl Peer {
    fn new(public_key: PublicKey, order: u64, last_sent_timestamp: Timestamp) -> Self {
        Self {
            public_key,
            preshared_key: PresharedKey::default(),
            endpoint: None,
            allowed_ips: List::default(),
            order,
            static_static: None,
            awaits_initiation: false,
            initiated: None,
            last_sent_timestamp,
            macs: Adder::new(&public_key),
            last_timestamp: Timestamp::default(),
            last_consumed: None,
            last_move_event: None,
            keypairs: Keypairs::default(),
            timers: Timers::default(),
            scheduled: None,
            staged: VecDeque::new(),
            path_mtu: usize::MAX,
            last_handshake: Duration::ZERO,
            rx_bytes: 0,
            tx_bytes: 0,
        }
    }

    /// Stage packets, at most [`STAGED_PACKETS`], until there is a session; older ones are dropped first, all at once.
    pub(crate) fn stage<'a>(&mut self, packets: impl ExactSizeIterator<Item = &'a [u8]>) {
        let excess = (self.staged.len() + packets.len()).saturating_sub(STAGED_PACKETS);
        self.staged.drain(..excess.min(self.staged.len()));
        self.staged.extend(packets.map(Box::from));
    }

    /// Return the result of X25519 of the static keys; `None` for a low-order point.
    pub(crate) fn static_static(&mut self, local: &Identity) -> Option<&Secret> {
        if self.static_static.is_none() {
            self.static_static = local.private.agree(&self.public_key);
        }
        self.static_static.as_ref()
    }

    /// Forget it after a change of our static key.
    pub(crate) fn forget_static_static(&mut self) {
        self.static_static = None;
    }
}

/// The table of peers, and of the indices by which datagrams refer to them.
#[derive(Default)]
pub(crate) struct Peers {
    slots: Vec<Option<Box<Peer>>>,
    free: Vec<u32>,
    by_key: HashMap<PublicKey, PeerId>,
    pub(crate) indices: Indices,
    made: u64,
}

impl Peers {
    pub(crate) fn find(&self, key: &PublicKey) -> Option<PeerId> {
        self.by_key.get(key).copied()
    }

    pub(crate) fn get(&self, id: PeerId) -> Option<&Peer> {
        self.slots.get(id.0 as usize)?.as_deref()
    }

    pub(crate) fn get_mut(&mut self, id: PeerId) -> Option<&mut Peer> {
        self.slots.get_mut(id.0 as usize)?.as_deref_mut()
    }

    /// Return a peer together with the index table.
    pub(crate) fn with_indices(&mut self, id: PeerId) -> Option<(&mut Peer, &mut Indices)> {
        Some((self.slots.get_mut(id.0 as usize)?.as_deref_mut()?, &mut self.indices))
    }

    /// Add the peer of `key`, which must be missing; its timestamps start after `timestamp`.
    pub(crate) fn add(&mut self, key: PublicKey, timestamp: Timestamp) -> PeerId {
        self.made += 1;
        let peer = Some(Box::new(Peer::new(key, self.made, timestamp)));
        let id = match self.free.pop() {
            Some(slot) => {
                self.slots[slot as usize] = peer;
                PeerId(slot)
            }
            None => {
                self.slots.push(peer);
                PeerId((self.slots.len() - 1) as u32)
            }
        };
        self.by_key.insert(key, id);
        id
    }

    /// Remove a peer with its indices; its allowed IPs must be removed before.
    pub(crate) fn remove(&mut self, id: PeerId) {
        let Some(mut peer) = self.slots.get_mut(id.0 as usize).and_then(Option::take) else { return };
        self.indices.release_all(&mut peer);
        self.by_key.remove(&peer.public_key);
        self.free.push(id.0);
    }

    /// Return every id that may be in use.
    pub(crate) fn ids(&self) -> impl Iterator<Item = PeerId> + use<> {
        (0..self.slots.len() as u32).map(PeerId)
    }

    /// Return all peers in the order of their creation.
    pub(crate) fn in_order(&self) -> Vec<&Peer> {
        let mut peers: Vec<&Peer> = self.slots.iter().filter_map(Option::as_deref).collect();
        peers.sort_by_key(|peer| peer.order);
        peers
    }
}

impl Lists for Peers {
    fn list(&mut self, id: PeerId) -> &mut List {
        match self.get_mut(id) {
            Some(peer) => &mut peer.allowed_ips,
            None => unreachable!("a prefix is owned by a peer of the table: it goes before its owner does"),
        }
    }
}

/// The peers by index: random numbers that reveal nothing to an observer (section 5.4).
#[derive(Default)]
pub(crate) struct Indices {
    owners: HashMap<u32, PeerId, std::hash::BuildHasherDefault<Unhashed>>,
}

impl Indices {
    pub(crate) fn owner(&self, index: u32) -> Option<PeerId> {
        self.owners.get(&index).copied()
    }

    /// Allocate an index for `peer`.
    pub(crate) fn claim(&mut self, peer: PeerId, random: &mut dyn Random) -> u32 {
        loop {
            let index = u32::from_ne_bytes(crate::clock::octets(random));
            if let std::collections::hash_map::Entry::Vacant(entry) = self.owners.entry(index) {
                entry.insert(peer);
                return index;
            }
        }
    }

    pub(crate) fn release(&mut self, index: u32) {
        self.owners.remove(&index);
    }

    /// Drop a peer's pending handshake that we started.
    pub(crate) fn release_initiated(&mut self, peer: &mut Peer) {
        if let Some(initiated) = peer.initiated.take() {
            self.release(initiated.0);
        }
    }

    /// Drop a peer's sessions and pending handshake.
    pub(crate) fn release_all(&mut self, peer: &mut Peer) {
        self.release_initiated(peer);
        peer.keypairs.clear(&mut |index| self.release(index));
    }
}

/// Indices are random and allocated here, so they need no hash function.
#[derive(Default)]
pub(crate) struct Unhashed(u64);

impl std::hash::Hasher for Unhashed {
    fn write(&mut self, octets: &[u8]) {
        for octet in octets {
            self.0 = self.0 << 8 | u64::from(*octet);
        }
    }

    fn write_u32(&mut self, index: u32) {
        // hashbrown needs entropy at both ends: the top seven bits and the low ones.
        self.0 = u64::from(index) << 32 | u64::from(index);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
