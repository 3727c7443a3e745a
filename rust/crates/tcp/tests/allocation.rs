//! Nothing on the path of a segment allocates in the steady state: shown by an allocator that counts.
#![allow(clippy::unwrap_used, clippy::panic)]

mod counting;

use core::net::Ipv4Addr;
use core::sync::atomic::Ordering;
use core::time::Duration;

use counting::{ALLOCATIONS, Counting};
use tcp::segment;
use tcp::{Addresses, Algorithm, Config, Connection, Ports, Time};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const FORWARD: Addresses =
    Addresses::V4 { source: Ipv4Addr::new(10, 0, 0, 1), destination: Ipv4Addr::new(10, 0, 0, 2) };
const BACK: Addresses = Addresses::V4 { source: Ipv4Addr::new(10, 0, 0, 2), destination: Ipv4Addr::new(10, 0, 0, 1) };

/// Segments on their way, in buffers that are made once.
struct Wire {
    addresses: Addresses,
    segments: Vec<[u8; 1500]>,
    lens: Vec<usize>,
    count: usize,
    /// Each so many segments one is lost.
    loses_each: Option<u64>,
    sent: u64,
}

impl Wire {
    fn new(addresses: Addresses, loses_each: Option<u64>) -> Self {
        let (segments, lens) = (vec![[0; 1500]; 64], vec![0; 64]);
        Self { addresses, segments, lens, count: 0, loses_each, sent: 0 }
    }

    fn carry(&mut self, from: &mut Connection, to: &mut Connection, now: Time) {
        self.count = 0;
        let Self { addresses, segments, lens, count, loses_each, sent } = self;
        from.take_segments(64, now, &mut |header, payload| {
            *sent += 1;
            if loses_each.is_some_and(|each| sent.is_multiple_of(each)) {
                return;
            }
            lens[*count] = segment::write(header, payload, addresses, &mut segments[*count]).unwrap();
            *count += 1;
        });
        for (bytes, &len) in segments.iter().zip(&*lens).take(*count) {
            to.receive(&segment::parse(&bytes[..len], addresses).unwrap(), now);
        }
        if *count > 0 {
            to.end_batch(now);
        }
    }
}

/// Run for a simulated time with a full send buffer and a reader, and return the bytes that were read.
fn run(sides: &mut [Connection; 2], wires: &mut [Wire; 2], now: &mut Time, time: Duration) -> u64 {
    let [left, right] = sides;
    let [forward, back] = wires;
    let chunk = [7; 16 << 10];
    let (end, mut total) = (*now + time, 0);
    while *now < end {
        while left.write(&chunk) == chunk.len() {}
        forward.carry(left, right, *now);
        let (first, second) = right.readable();
        let len = first.len() + second.len();
        right.consume(len, *now);
        total += len as u64;
        back.carry(right, left, *now);
        *now += Duration::from_micros(100);
        for side in [&mut *left, &mut *right] {
            while side.take_event().is_some() {}
            if side.next_deadline().is_some_and(|deadline| deadline <= *now) {
                side.on_deadline(*now);
            }
        }
    }
    total
}

fn check_steady_state(algorithm: Algorithm, loses_each: Option<u64>) {
    let config = Config { algorithm, max_buffer: 256 << 10, ..Config::default() };
    let mut now = Time::ZERO + Duration::from_secs(1);
    let mut left = Connection::connect(&config, Ports { local: 1, remote: 2 }, 100, now);
    let mut right = None;
    left.take_segments(1, now, &mut |header, payload| {
        let mut bytes = [0; 100];
        let len = segment::write(header, payload, &FORWARD, &mut bytes).unwrap();
        right = Connection::accept(&config, &segment::parse(&bytes[..len], &FORWARD).unwrap(), 200, now);
    });
    let mut right = right.unwrap();
    right.confirm(now);
    let mut wires = [Wire::new(FORWARD, loses_each), Wire::new(BACK, None)];
    wires[1].carry(&mut right, &mut left, now);
    let mut sides = [left, right];
    run(&mut sides, &mut wires, &mut now, Duration::from_secs(1));
    let before = ALLOCATIONS.load(Ordering::Relaxed);
    let bytes = run(&mut sides, &mut wires, &mut now, Duration::from_secs(1));
    let allocations = ALLOCATIONS.load(Ordering::Relaxed) - before;
    assert!(bytes > 1_000_000, "{bytes} bytes: {:?}", sides[0].status());
    // With losses the queues still grow to their greatest length now and then; they never hold more than is in flight.
    let allowed = if loses_each.is_some() { 4 } else { 0 };
    assert!(allocations <= allowed, "{allocations} for {bytes} bytes with {algorithm:?}, one lost of {loses_each:?}");
}

/// One test, because the count is that of the process.
#[test]
fn a_bulk_transfer_allocates_nothing() {
    for algorithm in [Algorithm::Bbr, Algorithm::Cubic] {
        check_steady_state(algorithm, None);
        check_steady_state(algorithm, Some(1_000));
    }
}
