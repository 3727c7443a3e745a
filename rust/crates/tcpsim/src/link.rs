//! One direction of a link: rate, queue and delay, and what a bad path does to packets.

use core::time::Duration;
use std::collections::BTreeMap;

use tcp::Time;

use crate::random::Random;

/// How a link treats packets. Probabilities are per packet.
#[derive(Debug, Clone, PartialEq)]
pub struct Path {
    /// Bytes per second.
    pub rate: u64,
    /// How long a packet takes, without the time to send it.
    pub delay: Duration,
    /// The greatest delay that is added to a packet at random. It does not reorder.
    pub jitter: Duration,
    /// How many bytes may wait to be sent; packets beyond are dropped.
    pub queue: u64,
    /// The probability that a packet is lost.
    pub loss: f64,
    /// How many packets in a row are lost at most, so that a finite number of attempts succeeds.
    pub longest_loss: u32,
    /// The probability that a packet arrives twice.
    pub duplication: f64,
    /// The probability that a packet is held back, so that later ones overtake it.
    pub reordering: f64,
    /// How long such a packet is held back at most.
    pub held_back: Duration,
    /// The probability that a packet is cut off at a random place.
    pub truncation: f64,
    /// Packets arrive at multiples of this, so that several arrive at once.
    pub batch: Duration,
}

impl Default for Path {
    /// Return a path of 100 Mb/s and 10 ms with a queue of 50 ms, which does nothing to packets.
    fn default() -> Self {
        Self {
            rate: 12_500_000,
            delay: Duration::from_millis(10),
            jitter: Duration::ZERO,
            queue: 625_000,
            loss: 0.0,
            longest_loss: 4,
            duplication: 0.0,
            reordering: 0.0,
            held_back: Duration::ZERO,
            truncation: 0.0,
            batch: Duration::from_micros(10),
        }
    }
}

/// What happened to packets.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Packets given to the link.
    pub sent: u64,
    /// Bytes given to the link.
    pub sent_bytes: u64,
    /// Packets lost or cut off at random.
    pub lost: u64,
    /// Packets dropped because the queue was full.
    pub dropped: u64,
}

/// One direction of a link.
#[derive(Debug)]
pub struct Link {
    path: Path,
    random: Random,
    /// Packets under way, in the order of their arrival.
    packets: BTreeMap<(Time, u64), Vec<u8>>,
    number: u64,
    /// When the last packet leaves the queue.
    busy_until: Time,
    /// When the last packet that was not held back arrives.
    last_arrival: Time,
    lost_in_a_row: u32,
    is_down: bool,
    counters: Counters,
}

impl Link {
    /// Create a link.
    #[must_use]
    pub fn new(path: Path, seed: u64) -> Self {
        Self {
            path,
            random: Random::new(seed),
            packets: BTreeMap::new(),
            number: 0,
            busy_until: Time::ZERO,
            last_arrival: Time::ZERO,
            lost_in_a_row: 0,
            is_down: false,
            counters: Counters::default(),
        }
    }

    /// Return what happened to packets.
    #[must_use]
    pub const fn counters(&self) -> Counters {
        self.counters
    }

    /// Drop every packet from now on, or no longer.
    pub const fn set_down(&mut self, is_down: bool) {
        self.is_down = is_down;
    }

    /// Change how the link treats packets that are sent from now on.
    pub fn set_path(&mut self, path: Path) {
        self.path = path;
    }

    /// Send a packet.
    pub fn send(&mut self, packet: &[u8], now: Time) {
        self.counters.sent += 1;
        self.counters.sent_bytes += packet.len() as u64;
        let start = self.busy_until.max(now);
        if self.duration_of(self.path.queue) < start - now {
            self.counters.dropped += 1;
            return;
        }
        self.busy_until = start + self.duration_of(packet.len() as u64);
        if self.is_down || self.is_lost() {
            self.counters.lost += 1;
            return;
        }
        self.put(packet);
        if self.random.chance(self.path.duplication) {
            self.put(packet);
        }
    }

    /// Return when the next packet arrives.
    #[must_use]
    pub fn next_arrival(&self) -> Option<Time> {
        self.packets.first_key_value().map(|((time, _), _)| *time)
    }

    /// Take a packet that has arrived.
    pub fn receive(&mut self, now: Time) -> Option<Vec<u8>> {
        let entry = self.packets.first_entry()?;
        (entry.key().0 <= now).then(|| entry.remove())
    }

    fn duration_of(&self, bytes: u64) -> Duration {
        Duration::from_nanos((u128::from(bytes) * 1_000_000_000 / u128::from(self.path.rate.max(1))) as u64)
    }

    fn is_lost(&mut self) -> bool {
        let is_lost = self.random.chance(self.path.loss) && self.lost_in_a_row < self.path.longest_loss;
        self.lost_in_a_row = if is_lost { self.lost_in_a_row + 1 } else { 0 };
        is_lost
    }

    fn put(&mut self, packet: &[u8]) {
        let mut packet = packet.to_vec();
        if self.random.chance(self.path.truncation) && self.lost_in_a_row < self.path.longest_loss {
            self.lost_in_a_row += 1;
            self.counters.lost += 1;
            packet.truncate(self.random.below(packet.len() as u64) as usize);
        }
        let arrival = self.arrival();
        self.number += 1;
        self.packets.insert((arrival, self.number), packet);
    }

    fn arrival(&mut self) -> Time {
        let jitter = self.random.below(self.path.jitter.as_nanos() as u64);
        let mut arrival = self.busy_until + self.path.delay + Duration::from_nanos(jitter);
        if self.random.chance(self.path.reordering) {
            arrival += Duration::from_nanos(self.random.below(self.path.held_back.as_nanos() as u64));
        } else {
            arrival = arrival.max(self.last_arrival);
            self.last_arrival = arrival;
        }
        let batch = (self.path.batch.as_nanos() as u64).max(1);
        Time::from_nanos(arrival.as_nanos().div_ceil(batch) * batch)
    }
}
