//! The packet thread: every packet goes from one side to the other without blocking, locking or allocating.
//!
//! One iteration processes at most one batch from each side, so that neither starves the other. Then it sends the
//! protocol's own datagrams, checks the timers, and sleeps until there is something to do.

use std::io::ErrorKind;
use std::os::fd::OwnedFd;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use aead::Aead;
use proto::Interface;
use proto::change::InterfaceChange;
use proto::clock::Now;
use proto::status::{InterfaceStatus, OffloadOff};

use crate::clock::{self, SystemRandom};
use crate::control::{ControlError, Request};
use crate::events::{EndReason, Event, EventQueue};
use crate::host_routes::HostRoutes;
use crate::inbound::Inbound;
use crate::inner::{Inner, LinkState};
use crate::outbound::Outbound;
use crate::pmtu::prober::{PathMtuChange, Prober};
use crate::poller::{Poller, Source};
use crate::port::Port;
use crate::udp::{self, Family, Sockets};

/// Handshake messages processed in one iteration: a few milliseconds at most, between two batches of packets.
const HANDSHAKES_PER_ITERATION: usize = 8;
/// Source addresses checked against the host's routes in one iteration: each lookup takes a few microseconds.
const REVALIDATIONS_PER_ITERATION: usize = 64;
/// The minimum time between two invalidations of all source addresses.
const INVALIDATION_INTERVAL: Duration = Duration::from_secs(1);
/// How often the link state is polled: a TUN in another namespace reports no change of it.
const LINK_POLL_INTERVAL: Duration = Duration::from_secs(1);

/// The state of the packet thread.
pub(crate) struct Worker<I> {
    interface: Interface,
    inner: I,
    routes: HostRoutes,
    poller: Poller,
    requests: mpsc::Receiver<Request>,
    wakeup: Arc<OwnedFd>,
    events: Arc<EventQueue>,
    port: Port,
    /// Whether the failure to bind the port has been reported.
    port_refused: bool,
    up: bool,
    next_link_poll: Duration,
    /// Whether routes have changed since the source addresses were last invalidated.
    routes_changed: bool,
    next_invalidation: Duration,
    /// Disabled offloads that have been reported.
    reported_offloads_off: Vec<OffloadOff>,
    outbound: Outbound,
    inbound: Inbound,
    prober: Prober,
    /// Number of wiped keys at the last wipe of this stack.
    wiped_count: u64,
}

impl<I: Inner> Worker<I> {
    pub(crate) fn new(
        inner: I,
        aead: Aead,
        requests: mpsc::Receiver<Request>,
        wakeup: Arc<OwnedFd>,
        events: Arc<EventQueue>,
    ) -> std::io::Result<Self> {
        let routes = HostRoutes::open(inner.link_index())?;
        let poller = Poller::new()?;
        poller.add(Source::Inner, inner.fd())?;
        if let Some(watch) = routes.watch() {
            poller.add(Source::Network, watch)?;
        }
        poller.add(Source::Requests, &wakeup)?;
        let mut interface = Interface::new(Box::new(SystemRandom));
        interface.set_aead(aead);
        Ok(Self {
            interface,
            inner,
            routes,
            poller,
            requests,
            wakeup,
            events,
            port: Port::default(),
            port_refused: false,
            up: false,
            next_link_poll: Duration::ZERO,
            routes_changed: false,
            next_invalidation: Duration::ZERO,
            reported_offloads_off: Vec::new(),
            outbound: Outbound::new(),
            inbound: Inbound::new(),
            prober: Prober::new(),
            wiped_count: 0,
        })
    }

    /// Run until the device is closed or the link is deleted.
    pub(crate) fn run(mut self) -> EndReason {
        loop {
            let result = self.iterate();
            self.wipe_stack_after_key();
            match result {
                Ok(None) => {}
                Ok(Some(reason)) => return reason,
                Err(error) => return EndReason::Failed(error.to_string()),
            }
        }
    }

    /// Wipe the stack after a key has been dropped, so that no copy of it remains there.
    fn wipe_stack_after_key(&mut self) {
        let wiped_count = keymem::wiped_count();
        if wiped_count != self.wiped_count {
            self.wiped_count = wiped_count;
            keymem::wipe_stack();
        }
    }

    /// Not inlined, so that its frame lies below the one that wipes the stack.
    #[inline(never)]
    fn iterate(&mut self) -> std::io::Result<Option<EndReason>> {
        let ready = self.poller.wait(self.poll_timeout(clock::now().boot))?;
        let now = clock::now();
        for source in ready {
            match source {
                Source::Inner => self.inner_ready(now),
                Source::V4 => self.receive_datagrams(Family::V4, now)?,
                Source::V6 => self.receive_datagrams(Family::V6, now)?,
                Source::Network => self.read_network_changes(),
                Source::Requests => {
                    if self.answer_request(now) {
                        return Ok(Some(EndReason::Closed));
                    }
                }
            }
        }
        if now.boot >= self.next_link_poll && self.poll_link(now) == LinkState::Gone {
            return Ok(Some(EndReason::LinkDeleted));
        }
        self.interface.on_deadline(now);
        self.interface.process_handshakes(HANDSHAKES_PER_ITERATION, now);
        self.revalidate_sources(now);
        if self.inner.next_deadline().is_some_and(|deadline| deadline <= now.boot) {
            self.inner.on_deadline(now);
        }
        self.send_packets(now);
        self.probe_paths(now);
        self.dispatch(now);
        Ok(None)
    }

    /// Return how long to sleep when nothing becomes ready.
    fn poll_timeout(&self, boot: Duration) -> Duration {
        if self.interface.has_pending_handshakes() || self.interface.has_invalidated_sources() {
            return Duration::ZERO;
        }
        let deadlines = [
            self.interface.next_deadline(),
            self.inner.next_deadline(),
            self.prober.next_deadline(),
            Some(self.next_link_poll),
        ];
        deadlines.into_iter().flatten().min().unwrap_or_default().saturating_sub(boot)
    }

    /// Forward what the inner side has. A packet that arrives while the link was last seen down proves that it is up: a
    /// TUN in another namespace reports nothing else, and without sockets the packet would be lost.
    fn inner_ready(&mut self, now: Now) {
        if !self.up {
            self.poll_link(now);
        }
        self.inner.ready(now);
        self.send_packets(now);
    }

    /// Send the packets that the inner side has, at most one batch. Packets that waited for a session come first.
    fn send_packets(&mut self, now: Now) {
        self.dispatch(now);
        let Self { outbound, inner, interface, port, .. } = self;
        let mut turn = outbound.turn(interface, port.sockets(), now);
        let up = inner.take(&mut turn, now);
        turn.end();
        if !up {
            self.next_link_poll = Duration::ZERO;
        }
    }

    fn receive_datagrams(&mut self, family: Family, now: Now) -> std::io::Result<()> {
        let Self { port, inbound, interface, inner, prober, .. } = self;
        let socket = port.sockets().and_then(|sockets| sockets.of(family));
        socket.map_or(Ok(()), |socket| inbound.forward_batch(socket, interface, inner, prober, now))
    }

    /// Send the probes of paths that are due, and report what they have found.
    fn probe_paths(&mut self, now: Now) {
        if self.prober.next_deadline().is_none_or(|deadline| deadline > now.boot) {
            return;
        }
        self.prober.poll(&mut self.interface, self.port.sockets(), now);
        while let Some(PathMtuChange { peer, mtu }) = self.prober.take_change() {
            self.inner.on_path_mtu(peer, mtu);
            if let Some(peer) = self.interface.public_key(peer) {
                self.events.push(Event::PathMtuChanged { peer, mtu: mtu.map(|mtu| mtu as u16) });
            }
        }
    }

    /// Send the outgoing datagrams of the protocol and publish its events. Wait at most once for a full socket.
    fn dispatch(&mut self, now: Now) {
        let mut may_wait = true;
        while let Some(outgoing) = self.interface.take_outgoing() {
            let Some(sockets) = self.port.sockets() else { continue };
            let mut sent = sockets.send_one(outgoing.endpoint, &outgoing.datagram);
            if matches!(&sent, Err(error) if error.kind() == ErrorKind::WouldBlock) && std::mem::take(&mut may_wait) {
                sockets.wait_for_room(outgoing.endpoint);
                sent = sockets.send_one(outgoing.endpoint, &outgoing.datagram);
            }
            match (sent, outgoing.peer) {
                (Ok(udp::Source::Lost), Some(peer)) => self.interface.forget_source(peer),
                (Ok(_), _) => {}
                (Err(_), _) => self.outbound.refused += 1,
            }
        }
        while let Some(event) = self.interface.take_event() {
            self.prober.on_event(&event, &self.interface, now);
            self.events.push(event.into());
        }
    }

    /// Read netlink notifications: poll the link in this iteration, and note that source addresses may have lost their
    /// route. A link that went down ends all sessions, even if it is up again, as with the kernel's WireGuard.
    fn read_network_changes(&mut self) {
        let changes = self.routes.changes();
        if changes.went_down && self.up {
            self.go_down();
        }
        if changes.links {
            self.next_link_poll = Duration::ZERO;
        }
        self.routes_changed |= changes.addresses || changes.routes;
    }

    /// Check some of the invalidated source addresses against the host's routes. All are invalidated when routes have
    /// changed, at most once per [`INVALIDATION_INTERVAL`].
    fn revalidate_sources(&mut self, now: Now) {
        if self.routes_changed && now.boot >= self.next_invalidation {
            self.routes_changed = false;
            self.next_invalidation = now.boot + INVALIDATION_INTERVAL;
            self.interface.invalidate_sources();
        }
        let (routes, fwmark) = (&mut self.routes, self.port.fwmark());
        self.interface
            .revalidate_sources(REVALIDATIONS_PER_ITERATION, |endpoint| routes.keeps_source(endpoint, fwmark));
    }

    fn poll_link(&mut self, now: Now) -> LinkState {
        self.next_link_poll = now.boot + LINK_POLL_INTERVAL;
        let state = self.inner.state();
        if let Some(mtu) = self.inner.mtu()
            && mtu != self.interface.mtu()
        {
            self.interface.set_mtu(mtu);
            self.prober.touch_all(&self.interface);
        }
        match state {
            LinkState::Up => self.go_up(now),
            LinkState::Down | LinkState::Gone if self.up => self.go_down(),
            LinkState::Down | LinkState::Gone => {}
        }
        if self.routes.rewatch(self.up)
            && let Some(watch) = self.routes.watch()
            && self.poller.add(Source::Network, watch).is_ok()
        {
            self.routes_changed = true;
        }
        self.outbound.outbox.expire_limits();
        self.report_offloads();
        state
    }

    fn go_up(&mut self, now: Now) {
        if !std::mem::replace(&mut self.up, true) {
            self.events.push(Event::LinkUp);
        }
        if self.port.sockets().is_some() {
            return;
        }
        match self.port.open(&self.poller) {
            Ok(()) => self.use_sockets(now),
            Err(error) if !std::mem::replace(&mut self.port_refused, true) => {
                self.events.push(Event::PortBindFailed { port: self.port.number(), reason: error.to_string() });
            }
            Err(_) => {}
        }
    }

    fn go_down(&mut self) {
        self.up = false;
        self.port_refused = false;
        self.port.close(&self.poller);
        self.interface.set_down();
        self.prober.stop_all(&self.interface);
        self.events.push(Event::LinkDown);
    }

    /// Use new sockets.
    fn use_sockets(&mut self, now: Now) {
        self.port_refused = false;
        if let Some(sockets) = self.port.sockets() {
            self.outbound.outbox.set_segmentation(sockets.offloads().send.clone());
            self.events.push(Event::PortBound { port: sockets.port() });
            self.interface.set_up(now);
        }
    }

    /// Answer one request, so that many of them do not delay packets. Return true for a request to close.
    fn answer_request(&mut self, now: Now) -> bool {
        let _ = rustix::io::read(&self.wakeup, &mut [0u8; 8]);
        let Ok(request) = self.requests.try_recv() else { return false };
        match request {
            Request::Apply(change, answer) => {
                let _ = answer.send(self.apply(&change, now));
            }
            Request::Status(answer) => {
                let _ = answer.send(Box::new(self.status(now)));
            }
            Request::Close => return true,
        }
        // There may be more requests; if not, the next iteration finds none.
        let _ = rustix::io::write(&self.wakeup, &1u64.to_ne_bytes());
        false
    }

    fn apply(&mut self, change: &InterfaceChange, now: Now) -> Result<(), ControlError> {
        if self.port.differs(change) {
            let before = self.port.sockets().map(Sockets::port);
            self.port.change(change, self.up, &self.poller)?;
            self.interface.forget_sources();
            if self.port.sockets().map(Sockets::port) != before {
                self.use_sockets(now);
            }
        }
        self.interface.apply(change, now);
        while let Some(membership) = self.interface.take_membership() {
            self.prober.on_membership(&membership);
            self.inner.on_membership(membership);
        }
        self.prober.apply(change, &self.interface);
        Ok(())
    }

    fn status(&self, now: Now) -> InterfaceStatus {
        let mut status = self.interface.status();
        self.prober.add_to_status(&mut status, &self.interface, now);
        status.listen_port = self.port.number();
        status.fwmark = self.port.fwmark();
        status.drops.send_refused = self.outbound.refused;
        status.drops.tun_refused = self.inner.refused();
        status.offloads_off = self.offloads_off();
        status
    }

    /// Return the disabled offloads and the reasons.
    fn offloads_off(&self) -> Vec<OffloadOff> {
        let send = self.outbound.outbox.segmentation();
        let receive = self.port.sockets().map_or(&Ok(()), |sockets| &sockets.offloads().receive);
        let outer = [("udp_segment", &send), ("udp_gro", receive)]
            .into_iter()
            .filter_map(|(name, state)| Some(OffloadOff { name: name.into(), reason: state.as_ref().err()?.clone() }));
        self.inner.offloads_off().into_iter().chain(outer).collect()
    }

    /// Report every offload that was disabled since the last call.
    fn report_offloads(&mut self) {
        let off = self.offloads_off();
        for offload in off.iter().filter(|offload| !self.reported_offloads_off.contains(offload)) {
            self.events.push(Event::OffloadDisabled { name: offload.name.clone(), reason: offload.reason.clone() });
        }
        self.reported_offloads_off = off;
    }
}
