//! The searches of all peers of a device: it sends their probes and takes the replies out of what is received.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use proto::change::{InterfaceChange, PeerChange};
use proto::clock::{Now, Random};
use proto::message::{DATA_HEADER_BYTES, DATA_OVERHEAD_BYTES};
use proto::status::{InterfaceStatus, PathMtu, PathMtuUnknown};
use proto::{Interface, Membership, PeerId};

use super::echo::{self, Addresses, TOKEN_BYTES, Token};
use super::search::{Found, REPLY_TIMEOUT, SIZES, Search, TRIES};
use crate::clock::SystemRandom;
use crate::packet::headers::{IPV4_BYTES, IPV6_BYTES, UDP_BYTES};
use crate::udp::Sockets;

/// Peers whose probes are sent in one iteration: their AEAD and system calls take about 100 µs.
const PEERS_PER_ITERATION: usize = 16;
/// Probes of a peer whose replies are recognised: those of two sizes.
const REMEMBERED_PROBES: usize = 2 * TRIES as usize;
/// How long after a probe replies are looked for. Later ones reach the host, which drops them.
const LISTEN_TIME: Duration = Duration::from_secs(10 * REPLY_TIMEOUT.as_secs());

const _: () = assert!(echo::MAX_BYTES + outer_bytes(true) <= SIZES[0] as usize);

/// The probing of a device.
pub(crate) struct Prober {
    /// Our addresses inside the tunnel. Without any, nothing is probed.
    sources: Vec<IpAddr>,
    /// The peers that are probed, or have a configured address.
    paths: HashMap<PeerId, Path>,
    /// Peers by the time of their next probe.
    schedule: BTreeSet<(Duration, PeerId)>,
    /// Peers with news: they are looked at in the next iteration.
    touched: VecDeque<PeerId>,
    /// Changed path MTUs that were not taken yet.
    changes: VecDeque<PathMtuChange>,
    /// Until when replies may arrive.
    listen_until: Duration,
    datagram: Vec<u8>,
}

/// The change of the path MTU of a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PathMtuChange {
    pub(crate) peer: PeerId,
    /// `None` if it is unknown now.
    pub(crate) mtu: Option<usize>,
}

/// The path to one peer.
#[derive(Default)]
struct Path {
    search: Search,
    configured: Option<IpAddr>,
    addresses: Option<Addresses>,
    /// The end of the path that is searched.
    remote: Option<SocketAddr>,
    /// The MTU of the interface for which it is searched.
    interface_mtu: usize,
    scheduled: Option<Duration>,
    /// The octets that had been sent to the peer when it was last looked at.
    tx_bytes: u64,
    probes: VecDeque<(Token, u16)>,
    /// The path MTU that the interface and the inner side know.
    published: Option<usize>,
}

impl Prober {
    pub(crate) fn new() -> Self {
        Self {
            sources: Vec::new(),
            paths: HashMap::new(),
            schedule: BTreeSet::new(),
            touched: VecDeque::new(),
            changes: VecDeque::new(),
            listen_until: Duration::ZERO,
            datagram: Vec::new(),
        }
    }

    fn is_on(&self) -> bool {
        !self.sources.is_empty()
    }

    /// Follow a change, after `interface` has applied it.
    pub(crate) fn apply(&mut self, change: &InterfaceChange, interface: &Interface) {
        for peer in &change.peers {
            self.apply_peer(peer, interface);
        }
        if let Some(sources) = &change.probe_sources
            && *sources != self.sources
        {
            self.sources.clone_from(sources);
            self.touch_all(interface);
        }
    }

    fn apply_peer(&mut self, change: &PeerChange, interface: &Interface) {
        let Some(id) = interface.find(&change.public_key).filter(|_| !change.remove) else { return };
        if let Some(address) = change.probe_address {
            self.paths.entry(id).or_default().configured = address;
        }
        if self.is_on() {
            self.touched.push_back(id);
        }
    }

    pub(crate) fn on_membership(&mut self, membership: &Membership) {
        if let Membership::Removed { peer } = membership
            && let Some(path) = self.paths.remove(peer)
        {
            path.scheduled.map(|at| self.schedule.remove(&(at, *peer)));
        }
    }

    /// Follow an event of the protocol.
    pub(crate) fn on_event(&mut self, event: &proto::Event, interface: &Interface, now: Now) {
        let (proto::Event::HandshakeCompleted { peer: key }
        | proto::Event::HandshakeTimedOut { peer: key }
        | proto::Event::EndpointChanged { peer: key, .. }) = event;
        let Some(id) = interface.find(key).filter(|_| self.is_on()) else { return };
        let path = self.paths.entry(id).or_default();
        match event {
            proto::Event::HandshakeCompleted { .. } => path.search.on_session(now.boot),
            proto::Event::HandshakeTimedOut { .. } => path.search.stop(),
            // The new endpoint is seen when the peer is looked at.
            proto::Event::EndpointChanged { .. } => {}
        }
        self.touched.push_back(id);
    }

    /// End all searches, as when the link went down.
    pub(crate) fn stop_all(&mut self, interface: &Interface) {
        self.paths.values_mut().for_each(|path| path.search.stop());
        self.touch_all(interface);
    }

    /// Look at every peer, as after a change of the interface's MTU.
    pub(crate) fn touch_all(&mut self, interface: &Interface) {
        self.touched.clear();
        if self.is_on() {
            self.touched.extend(interface.peer_ids());
        } else {
            self.touched.extend(self.paths.keys());
        }
    }

    /// Return when [`Prober::poll`] has something to do.
    pub(crate) fn next_deadline(&self) -> Option<Duration> {
        if self.touched.is_empty() { self.schedule.first().map(|(at, _)| *at) } else { Some(Duration::ZERO) }
    }

    /// Send the probes that are due, for some peers at once.
    pub(crate) fn poll(&mut self, interface: &mut Interface, sockets: Option<&Sockets>, now: Now) {
        for _ in 0..PEERS_PER_ITERATION {
            let Some(id) = self.take_next(now.boot) else { return };
            self.look_at(id, interface, sockets, now);
        }
    }

    /// Return the next change of a path MTU.
    pub(crate) fn take_change(&mut self) -> Option<PathMtuChange> {
        self.changes.pop_front()
    }

    /// Return whether replies may arrive now.
    pub(crate) fn listens(&self, now: Now) -> bool {
        now.boot < self.listen_until
    }

    /// Return whether a packet is the reply to a probe, and note it.
    pub(crate) fn take_reply(&mut self, id: PeerId, packet: &[u8], now: Now) -> bool {
        let Some(token) = echo::parse_reply(packet) else { return false };
        let Some(path) = self.paths.get_mut(&id) else { return false };
        let Some((_, bytes)) = path.probes.iter().find(|(sent, _)| sent == token) else { return false };
        path.search.on_reply(*bytes, now.boot);
        self.touched.push_back(id);
        true
    }

    /// Fill in what the status of the device has of paths.
    pub(crate) fn add_to_status(&self, status: &mut InterfaceStatus, interface: &Interface, now: Now) {
        status.probe_sources.clone_from(&self.sources);
        for peer in &mut status.peers {
            let path = interface.find(&peer.public_key).and_then(|id| self.paths.get(&id));
            peer.probe_address = path.and_then(|path| path.configured);
            peer.path_mtu = self.is_on().then(|| path.map_or(NO_SESSION, |path| path.status(now.boot)));
        }
    }

    /// Take a peer that has news or whose probe is due.
    fn take_next(&mut self, now: Duration) -> Option<PeerId> {
        if let Some(id) = self.touched.pop_front() {
            return Some(id);
        }
        let (_, id) = self.schedule.first().filter(|(at, _)| *at <= now)?;
        Some(*id)
    }

    fn look_at(&mut self, id: PeerId, interface: &mut Interface, sockets: Option<&Sockets>, now: Now) {
        let Self { sources, paths, schedule, changes, listen_until, datagram, .. } = self;
        if interface.public_key(id).is_none() {
            return;
        }
        let path = paths.entry(id).or_default();
        let session = interface.has_session(id, now);
        path.follow(id, sources, interface, session, now);
        let in_use = session && path.is_in_use(id, interface);
        while let Some(bytes) = path.search.poll(in_use, now.boot) {
            match path.send(id, bytes, datagram, interface, sockets, now) {
                Sent::Passed => *listen_until = now.boot + LISTEN_TIME,
                Sent::TooLarge => path.search.on_refused(bytes, now.boot),
                Sent::NoSession => path.search.stop(),
            }
        }
        path.tx_bytes = interface.tx_bytes(id);
        path.reschedule(id, schedule);
        if path.publish() {
            interface.set_path_mtu(id, path.published);
            changes.push_back(PathMtuChange { peer: id, mtu: path.published });
        }
    }
}

/// What became of a probe.
enum Sent {
    /// It was sent, or lost in this host.
    Passed,
    /// This host's link does not take a packet of this size.
    TooLarge,
    NoSession,
}

const NO_SESSION: PathMtu = PathMtu::Unknown(PathMtuUnknown::NoSession);

impl Path {
    /// Begin the search if there is none, or again if it was of another path; end it if there is nothing to probe. What
    /// is known survives the end of a session, since an idle peer has none.
    fn follow(&mut self, id: PeerId, sources: &[IpAddr], interface: &Interface, session: bool, now: Now) {
        let addresses = if sources.is_empty() { None } else { self.select(id, sources, interface) };
        let path = (addresses, interface.endpoint(id).map(|endpoint| endpoint.remote), interface.mtu());
        let changed = path != (self.addresses, self.remote, self.interface_mtu);
        (self.addresses, self.remote, self.interface_mtu) = path;
        if changed || addresses.is_none() {
            self.search.stop();
        }
        if session && self.search.is_idle() && matches!(path, (Some(_), Some(_), 1..)) {
            self.search.start(self.interface_mtu + self.overhead(), now.boot);
        }
    }

    /// Return the addresses of probes: the configured destination, or the first single address of the peer that we
    /// have a source for. The peer must own it, or its replies would be dropped.
    fn select(&self, id: PeerId, sources: &[IpAddr], interface: &Interface) -> Option<Addresses> {
        let owned = |addresses: &Addresses| interface.owner(addresses.destination()) == Some(id);
        // The list of a peer may be long, so the former choice is kept while it is one.
        let former = self.addresses.filter(|_| self.configured.is_none());
        former
            .and_then(|former| Addresses::select(sources, former.destination()))
            .or_else(|| Addresses::select(sources, self.configured?))
            .filter(owned)
            .or_else(|| interface.host_addresses(id).find_map(|address| Addresses::select(sources, address)))
    }

    fn is_in_use(&self, id: PeerId, interface: &Interface) -> bool {
        // Less than one large packet may be keepalives and handshakes alone.
        interface.tx_bytes(id).saturating_sub(self.tx_bytes) >= SIZES[0].into()
    }

    fn send(
        &mut self,
        id: PeerId,
        bytes: u16,
        datagram: &mut Vec<u8>,
        interface: &mut Interface,
        sockets: Option<&Sockets>,
        now: Now,
    ) -> Sent {
        let (Some(addresses), Some(sockets)) = (&self.addresses, sockets) else { return Sent::NoSession };
        let mut token = [0; TOKEN_BYTES];
        SystemRandom.fill(&mut token);
        datagram.clear();
        datagram.resize(usize::from(bytes) - self.overhead() + DATA_OVERHEAD_BYTES, 0);
        echo::write_request(addresses, &token, &mut datagram[DATA_HEADER_BYTES..]);
        let Some(endpoint) = interface.seal_probe(id, datagram, now) else { return Sent::NoSession };
        self.probes.truncate(REMEMBERED_PROBES - 1);
        self.probes.push_front((token, bytes));
        if sockets.send_unfragmented(endpoint, datagram) { Sent::Passed } else { Sent::TooLarge }
    }

    /// Return the octets around a packet inside the tunnel.
    fn overhead(&self) -> usize {
        outer_bytes(self.remote.is_some_and(|remote| remote.is_ipv6()))
    }

    fn reschedule(&mut self, id: PeerId, schedule: &mut BTreeSet<(Duration, PeerId)>) {
        let next = self.search.next_deadline();
        if next != self.scheduled {
            self.scheduled.map(|at| schedule.remove(&(at, id)));
            schedule.extend(next.map(|at| (at, id)));
            self.scheduled = next;
        }
    }

    /// Take over what the search has found. Return whether the path MTU is another one.
    fn publish(&mut self) -> bool {
        let mtu = self.mtu();
        std::mem::replace(&mut self.published, mtu) != mtu
    }

    fn mtu(&self) -> Option<usize> {
        let Found::Size { bytes, .. } = self.search.found() else { return None };
        Some((usize::from(bytes) - self.overhead()).min(self.interface_mtu))
    }

    fn status(&self, now: Duration) -> PathMtu {
        let why = match (self.search.found(), self.published) {
            (Found::Size { since, .. }, Some(mtu)) => {
                return PathMtu::Probed { mtu: mtu as u16, age_seconds: now.saturating_sub(since).as_secs() };
            }
            (Found::NoAnswer, _) => PathMtuUnknown::NoAnswer,
            _ if !self.search.is_idle() => PathMtuUnknown::Searching,
            _ if self.addresses.is_none() => PathMtuUnknown::NoProbeAddress,
            _ => PathMtuUnknown::NoSession,
        };
        PathMtu::Unknown(why)
    }
}

/// Return the octets of the outer IP header, UDP, and WireGuard's header and tag.
const fn outer_bytes(v6: bool) -> usize {
    (if v6 { IPV6_BYTES } else { IPV4_BYTES }) + UDP_BYTES + DATA_OVERHEAD_BYTES
}
