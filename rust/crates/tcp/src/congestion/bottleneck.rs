//! A model of flows through one bottleneck, packet by packet in simulated time: rate, delay, a queue that drops its tail, and
//! random loss. It drives [`Congestion`] and [`Pacer`] as a sender does, with selective acknowledgements.

use core::cmp::Reverse;
use core::time::Duration;
use std::collections::{BinaryHeap, VecDeque};

use super::{Ack, Algorithm, Congestion};
use crate::pace::{Pacer, duration};
use crate::rate::SentState;
use crate::time::Time;

/// Payload of a packet: an MTU of 1,420 bytes less the headers of IPv4 and TCP.
pub(crate) const MSS: u64 = 1380;
/// A packet on the wire, inside UDP and WireGuard.
const WIRE: u64 = 1480;
/// How many later packets must arrive before one counts as lost (RFC 5681, section 3.2).
const DUPLICATE_THRESHOLD: u64 = 3;
/// How long nothing must arrive before everything counts as lost.
const TIMEOUT: Duration = Duration::from_secs(1);
/// How often an application writes that does not write all at once.
const TICK: Duration = Duration::from_millis(10);

/// The path, shared by all flows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Link {
    /// Bytes per second on the wire.
    pub(crate) rate: u64,
    /// The round-trip time without a queue.
    pub(crate) rtt: Duration,
    /// The greatest queue in bytes.
    pub(crate) queue: u64,
    /// The share of packets that are lost at random.
    pub(crate) loss: f64,
}

impl Link {
    /// Return the path of the benchmark: 200 Mb/s, 50 ms, a queue in products of the two.
    pub(crate) fn benchmark(queue: f64, loss: f64) -> Self {
        let (rate, rtt) = (25_000_000, Duration::from_millis(50));
        Self { rate, rtt, queue: (queue * 1_250_000.0) as u64, loss }
    }
}

#[derive(Debug, Clone, Copy)]
struct Packet {
    sent_at: Time,
    state: SentState,
    is_known: bool,
}

/// One flow with what it has seen.
#[derive(Debug)]
pub(crate) struct Flow {
    pub(crate) congestion: Congestion,
    pacer: Pacer,
    packets: VecDeque<Packet>,
    /// The number of the first packet in `packets`.
    first: u64,
    pub(crate) in_flight: u64,
    /// Payload that arrived, in bytes.
    pub(crate) delivered: u64,
    /// Packets sent, and lost.
    pub(crate) sent: u64,
    pub(crate) lost: u64,
    /// The first packet after those whose loss belongs to the current recovery.
    recovery_end: Option<u64>,
    last_progress: Time,
    srtt: Option<Duration>,
    min_rtt: Option<Duration>,
    /// What the application writes, in bytes per second.
    supply: Option<u64>,
    start: Time,
    wake_at: Option<Time>,
    /// The phases of the algorithm with their beginnings.
    pub(crate) phases: Vec<(Time, &'static str)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Arrival { flow: usize, number: u64 },
    Wake { flow: usize },
}

/// All flows and the path.
#[derive(Debug)]
pub(crate) struct Network {
    link: Link,
    pub(crate) flows: Vec<Flow>,
    pub(crate) now: Time,
    /// When the queue will be empty.
    idle_at: Time,
    events: BinaryHeap<Reverse<(Time, u64, Event)>>,
    count: u64,
    random: u64,
    /// The greatest queue so far, in bytes.
    pub(crate) max_queue: u64,
}

impl Network {
    pub(crate) fn new(link: Link, seed: u64) -> Self {
        let random = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let (now, events) = (Time::ZERO, BinaryHeap::new());
        Self { link, flows: Vec::new(), now, idle_at: now, events, count: 0, random, max_queue: 0 }
    }

    /// Add a flow that begins at a time in seconds. Without a supply its application always has something to send.
    pub(crate) fn add(&mut self, algorithm: Algorithm, start: f64, supply: Option<u64>) -> usize {
        // The random waits of BBR follow from the start of the clock.
        let start = Time::ZERO + Duration::from_secs_f64(start) + Duration::from_nanos(self.random % 1000);
        let mut congestion = Congestion::new(algorithm, MSS as u32, start);
        congestion.on_handshake(self.link.rtt, start);
        self.flows.push(Flow {
            congestion,
            pacer: Pacer::default(),
            packets: VecDeque::new(),
            first: 0,
            in_flight: 0,
            delivered: 0,
            sent: 0,
            lost: 0,
            recovery_end: None,
            last_progress: start,
            srtt: Some(self.link.rtt),
            min_rtt: Some(self.link.rtt),
            supply,
            start,
            wake_at: None,
            phases: Vec::new(),
        });
        let flow = self.flows.len() - 1;
        self.wake(flow, start);
        flow
    }

    /// Run until a time in seconds.
    pub(crate) fn run(&mut self, until: f64) {
        let until = Time::ZERO + Duration::from_secs_f64(until);
        while let Some(&Reverse((at, _, event))) = self.events.peek() {
            if at > until {
                break;
            }
            self.events.pop();
            self.now = at;
            match event {
                Event::Arrival { flow, number } => {
                    self.flows[flow].on_arrival(number, at);
                    self.send(flow);
                }
                // A wake-up that an earlier one has replaced.
                Event::Wake { flow } if self.flows[flow].wake_at != Some(at) => {}
                Event::Wake { flow } => {
                    self.flows[flow].wake_at = None;
                    self.flows[flow].check_timeout(at);
                    self.send(flow);
                }
            }
        }
        self.now = until;
    }

    /// Run until a time in seconds, and return what each flow delivered meanwhile, in Mb/s.
    pub(crate) fn measure(&mut self, until: f64) -> Vec<f64> {
        let (start, before) = (self.now, self.flows.iter().map(|flow| flow.delivered).collect::<Vec<_>>());
        self.run(until);
        let seconds = (self.now - start).as_secs_f64();
        self.flows.iter().zip(before).map(|(flow, before)| (flow.delivered - before) as f64 * 8e-6 / seconds).collect()
    }

    fn wake(&mut self, flow: usize, at: Time) {
        if self.flows[flow].wake_at.is_none_or(|pending| at < pending) {
            self.flows[flow].wake_at = Some(at);
            self.push(at, Event::Wake { flow });
        }
    }

    fn push(&mut self, at: Time, event: Event) {
        self.count += 1;
        self.events.push(Reverse((at, self.count, event)));
    }

    fn random(&mut self) -> f64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        (self.random >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn send(&mut self, flow: usize) {
        let now = self.now;
        loop {
            match self.flows[flow].next(now) {
                Next::Packet(number) => self.transmit(flow, number),
                Next::At(at) => return self.wake(flow, at),
                Next::Window => return self.wake(flow, now + TIMEOUT),
            }
        }
    }

    /// Put a packet into the queue. It is acknowledged after queue and round-trip time, unless it is lost.
    fn transmit(&mut self, flow: usize, number: u64) {
        let backlog = crate::pace::transfer(self.link.rate, self.idle_at - self.now);
        if self.random() < self.link.loss || backlog + WIRE > self.link.queue {
            return;
        }
        self.max_queue = self.max_queue.max(backlog + WIRE);
        self.idle_at = self.idle_at.max(self.now) + duration(WIRE, self.link.rate);
        self.push(self.idle_at + self.link.rtt, Event::Arrival { flow, number });
    }
}

enum Next {
    Packet(u64),
    At(Time),
    Window,
}

impl Flow {
    /// Let the application write at a rate in bytes per second from now on.
    pub(crate) const fn limit(&mut self, rate: u64, now: Time) {
        (self.supply, self.start, self.sent, self.lost) = (Some(rate), now, 0, 0);
    }

    /// Let the application always have something to send.
    pub(crate) const fn unlimit(&mut self) {
        self.supply = None;
    }

    fn next(&mut self, now: Time) -> Next {
        if let Some(supply) = self.supply {
            let written = crate::pace::transfer(supply, now - self.start);
            // What was lost is sent again, and is not new.
            if (self.sent - self.lost + 1) * MSS > written {
                if self.in_flight < self.congestion.window() {
                    self.congestion.set_app_limited(self.in_flight);
                }
                return Next::At(now + TICK);
            }
        }
        if self.in_flight > 0 && self.in_flight + MSS > self.congestion.window() {
            return Next::Window;
        }
        if !self.pacer.is_released(now) {
            return Next::At(self.pacer.next_release());
        }
        let state = self.congestion.on_send(MSS, self.in_flight, now);
        let (rate, quantum) = (self.congestion.pacing_rate(), self.congestion.quantum());
        self.pacer.on_send(MSS, rate, quantum, now);
        if self.in_flight == 0 {
            self.last_progress = now;
        }
        self.in_flight += MSS;
        self.sent += 1;
        self.packets.push_back(Packet { sent_at: now, state, is_known: false });
        Next::Packet(self.first + self.packets.len() as u64 - 1)
    }

    fn on_arrival(&mut self, number: u64, now: Time) {
        let Some(index) = number.checked_sub(self.first).map(|index| index as usize) else { return };
        let packet = self.packets[index];
        if packet.is_known {
            return;
        }
        self.last_progress = now;
        self.packets[index].is_known = true;
        self.in_flight -= MSS;
        self.delivered += MSS;
        self.congestion.on_delivered(&packet.state, packet.sent_at, MSS, now);
        let rtt = now - packet.sent_at;
        self.srtt = Some(self.srtt.map_or(rtt, |srtt| (srtt * 7 + rtt) / 8));
        self.min_rtt = Some(self.min_rtt.map_or(rtt, |least| least.min(rtt)));
        let lost = self.find_lost((index as u64).saturating_sub(DUPLICATE_THRESHOLD - 1), now);
        if self.recovery_end.is_some_and(|end| number >= end) {
            self.recovery_end = None;
            self.congestion.exit_recovery(now);
        }
        let end = self.first + self.packets.len() as u64;
        if lost > 0 && self.recovery_end.is_none() {
            self.recovery_end = Some(end);
            self.congestion.enter_recovery(self.in_flight, now);
        }
        self.report(MSS, lost, Some(rtt), now);
        while self.packets.front().is_some_and(|packet| packet.is_known) {
            self.packets.pop_front();
            self.first += 1;
        }
    }

    /// Mark the packets before `count` lost that did not arrive, and return how many bytes.
    fn find_lost(&mut self, count: u64, now: Time) -> u64 {
        let mut lost = 0;
        for index in 0..count as usize {
            let packet = self.packets[index];
            if !packet.is_known {
                self.packets[index].is_known = true;
                self.in_flight -= MSS;
                self.lost += 1;
                lost += MSS;
                self.congestion.on_lost(&packet.state, MSS, now);
            }
        }
        lost
    }

    fn report(&mut self, acked_bytes: u64, lost_bytes: u64, rtt: Option<Duration>, now: Time) {
        self.congestion.on_ack(
            &Ack {
                acked_bytes,
                lost_bytes,
                in_flight: self.in_flight,
                rtt,
                min_rtt: self.min_rtt,
                srtt: self.srtt,
                has_advanced: self.recovery_end.is_none(),
            },
            now,
        );
        let phase = self.congestion.phase();
        if self.phases.last().is_none_or(|&(_, last)| last != phase) {
            self.phases.push((now, phase));
        }
    }

    fn check_timeout(&mut self, now: Time) {
        if self.in_flight == 0 || now < self.last_progress + TIMEOUT {
            return;
        }
        self.last_progress = now;
        self.find_lost(self.packets.len() as u64, now);
        self.first += self.packets.len() as u64;
        self.packets.clear();
        self.recovery_end = Some(self.first);
        self.congestion.on_timeout(self.in_flight, now);
    }
}
