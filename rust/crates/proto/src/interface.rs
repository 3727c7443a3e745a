//! A WireGuard interface as a sans-I/O state machine: datagrams, packets, changes and time go in, datagrams and events
//! come out.
//!
//! It implements all rules of the protocol and does no I/O. The caller moves the octets:
//!
//! | the caller has | it calls | and then |
//! |---|---|---|
//! | a packet from the TUN | [`Interface::route`], [`Interface::seal`] | sends the sealed datagrams |
//! | datagrams from the socket | [`Interface::receive_batch`] | writes the packets in them to the TUN |
//! | an iteration of its loop | [`Interface::process_handshakes`] | |
//! | an expired deadline | [`Interface::on_deadline`] | |
//! | applied a change | [`Interface::take_membership`] | learns which peers were added and removed |
//! | done any of these | [`Interface::take_outgoing`], [`Interface::take_event`] | asks [`Interface::next_deadline`] |

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::ops::Range;
use std::time::Duration;

use aead::Aead;

use crate::allowedips::AllowedIps;
use crate::change::{AllowedIpChange, InterfaceChange, PeerChange};
use crate::clock::{Now, Random};
use crate::cookie::Checker;
use crate::endpoint::Endpoint;
use crate::key::{PrivateKey, PublicKey};
use crate::load::Load;
use crate::noise::Identity;
use crate::peerid::{Membership, PeerId};
use crate::peers::{Peer, Peers};
use crate::schedule::Schedule;
use crate::status::{Drops, InterfaceStatus, PeerStatus};
use crate::timestamp::Timestamp;

/// A datagram produced by the protocol itself: a handshake, a keepalive, or a packet that had to wait for one.
#[derive(Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// The receiver; `None` for a cookie reply, whose receiver is not known.
    pub peer: Option<PeerId>,
    /// The destination.
    pub endpoint: Endpoint,
    /// The octets.
    pub datagram: Vec<u8>,
}

/// A packet that a peer has sent, authenticated, with a source among the allowed IPs of that peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivered {
    /// The sender.
    pub peer: PeerId,
    /// The position of the packet in the batch.
    pub packet: Range<usize>,
}

/// Why an address has no route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoRoute {
    /// No peer has it among its allowed IPs.
    NoPeer,
    /// The peer that has it has no endpoint.
    NoEndpoint,
}

/// An event of the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// A session is established, and the peer has proven that it holds the keys.
    HandshakeCompleted {
        /// The peer.
        peer: PublicKey,
    },
    /// No answer in 90 seconds of retries; staged packets are lost. The next packet starts a new attempt.
    HandshakeTimedOut {
        /// The peer.
        peer: PublicKey,
    },
    /// The peer has sent from a new address (section 2.1). Reported at most once a second; the status has the latest.
    EndpointChanged {
        /// The peer.
        peer: PublicKey,
        /// The former address, if it was known.
        from: Option<SocketAddr>,
        /// The new address.
        to: SocketAddr,
    },
}

/// One interface.
pub struct Interface {
    pub(crate) local: Option<(Identity, Checker)>,
    pub(crate) peers: Peers,
    pub(crate) allowed_ips: AllowedIps,
    pub(crate) load: Load,
    pub(crate) schedule: Schedule,
    /// Peers to which an initiation is to be sent.
    pub(crate) to_initiate: VecDeque<PeerId>,
    /// The greatest timestamp sent to any peer: a peer that is removed and added again gets greater ones.
    pub(crate) greatest_timestamp: Timestamp,
    /// Peers whose source address is to be validated again.
    pub(crate) invalidated: VecDeque<PeerId>,
    pub(crate) random: Box<dyn Random>,
    pub(crate) aead: Aead,
    pub(crate) outgoing: VecDeque<Outgoing>,
    pub(crate) events: VecDeque<Event>,
    /// Changes of the set of peers that were not taken yet.
    pub(crate) memberships: VecDeque<Membership>,
    pub(crate) drops: Drops,
    /// The packets of the last received batch; kept to reuse its memory.
    pub(crate) delivered: Vec<Delivered>,
    pub(crate) up: bool,
    pub(crate) mtu: usize,
}

impl Interface {
    /// Create an interface without key or peer, down.
    #[must_use]
    pub fn new(random: Box<dyn Random>) -> Self {
        Self {
            local: None,
            peers: Peers::default(),
            allowed_ips: AllowedIps::default(),
            load: Load::default(),
            schedule: Schedule::default(),
            to_initiate: VecDeque::new(),
            greatest_timestamp: Timestamp::default(),
            invalidated: VecDeque::new(),
            random,
            aead: Aead::fastest(),
            outgoing: VecDeque::new(),
            events: VecDeque::new(),
            memberships: VecDeque::new(),
            drops: Drops::default(),
            delivered: Vec::new(),
            up: false,
            mtu: 0,
        }
    }

    /// Set the AEAD implementation to use from now on; all give the same octets. The default is the fastest.
    pub fn set_aead(&mut self, aead: Aead) {
        self.aead = aead;
    }

    /// Apply a change, except `listen_port` and `fwmark`, which are the caller's. A peer with our own key is ignored.
    pub fn apply(&mut self, change: &InterfaceChange, now: Now) {
        if change.replace_peers {
            self.peers.ids().for_each(|id| self.remove_peer(id));
        }
        if let Some(key) = &change.private_key {
            self.set_private_key(key.clone());
        }
        for peer in &change.peers {
            self.apply_peer(peer, now);
        }
    }

    fn set_private_key(&mut self, key: Option<PrivateKey>) {
        if self.local.as_ref().map(|(local, _)| &local.private) == key.as_ref() {
            return;
        }
        self.local = key.map(|key| {
            let local = Identity::new(key);
            let checker = Checker::new(&local.public);
            (local, checker)
        });
        if let Some(own) = self.local.as_ref().and_then(|(local, _)| self.peers.find(&local.public)) {
            self.remove_peer(own);
        }
        for id in self.peers.ids() {
            let Some((peer, indices)) = self.peers.with_indices(id) else { continue };
            indices.release_initiated(peer);
            peer.forget_static_static();
            peer.keypairs.stop_sending();
            if self.local.is_none() {
                peer.staged.clear();
            }
            peer.timers.forget_last_initiation();
        }
    }

    fn apply_peer(&mut self, change: &PeerChange, now: Now) {
        let known = self.peers.find(&change.public_key);
        let own = self.local.as_ref().is_some_and(|(local, _)| local.public == change.public_key);
        let id = match known {
            Some(id) if change.remove => return self.remove_peer(id),
            Some(id) => id,
            None if change.remove || change.update_only || own => return,
            None => self.add_peer(change.public_key),
        };
        self.apply_allowed_ips(id, change);
        let Some(peer) = self.peers.get_mut(id) else { return };
        if let Some(key) = &change.preshared_key {
            peer.preshared_key = key.clone();
        }
        let was_silent = peer.timers.persistent_keepalive.is_zero() || peer.endpoint.is_none();
        if let Some(remote) = change.endpoint {
            peer.endpoint = Some(remote.into());
        }
        if let Some(seconds) = change.persistent_keepalive_interval {
            peer.timers.set_persistent_keepalive(Duration::from_secs(seconds.into()), now.boot);
        }
        let speaks = !peer.timers.persistent_keepalive.is_zero() && peer.endpoint.is_some();
        self.schedule.update(id, peer);
        if self.up && was_silent && speaks {
            self.keep_alive(id, now);
        } else if self.up {
            self.send_staged(id, now);
        }
    }

    fn apply_allowed_ips(&mut self, id: PeerId, change: &PeerChange) {
        if change.replace_allowed_ips {
            self.allowed_ips.remove_all(id, &mut self.peers);
        }
        for prefix in &change.allowed_ips {
            match *prefix {
                AllowedIpChange::Add(prefix) => self.allowed_ips.add(prefix, id, &mut self.peers),
                AllowedIpChange::Remove(prefix) => self.allowed_ips.remove(prefix, id, &mut self.peers),
            }
        }
    }

    fn add_peer(&mut self, public_key: PublicKey) -> PeerId {
        let peer = self.peers.add(public_key, self.greatest_timestamp);
        self.memberships.push_back(Membership::Added { peer, public_key });
        peer
    }

    fn remove_peer(&mut self, id: PeerId) {
        let Some(peer) = self.peers.get_mut(id) else { return };
        self.schedule.forget(id, peer);
        self.allowed_ips.remove_all(id, &mut self.peers);
        self.peers.remove(id);
        self.memberships.push_back(Membership::Removed { peer: id });
    }

    /// Set the interface up: send staged packets, and a keepalive to peers with a persistent keepalive.
    pub fn set_up(&mut self, now: Now) {
        self.up = true;
        for id in self.peers.ids() {
            let silent = |peer: &Peer| peer.staged.is_empty() && peer.timers.persistent_keepalive.is_zero();
            if !self.peers.get(id).is_none_or(silent) {
                self.keep_alive(id, now);
            }
        }
    }

    /// Set the interface down: drop sessions, handshakes and staged packets.
    pub fn set_down(&mut self) {
        self.up = false;
        self.load.clear();
        self.outgoing.clear();
        self.to_initiate.clear();
        for id in self.peers.ids() {
            let Some((peer, indices)) = self.peers.with_indices(id) else { continue };
            indices.release_all(peer);
            peer.timers.stop();
            peer.staged.clear();
            peer.awaits_initiation = false;
        }
    }

    /// Set the MTU of the link, in octets; it limits the padding.
    pub fn set_mtu(&mut self, mtu: usize) {
        self.mtu = mtu;
    }

    /// Return the current state; the caller fills in what its fields say.
    #[must_use]
    pub fn status(&self) -> InterfaceStatus {
        let peers = self.peers.in_order().into_iter().map(|peer| PeerStatus {
            public_key: peer.public_key,
            preshared_key: peer.preshared_key.clone(),
            endpoint: peer.endpoint.map(|endpoint| endpoint.remote),
            last_handshake: peer.last_handshake,
            rx_bytes: peer.rx_bytes,
            tx_bytes: peer.tx_bytes,
            persistent_keepalive_interval: peer.timers.persistent_keepalive.as_secs() as u16,
            allowed_ips: self.allowed_ips.prefixes(peer.allowed_ips).collect(),
            probe_address: None,
            path_mtu: None,
        });
        InterfaceStatus {
            private_key: self.local.as_ref().map(|(local, _)| local.private.clone()),
            listen_port: 0,
            fwmark: 0,
            probe_sources: Vec::new(),
            peers: peers.collect(),
            drops: self.drops,
            offloads_off: Vec::new(),
        }
    }

    /// Return the next outgoing datagram.
    pub fn take_outgoing(&mut self) -> Option<Outgoing> {
        self.outgoing.pop_front()
    }

    /// Return the next event.
    pub fn take_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Return the next change of the set of peers, in the order of their occurrence.
    pub fn take_membership(&mut self) -> Option<Membership> {
        self.memberships.pop_front()
    }

    /// Let routing select the source address of replies to `peer`, as after the former one was removed.
    pub fn forget_source(&mut self, peer: PeerId) {
        if let Some(endpoint) = self.peers.get_mut(peer).and_then(|peer| peer.endpoint.as_mut()) {
            endpoint.local = None;
        }
    }

    /// Let routing select the source address of replies to every peer, as after a change of port.
    pub fn forget_sources(&mut self) {
        self.peers.ids().for_each(|id| self.forget_source(id));
    }

    /// Mark every source address for validation, as after a change of routes.
    pub fn invalidate_sources(&mut self) {
        self.invalidated = self.peers.ids().collect();
    }

    /// Return whether a source address is to be validated.
    #[must_use]
    pub fn has_invalidated_sources(&self) -> bool {
        !self.invalidated.is_empty()
    }

    /// Validate at most `most` of the marked source addresses: forget those for which `keep` returns false.
    pub fn revalidate_sources(&mut self, most: usize, mut keep: impl FnMut(&Endpoint) -> bool) {
        let mut checked = 0;
        while checked < most
            && let Some(id) = self.invalidated.pop_front()
        {
            let endpoint = self.peers.get_mut(id).and_then(|peer| peer.endpoint.as_mut());
            if let Some(endpoint) = endpoint.filter(|endpoint| endpoint.local.is_some()) {
                checked += 1;
                if !keep(endpoint) {
                    endpoint.local = None;
                }
            }
        }
    }
}
