//! What a caller needs who probes the path to a peer: its addresses, and a packet that is sealed at once or not at all.

use std::net::IpAddr;

use crate::clock::Now;
use crate::endpoint::Endpoint;
use crate::interface::Interface;
use crate::key::PublicKey;
use crate::peerid::PeerId;
use crate::session::padded;

impl Interface {
    /// Return the peer of a key.
    #[must_use]
    pub fn find(&self, key: &PublicKey) -> Option<PeerId> {
        self.peers.find(key)
    }

    /// Return all peers.
    pub fn peer_ids(&self) -> impl Iterator<Item = PeerId> + '_ {
        self.peers.ids().filter(|id| self.peers.get(*id).is_some())
    }

    /// Return the key of a peer.
    #[must_use]
    pub fn public_key(&self, peer: PeerId) -> Option<PublicKey> {
        self.peers.get(peer).map(|peer| peer.public_key)
    }

    /// Return the endpoint of a peer, if it has one.
    #[must_use]
    pub fn endpoint(&self, peer: PeerId) -> Option<Endpoint> {
        self.peers.get(peer)?.endpoint
    }

    /// Return the octets that were sent to a peer, as its status has them.
    #[must_use]
    pub fn tx_bytes(&self, peer: PeerId) -> u64 {
        self.peers.get(peer).map_or(0, |peer| peer.tx_bytes)
    }

    /// Return the peer that has an address among its allowed IPs.
    #[must_use]
    pub fn owner(&self, address: IpAddr) -> Option<PeerId> {
        self.allowed_ips.lookup(address)
    }

    /// Return the allowed IPs of a peer that are single addresses.
    pub fn host_addresses(&self, peer: PeerId) -> impl Iterator<Item = IpAddr> + '_ {
        let list = self.peers.get(peer).map(|peer| peer.allowed_ips).unwrap_or_default();
        let hosts = |prefix: &ipnet::IpNet| prefix.prefix_len() == prefix.max_prefix_len();
        self.allowed_ips.prefixes(list).filter(hosts).map(|prefix| prefix.addr())
    }

    /// Return whether packets for a peer can be sealed now.
    #[must_use]
    pub fn has_session(&self, peer: PeerId, now: Now) -> bool {
        let current = self.peers.get(peer).and_then(|peer| peer.keypairs.current());
        self.up && current.is_some_and(|session| session.may_send(1, now.boot))
    }

    /// Return the MTU of the link, 0 while it is unknown.
    #[must_use]
    pub fn mtu(&self) -> usize {
        self.mtu
    }

    /// Set the size of the largest packet that reaches a peer in one datagram, which limits the padding too; `None` for
    /// an unknown one.
    pub fn set_path_mtu(&mut self, peer: PeerId, mtu: Option<usize>) {
        if let Some(peer) = self.peers.get_mut(peer) {
            peer.path_mtu = mtu.unwrap_or(usize::MAX);
        }
    }

    /// Seal one datagram in place, as [`Interface::seal`] does, and return where to send it; `None` if there is no
    /// session now. No timer counts it, since it may be lost for its size alone: it is no reason to expect an answer,
    /// nor a sign of life for the peer.
    pub fn seal_probe(&mut self, peer: PeerId, datagram: &mut [u8], now: Now) -> Option<Endpoint> {
        let peer = self.peers.get_mut(peer).filter(|_| self.up)?;
        let endpoint = peer.endpoint?;
        let stride = datagram.len();
        peer.keypairs.sending(1, now.boot)?.seal_batch(self.aead, datagram, stride);
        peer.tx_bytes += stride as u64;
        Some(endpoint)
    }

    /// Return the size of a packet for a peer with its padding.
    pub(crate) fn padded(&self, peer: PeerId, packet_bytes: usize) -> usize {
        let path_mtu = self.peers.get(peer).map_or(usize::MAX, |peer| peer.path_mtu);
        padded(packet_bytes, self.mtu.min(path_mtu))
    }
}
