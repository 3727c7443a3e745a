//! A socket of smoltcp with an application, as a host of a simulation.

use core::net::Ipv4Addr;
use std::cell::Cell;

use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet};
use smoltcp::socket::tcp::{CongestionControl, Socket as TcpSocket, SocketBuffer, State};
use smoltcp::time::Instant;
use smoltcp::wire::{HardwareAddress, IpAddress, IpCidr, Ipv4Packet};
use tcp::{Addresses, Ports, Time};
use tcpsim::application::{Application, Socket};
use tcpsim::host::Host;

use crate::device::Queues;

/// The size of the IPv4 header of every packet, in bytes.
pub const IP_HEADER: usize = 20;
const TCP: u8 = 6;

thread_local! {
    /// The clock of the timestamps option, in milliseconds: smoltcp takes it from a plain function.
    static TIMESTAMP: Cell<u32> = const { Cell::new(0) };
}

/// How a socket is made.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The greatest size of an IP packet, in bytes.
    pub mtu: usize,
    /// The sizes of the buffers for receiving and sending, in bytes.
    pub buffers: (usize, usize),
    /// Whether timestamps are offered.
    pub timestamps: bool,
    /// The seed of smoltcp's own random numbers.
    pub seed: u64,
}

/// A socket with its interface and application.
pub struct Partner {
    interface: Interface,
    queues: Queues,
    sockets: SocketSet<'static>,
    handle: SocketHandle,
    header: [u8; IP_HEADER],
    application: Application,
    was_open: bool,
    deadline: Option<Time>,
}

impl Partner {
    /// Open a connection from `source` to `destination`.
    ///
    /// # Panics
    /// smoltcp refuses the addresses.
    #[must_use]
    pub fn connect(
        settings: &Settings,
        (source, destination): (Ipv4Addr, Ipv4Addr),
        ports: Ports,
        application: Application,
    ) -> Self {
        let mut partner = Self::new(settings, source, destination, application);
        let socket = partner.sockets.get_mut::<TcpSocket<'_>>(partner.handle);
        let remote = (IpAddress::Ipv4(destination), ports.remote);
        socket.connect(partner.interface.context(), remote, ports.local).expect("smoltcp connects");
        partner
    }

    /// Wait at `source` for a connection from `destination`.
    ///
    /// # Panics
    /// smoltcp refuses the port.
    #[must_use]
    pub fn listen(
        settings: &Settings,
        (source, destination): (Ipv4Addr, Ipv4Addr),
        port: u16,
        application: Application,
    ) -> Self {
        let mut partner = Self::new(settings, source, destination, application);
        partner.sockets.get_mut::<TcpSocket<'_>>(partner.handle).listen(port).expect("smoltcp listens");
        partner
    }

    fn new(settings: &Settings, source: Ipv4Addr, destination: Ipv4Addr, application: Application) -> Self {
        let mut queues = Queues::new(settings.mtu);
        let mut config = Config::new(HardwareAddress::Ip);
        config.random_seed = settings.seed;
        let mut interface = Interface::new(config, &mut queues, Instant::ZERO);
        interface.update_ip_addrs(|addresses| {
            addresses.push(IpCidr::new(IpAddress::Ipv4(source), 24)).expect("room for an address");
        });
        let (receive, send) = settings.buffers;
        let mut socket = TcpSocket::new(SocketBuffer::new(vec![0; receive]), SocketBuffer::new(vec![0; send]));
        socket.set_congestion_control(CongestionControl::Cubic);
        socket.set_nagle_enabled(false);
        if settings.timestamps {
            socket.set_tsval_generator(Some(|| TIMESTAMP.get()));
        }
        let mut sockets = SocketSet::new(Vec::new());
        let handle = sockets.add(socket);
        let header = ip_header(destination, source);
        Self { interface, queues, sockets, handle, header, application, was_open: false, deadline: Some(Time::ZERO) }
    }

    /// Return the addresses of the packets that it sends.
    #[must_use]
    pub fn outgoing(&self) -> Addresses {
        let packet = Ipv4Packet::new_unchecked(&self.header);
        Addresses::V4 { source: packet.dst_addr(), destination: packet.src_addr() }
    }

    /// Return the state of the socket.
    #[must_use]
    pub fn state(&self) -> State {
        self.sockets.get::<TcpSocket<'_>>(self.handle).state()
    }

    /// Return the queues of IP packets.
    #[must_use]
    pub const fn queues(&self) -> &Queues {
        &self.queues
    }

    /// Process what arrived and what is due, and let the application read and write before what is to be sent is made.
    pub fn poll(&mut self, now: Time) {
        TIMESTAMP.set((now.as_nanos() / 1_000_000) as u32);
        let at = instant(now);
        while self.interface.poll_ingress_single(at, &mut self.queues, &mut self.sockets)
            != smoltcp::iface::PollIngressSingleResult::None
        {}
        let socket = self.sockets.get_mut::<TcpSocket<'_>>(self.handle);
        self.was_open |= socket.is_active();
        if self.was_open {
            self.application.turn(&mut Side(socket), now);
        }
        self.interface.poll(at, &mut self.queues, &mut self.sockets);
        let socket = self.interface.poll_at(at, &self.sockets).map(|due| {
            // In whole microseconds, so later than now.
            Time::from_nanos((due.total_micros().max(at.total_micros() + 1) * 1000) as u64)
        });
        let turn = self.application.next_turn().filter(|_| self.was_open);
        self.deadline = [socket, turn].into_iter().flatten().min();
    }
}

impl Host for Partner {
    fn receive(&mut self, packet: &[u8], _now: Time) {
        let mut header = self.header;
        let mut packet_header = Ipv4Packet::new_unchecked(&mut header);
        packet_header.set_total_len((IP_HEADER + packet.len()) as u16);
        packet_header.fill_checksum();
        self.queues.receive(&header, packet);
    }

    fn end_batch(&mut self, now: Time) {
        self.poll(now);
    }

    fn transmit(&mut self, now: Time, send: &mut dyn FnMut(&[u8])) {
        self.poll(now);
        while let Some(packet) = self.queues.take() {
            send(&packet[IP_HEADER..]);
            self.queues.put_back(packet);
        }
    }

    fn next_deadline(&self) -> Option<Time> {
        self.deadline.filter(|_| !self.has_ended())
    }

    fn on_deadline(&mut self, now: Time) {
        self.poll(now);
    }

    fn has_ended(&self) -> bool {
        let socket = self.sockets.get::<TcpSocket<'_>>(self.handle);
        self.was_open && socket.state() == State::Closed && socket.recv_queue() == 0
    }

    fn application(&self) -> &Application {
        &self.application
    }
}

/// A socket as the application sees it.
struct Side<'a>(&'a mut TcpSocket<'static>);

impl Socket for Side<'_> {
    fn write(&mut self, bytes: &[u8]) -> usize {
        self.0.send_slice(bytes).unwrap_or(0)
    }

    fn read(&mut self, max: usize, _now: Time, take: &mut dyn FnMut(&[u8])) {
        let mut left = max;
        while left > 0 && self.0.can_recv() {
            let read = self.0.recv(|bytes| {
                let len = bytes.len().min(left);
                take(&bytes[..len]);
                (len, len)
            });
            left -= read.unwrap_or(left);
        }
    }

    fn shutdown(&mut self) {
        self.0.close();
    }

    fn is_at_end(&self) -> bool {
        let is_closed = matches!(
            self.0.state(),
            State::CloseWait | State::LastAck | State::Closing | State::TimeWait | State::Closed
        );
        is_closed && !self.0.can_recv()
    }

    fn is_open(&self) -> bool {
        self.0.may_send()
    }
}

fn instant(now: Time) -> Instant {
    Instant::from_micros((now.as_nanos() / 1000) as i64)
}

/// Return the header of packets from `source` to `destination`, without length and checksum.
#[must_use]
pub fn ip_header(source: Ipv4Addr, destination: Ipv4Addr) -> [u8; IP_HEADER] {
    let mut header = [0; IP_HEADER];
    header[..2].copy_from_slice(&[0x45, 0]);
    header[8..10].copy_from_slice(&[64, TCP]);
    header[12..16].copy_from_slice(&source.octets());
    header[16..20].copy_from_slice(&destination.octets());
    header
}
