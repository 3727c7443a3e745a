//! The peers of an interface: who they are, what is kept of each, and how they are found.

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

/// Packets kept per peer while there is no session; the oldest goes first.
pub(crate) const STAGED_PACKETS: usize = 128;

/// All that is kept of one peer.
pub(crate) struct Peer {
    pub(crate) public_key: PublicKey,
    pub(crate) preshared_key: PresharedKey,
    pub(crate) endpoint: Option<Endpoint>,
    pub(crate) allowed_ips: List,
    /// When it was made, among all.
    pub(crate) order: u64,
    /// What our static keys agree on; computed when first needed, for most peers never.
    static_static: Option<Secret>,
    /// It stands in the queue of those to whom an initiation is to be sent.
    pub(crate) awaits_initiation: bool,
    /// Our initiation under way, and the index it carries.
    pub(crate) initiated: Option<Box<(u32, Initiated)>>,
    /// The timestamp of our last initiation, or the greatest that any peer was sent before this one was made.
    pub(crate) last_sent_timestamp: Timestamp,
    pub(crate) macs: Adder,
    /// The greatest timestamp it has sent us.
    pub(crate) last_timestamp: Timestamp,
    /// When its last initiation was taken.
    pub(crate) last_consumed: Option<Duration>,
    /// When the event of a move was last given.
    pub(crate) last_move_event: Option<Duration>,
    pub(crate) keypairs: Keypairs,
    pub(crate) timers: Timers,
    /// Deadline under which the peer stands in the schedule.
    pub(crate) scheduled: Option<Duration>,
    /// Packets that wait for a session, padded or not; an empty one is a keepalive.
    pub(crate) staged: VecDeque<Box<[u8]>>,
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
            last_handshake: Duration::ZERO,
            rx_bytes: 0,
            tx_bytes: 0,
        }
    }

    /// Keeps packets, at most [`STAGED_PACKETS`], until there is a session; older ones make room for all of remote at once.
    pub(crate) fn stage<'a>(&mut self, packets: impl ExactSizeIterator<Item = &'a [u8]>) {
        let excess = (self.staged.len() + packets.len()).saturating_sub(STAGED_PACKETS);
        self.staged.drain(..excess.min(self.staged.len()));
        self.staged.extend(packets.map(Box::from));
    }

    /// What our static keys agree on; `None` for a low-order point.
    pub(crate) fn static_static(&mut self, local: &Identity) -> Option<&Secret> {
        if self.static_static.is_none() {
            self.static_static = local.private.agree(&self.public_key);
        }
        self.static_static.as_ref()
    }

    /// Our static key is another now.
    pub(crate) fn forget_static_static(&mut self) {
        self.static_static = None;
    }
}

/// The table of peers, and of the indices that datagrams name them by.
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

    /// The peer and the index table beside it.
    pub(crate) fn with_indices(&mut self, id: PeerId) -> Option<(&mut Peer, &mut Indices)> {
        Some((self.slots.get_mut(id.0 as usize)?.as_deref_mut()?, &mut self.indices))
    }

    /// The peer of `key`, made if it is not there; its timestamps begin after `timestamp`.
    pub(crate) fn find_or_add(&mut self, key: PublicKey, timestamp: Timestamp) -> PeerId {
        if let Some(id) = self.find(&key) {
            return id;
        }
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

    /// Takes a peer out with its indices; its allowed IPs must be gone already.
    pub(crate) fn remove(&mut self, id: PeerId) {
        let Some(mut peer) = self.slots.get_mut(id.0 as usize).and_then(Option::take) else { return };
        self.indices.release_all(&mut peer);
        self.by_key.remove(&peer.public_key);
        self.free.push(id.0);
    }

    /// Every place where there may be a peer now.
    pub(crate) fn ids(&self) -> impl Iterator<Item = PeerId> + use<> {
        (0..self.slots.len() as u32).map(PeerId)
    }

    /// All peers, in the order in which they were made.
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

/// Which peer a datagram is for: random numbers that tell an onlooker nothing (section 5.4).
#[derive(Default)]
pub(crate) struct Indices {
    owners: HashMap<u32, PeerId, std::hash::BuildHasherDefault<Unhashed>>,
}

impl Indices {
    pub(crate) fn owner(&self, index: u32) -> Option<PeerId> {
        self.owners.get(&index).copied()
    }

    /// A new index for `peer`.
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

    /// Wipes the handshake of a peer that we began.
    pub(crate) fn release_initiated(&mut self, peer: &mut Peer) {
        if let Some(initiated) = peer.initiated.take() {
            self.release(initiated.0);
        }
    }

    /// Wipes the sessions and the handshake of a peer.
    pub(crate) fn release_all(&mut self, peer: &mut Peer) {
        self.release_initiated(peer);
        peer.keypairs.clear(&mut |index| self.release(index));
    }
}

/// Indices are random and ours, so they are their own hash.
#[derive(Default)]
pub(crate) struct Unhashed(u64);

impl std::hash::Hasher for Unhashed {
    fn write(&mut self, octets: &[u8]) {
        for octet in octets {
            self.0 = self.0 << 8 | u64::from(*octet);
        }
    }

    fn write_u32(&mut self, index: u32) {
        // hashbrown wants entropy at both ends: the top seven bits and the low ones.
        self.0 = u64::from(index) << 32 | u64::from(index);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
