//! The bytes that one core moves from a connection to another in memory, both ends counted: crate `tcp` and smoltcp.
//!
//! IPv4 packets of 1,420 bytes with all checksums, buffers of 256 KiB, a clock of 50 µs a round trip. Bytes are copied
//! into the sending end and out of the receiving one. Each line of the output is a name and Gb/s of processor time; the
//! contestants take turns. bench/tcp.py runs it.

use core::net::Ipv4Addr;
use core::time::Duration;

use partner::device::Queues;
use partner::partner::{IP_HEADER, ip_header};
use rustix::time::{ClockId, clock_gettime};
use smoltcp::iface::{Config as InterfaceConfig, Interface, SocketHandle, SocketSet};
use smoltcp::socket::tcp::{CongestionControl, Socket, SocketBuffer};
use smoltcp::time::Instant;
use smoltcp::wire::{HardwareAddress, IpAddress, IpCidr, Ipv4Packet};
use tcp::{Addresses, Algorithm, Config, Connection, Ports, State, Time, segment};

const MTU: usize = 1420;
const BUFFER: usize = 256 << 10;
const ROUND_TRIP: Duration = Duration::from_micros(50);
const LEFT: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
const RIGHT: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
/// Packets that one end sends in a round trip at most.
const MAX_PACKETS: usize = 1024;
const TURN_SECONDS: f64 = 0.5;

/// Two ends that move bytes.
trait Contestant {
    /// Let a round trip pass, and return how many bytes were received in it.
    fn round(&mut self, chunk: &[u8], sink: &mut [u8]) -> u64;
}

/// Packets on their way, in buffers that are made once.
struct Wire {
    addresses: Addresses,
    header: [u8; IP_HEADER],
    packets: Vec<[u8; MTU]>,
    lens: Vec<usize>,
}

impl Wire {
    fn new(source: Ipv4Addr, destination: Ipv4Addr) -> Self {
        Self {
            addresses: Addresses::V4 { source, destination },
            header: ip_header(source, destination),
            packets: vec![[0; MTU]; MAX_PACKETS],
            lens: Vec::with_capacity(MAX_PACKETS),
        }
    }

    fn take(&mut self, from: &mut Connection, now: Time) {
        let Self { addresses, header, packets, lens } = self;
        lens.clear();
        from.take_segments(MAX_PACKETS, now, &mut |segment, payload| {
            let packet = &mut packets[lens.len()];
            let (head, body) = packet.split_at_mut(IP_HEADER);
            let len = segment::write(segment, payload, addresses, body).expect("a segment in a packet");
            head.copy_from_slice(header);
            let mut ip = Ipv4Packet::new_unchecked(head);
            ip.set_total_len((IP_HEADER + len) as u16);
            ip.fill_checksum();
            lens.push(IP_HEADER + len);
        });
    }

    fn give(&self, to: &mut Connection, now: Time) {
        for (packet, &len) in self.packets.iter().zip(&self.lens) {
            let (head, body) = packet[..len].split_at(IP_HEADER);
            assert!(Ipv4Packet::new_unchecked(head).verify_checksum());
            to.receive(&segment::parse(body, &self.addresses).expect("a whole segment"), now);
        }
        if !self.lens.is_empty() {
            to.end_batch(now);
        }
    }
}

/// Two connections of crate `tcp`.
struct Own {
    left: Connection,
    right: Connection,
    wires: [Wire; 2],
    now: Time,
}

impl Own {
    fn new(algorithm: Algorithm) -> Self {
        let config = Config { algorithm, max_buffer: BUFFER, initial_buffer: BUFFER, ..Config::default() };
        let mut wires = [Wire::new(LEFT, RIGHT), Wire::new(RIGHT, LEFT)];
        let now = Time::ZERO + ROUND_TRIP;
        let mut left = Connection::connect(&config, Ports { local: 5555, remote: 80 }, 1, now);
        wires[0].take(&mut left, now);
        let syn = &wires[0].packets[0][IP_HEADER..wires[0].lens[0]];
        let syn = segment::parse(syn, &wires[0].addresses).expect("a SYN");
        let mut right = Connection::accept(&config, &syn, 2, now).expect("a SYN");
        right.confirm(now);
        Self { left, right, wires, now }
    }
}

impl Contestant for Own {
    fn round(&mut self, chunk: &[u8], sink: &mut [u8]) -> u64 {
        let Self { left, right, wires: [forward, back], now } = self;
        *now += ROUND_TRIP;
        for side in [&mut *left, &mut *right] {
            if side.next_deadline().is_some_and(|deadline| deadline <= *now) {
                side.on_deadline(*now);
            }
            while side.take_event().is_some() {}
        }
        back.take(right, *now);
        back.give(left, *now);
        while left.write(chunk) == chunk.len() {}
        forward.take(left, *now);
        forward.give(right, *now);
        let mut total = 0;
        while right.status().state == State::Established {
            let (first, second) = right.readable();
            let len = first.len() + second.len();
            if len == 0 {
                break;
            }
            for part in [first, second] {
                part.chunks(sink.len()).for_each(|part| sink[..part.len()].copy_from_slice(part));
            }
            right.consume(len, *now);
            total += len as u64;
        }
        total
    }
}

/// Two sockets of smoltcp.
struct Smoltcp {
    ends: [(Queues, Interface, SocketSet<'static>, SocketHandle); 2],
    now: Instant,
}

impl Smoltcp {
    fn new() -> Self {
        let mut ends = [LEFT, RIGHT].map(|address| {
            let mut queues = Queues::new(MTU);
            let mut interface = Interface::new(InterfaceConfig::new(HardwareAddress::Ip), &mut queues, Instant::ZERO);
            interface.update_ip_addrs(|addresses| {
                addresses.push(IpCidr::new(IpAddress::Ipv4(address), 24)).expect("room for an address");
            });
            let mut socket = Socket::new(SocketBuffer::new(vec![0; BUFFER]), SocketBuffer::new(vec![0; BUFFER]));
            socket.set_congestion_control(CongestionControl::Cubic);
            socket.set_nagle_enabled(false);
            let mut sockets = SocketSet::new(Vec::new());
            let handle = sockets.add(socket);
            (queues, interface, sockets, handle)
        });
        let [(_, interface, sockets, handle), (_, _, far, listener)] = &mut ends;
        far.get_mut::<Socket<'_>>(*listener).listen(80).expect("smoltcp listens");
        let socket = sockets.get_mut::<Socket<'_>>(*handle);
        socket.connect(interface.context(), (IpAddress::Ipv4(RIGHT), 80), 5555).expect("smoltcp connects");
        Self { ends, now: Instant::ZERO }
    }
}

impl Contestant for Smoltcp {
    fn round(&mut self, chunk: &[u8], sink: &mut [u8]) -> u64 {
        self.now += smoltcp::time::Duration::from_micros(ROUND_TRIP.as_micros() as u64);
        let [(queues, interface, sockets, handle), (far_queues, far_interface, far_sockets, far_handle)] =
            &mut self.ends;
        let socket = sockets.get_mut::<Socket<'_>>(*handle);
        while socket.can_send() && socket.send_slice(chunk).is_ok_and(|sent| sent > 0) {}
        interface.poll(self.now, queues, sockets);
        queues.carry_to(far_queues);
        far_interface.poll(self.now, far_queues, far_sockets);
        let socket = far_sockets.get_mut::<Socket<'_>>(*far_handle);
        let mut total = 0;
        while socket.can_recv() {
            total += socket.recv_slice(sink).unwrap_or(0) as u64;
        }
        far_interface.poll(self.now, far_queues, far_sockets);
        far_queues.carry_to(queues);
        interface.poll(self.now, queues, sockets);
        total
    }
}

/// Return the processor time of this process in seconds.
fn processor_seconds() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// Let a contestant move bytes for a turn, and return Gb/s of processor time.
fn measure(contestant: &mut dyn Contestant) -> f64 {
    let (chunk, mut sink) = (vec![7; 64 << 10], vec![0; 64 << 10]);
    let (start, mut total) = (processor_seconds(), 0);
    loop {
        for _ in 0..64 {
            total += contestant.round(&chunk, &mut sink);
        }
        let seconds = processor_seconds() - start;
        if seconds >= TURN_SECONDS {
            return total as f64 * 8.0 / seconds / 1e9;
        }
    }
}

fn main() {
    let turns: u32 = std::env::args().nth(1).map_or(Ok(5), |turns| turns.parse()).expect("a number of turns");
    let mut contestants: [(&str, Box<dyn Contestant>); 3] = [
        ("tcp, BBR", Box::new(Own::new(Algorithm::Bbr))),
        ("tcp, CUBIC", Box::new(Own::new(Algorithm::Cubic))),
        ("smoltcp, CUBIC", Box::new(Smoltcp::new())),
    ];
    for _ in 0..turns {
        for (name, contestant) in &mut contestants {
            println!("{name}\t{:.3}", measure(contestant.as_mut()));
        }
    }
}
