//! The packet thread: every packet runs from one descriptor to the other without a stop, a lock or an allocation.
//!
//! A turn takes at most one batch from each side, so that neither starves the other; then the machine's own datagrams
//! go out, its timers are asked, and the thread sleeps until there is something to do.

use std::os::fd::OwnedFd;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use proto::Interface;
use proto::change::InterfaceChange;
use proto::clock::Now;
use proto::status::{InterfaceStatus, OffloadOff};

use crate::clock::{self, SystemRandom};
use crate::control::ControlError;
use crate::device::Request;
use crate::events::{EndReason, Event, EventQueue};
use crate::inbound::Inbound;
use crate::link::Link;
use crate::outbound::Outbound;
use crate::poller::{Poller, Source};
use crate::tun::{Offloads, Tun, TunState};
use crate::udp::{self, BindError, Family, Sockets};

/// Handshake messages worked off in one turn: some milliseconds at the most, between two batches of packets.
const HANDSHAKES_A_TURN: usize = 8;
/// How often the link is looked at, as a TUN in another namespace sends no word of going up or down.
const LOOK_AT_LINK: Duration = Duration::from_secs(1);

/// The state of the packet thread.
pub(crate) struct Worker {
    interface: Interface,
    link: Link,
    poller: Poller,
    requests: mpsc::Receiver<Request>,
    bell: Arc<OwnedFd>,
    events: Arc<EventQueue>,
    sockets: Option<Sockets>,
    listen_port: u16,
    fwmark: u32,
    /// A refusal of the port that was told already.
    port_refused: bool,
    up: bool,
    next_look: Duration,
    /// Offloads of which it was told that they are off.
    told_off: Vec<OffloadOff>,
    outbound: Outbound,
    inbound: Inbound,
}

impl Worker {
    pub(crate) fn new(
        tun: Tun,
        requests: mpsc::Receiver<Request>,
        bell: Arc<OwnedFd>,
        events: Arc<EventQueue>,
    ) -> std::io::Result<Self> {
        let offloads = tun.offloads().clone();
        let link = Link::new(tun)?;
        let poller = Poller::new()?;
        poller.add(Source::Tun, &link.tun)?;
        poller.add(Source::Network, &link.watch)?;
        poller.add(Source::Requests, &bell)?;
        Ok(Self {
            interface: Interface::new(Box::new(SystemRandom)),
            link,
            poller,
            requests,
            bell,
            events,
            sockets: None,
            listen_port: 0,
            fwmark: 0,
            port_refused: false,
            up: false,
            next_look: Duration::ZERO,
            told_off: Vec::new(),
            outbound: Outbound::new(),
            inbound: Inbound::new(offloads),
        })
    }

    /// Works until the device is closed or the link is gone.
    pub(crate) fn run(mut self) -> EndReason {
        loop {
            match self.turn() {
                Ok(None) => {}
                Ok(Some(reason)) => return reason,
                Err(error) => return EndReason::Failed(error.to_string()),
            }
        }
    }

    fn turn(&mut self) -> std::io::Result<Option<EndReason>> {
        let ready = self.poller.wait(self.patience(clock::now().boot))?;
        let now = clock::now();
        for source in ready {
            match source {
                Source::Tun => self.send_packets(now),
                Source::V4 => self.receive_datagrams(Family::V4, now)?,
                Source::V6 => self.receive_datagrams(Family::V6, now)?,
                Source::Network => self.follow_network()?,
                Source::Requests => {
                    if self.answer_requests(now) {
                        return Ok(Some(EndReason::Closed));
                    }
                }
            }
        }
        if now.boot >= self.next_look && self.look_at_link(now)? == TunState::Gone {
            return Ok(Some(EndReason::LinkDeleted));
        }
        self.interface.work_off_handshakes(HANDSHAKES_A_TURN, now);
        self.interface.on_deadline(now);
        self.dispatch();
        Ok(None)
    }

    /// How long to sleep if nothing comes.
    fn patience(&self, boot: Duration) -> Duration {
        if self.interface.handshakes_wait() {
            return Duration::ZERO;
        }
        let deadline = self.interface.next_deadline().map_or(self.next_look, |deadline| deadline.min(self.next_look));
        deadline.saturating_sub(boot)
    }

    fn send_packets(&mut self, now: Now) {
        let Self { outbound, link, interface, sockets, .. } = self;
        if !outbound.turn(&link.tun, interface, sockets.as_ref(), now) {
            self.next_look = Duration::ZERO;
        }
    }

    fn receive_datagrams(&mut self, family: Family, now: Now) -> std::io::Result<()> {
        let socket = self.sockets.as_ref().and_then(|sockets| sockets.of(family));
        socket.map_or(Ok(()), |socket| self.inbound.turn(socket, &mut self.interface, &self.link.tun, now))
    }

    /// Sends what the machine itself wants sent, and tells what it has to tell.
    fn dispatch(&mut self) {
        while let Some(outgoing) = self.interface.take_outgoing() {
            let Some(sockets) = &self.sockets else { continue };
            match (sockets.send_one(outgoing.endpoint, &outgoing.datagram), outgoing.peer) {
                (Ok(udp::Source::Lost), Some(peer)) => self.interface.forget_source(peer),
                (Ok(_), _) => {}
                (Err(_), _) => self.outbound.refused += 1,
            }
        }
        while let Some(event) = self.interface.take_event() {
            self.events.push(event.into());
        }
    }

    /// Word from netlink: the link is looked at in this turn, and source addresses that lost their route are forgotten.
    fn follow_network(&mut self) -> std::io::Result<()> {
        let changes = self.link.changes()?;
        if changes.links {
            self.next_look = Duration::ZERO;
        }
        if changes.addresses || changes.routes {
            let (link, fwmark) = (&mut self.link, self.fwmark);
            self.interface.review_sources(|endpoint| link.keeps_source(endpoint, fwmark));
        }
        Ok(())
    }

    fn look_at_link(&mut self, now: Now) -> std::io::Result<TunState> {
        self.next_look = now.boot + LOOK_AT_LINK;
        let state = self.link.state();
        if let Some(mtu) = self.link.mtu() {
            self.interface.set_mtu(mtu);
        }
        match state {
            TunState::Up => self.go_up(now)?,
            TunState::Down | TunState::Gone if self.up => self.go_down(),
            TunState::Down | TunState::Gone => {}
        }
        self.tell_offloads();
        Ok(state)
    }

    fn go_up(&mut self, now: Now) -> std::io::Result<()> {
        if !std::mem::replace(&mut self.up, true) {
            self.events.push(Event::LinkUp);
        }
        if self.sockets.is_some() {
            return Ok(());
        }
        match Sockets::bind(self.listen_port, self.fwmark) {
            Ok(sockets) => {
                self.adopt(sockets)?;
                self.interface.set_up(now);
            }
            Err(error) if !std::mem::replace(&mut self.port_refused, true) => {
                self.events.push(Event::PortRefused { port: self.listen_port, reason: error.to_string() });
            }
            Err(_) => {}
        }
        Ok(())
    }

    fn go_down(&mut self) {
        self.up = false;
        self.port_refused = false;
        self.sockets = None;
        self.interface.set_down();
        self.events.push(Event::LinkDown);
    }

    fn adopt(&mut self, sockets: Sockets) -> std::io::Result<()> {
        for (source, family) in [(Source::V4, Family::V4), (Source::V6, Family::V6)] {
            if let Some(socket) = sockets.of(family) {
                self.poller.add(source, socket)?;
            }
        }
        self.listen_port = sockets.port();
        self.port_refused = false;
        self.outbound.outbox.set_segmentation(sockets.trains().send.clone());
        self.sockets = Some(sockets);
        self.events.push(Event::PortBound { port: self.listen_port });
        Ok(())
    }

    /// Answers all requests there are; true if one of them is to close.
    fn answer_requests(&mut self, now: Now) -> bool {
        let _ = rustix::io::read(&self.bell, &mut [0u8; 8]);
        while let Ok(request) = self.requests.try_recv() {
            match request {
                Request::Apply(change, answer) => {
                    let _ = answer.send(self.apply(&change, now));
                }
                Request::Status(answer) => {
                    let _ = answer.send(self.status());
                }
                Request::Close => return true,
            }
        }
        false
    }

    fn apply(&mut self, change: &InterfaceChange, now: Now) -> Result<(), ControlError> {
        let port = change.listen_port.unwrap_or(self.listen_port);
        let fwmark = change.fwmark.unwrap_or(self.fwmark);
        if port != self.listen_port || fwmark != self.fwmark {
            self.rebind(port, fwmark)?;
        }
        self.interface.apply(change, now);
        Ok(())
    }

    /// Takes another port or mark. The old ones stay in use if the new ones cannot be had.
    fn rebind(&mut self, port: u16, fwmark: u32) -> Result<(), ControlError> {
        match &self.sockets {
            Some(sockets) if port == self.listen_port => {
                sockets.set_fwmark(fwmark).map_err(|source| ControlError::Fwmark { fwmark, source })?;
            }
            Some(_) => {
                let sockets = Sockets::bind(port, fwmark)?;
                self.adopt(sockets).map_err(|source| ControlError::Port { port, source })?;
            }
            // Bound for a moment only, so that whoever asks for a port in use is told now and not when the link is up.
            None => drop(Sockets::bind(port, fwmark)?),
        }
        if self.sockets.is_none() {
            self.listen_port = port;
        }
        self.fwmark = fwmark;
        self.interface.review_sources(|_| false);
        Ok(())
    }

    fn status(&self) -> InterfaceStatus {
        let mut status = self.interface.status();
        status.listen_port = self.listen_port;
        status.fwmark = self.fwmark;
        status.drops.send_refused = self.outbound.refused;
        status.drops.tun_refused = self.outbound.tun_refused + self.inbound.tun_refused;
        status.offloads_off = self.offloads_off();
        status
    }

    /// What is done without the kernel's help, and why.
    fn offloads_off(&self) -> Vec<OffloadOff> {
        let Offloads { tcp, udp } = &self.inbound.offloads;
        let receive = self.sockets.as_ref().map_or(&Ok(()), |sockets| &sockets.trains().receive);
        [("tun_tcp", tcp), ("tun_udp", udp), ("udp_segment", self.outbound.outbox.segmentation()), ("udp_gro", receive)]
            .into_iter()
            .filter_map(|(name, state)| Some(OffloadOff { name: name.into(), reason: state.as_ref().err()?.clone() }))
            .collect()
    }

    /// Tells of every offload that was lost since the last look.
    fn tell_offloads(&mut self) {
        let off = self.offloads_off();
        for offload in off.iter().filter(|offload| !self.told_off.contains(offload)) {
            self.events.push(Event::OffloadOff { name: offload.name.clone(), reason: offload.reason.clone() });
        }
        self.told_off = off;
    }
}

impl From<BindError> for ControlError {
    fn from(error: BindError) -> Self {
        match error {
            BindError::Port { port, source } => Self::Port { port, source },
            BindError::Fwmark { fwmark, source } => Self::Fwmark { fwmark, source },
        }
    }
}
