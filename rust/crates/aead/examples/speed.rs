//! How long a packet takes on each path of this processor: lines of tab-separated words, for `bench/aead.py`.
//!
//! Path, octets of text, packets in a batch, then nanoseconds for each packet: sealed (least, median), opened (least,
//! median). The paths take turns, in short runs: least of many is what the path takes when nobody disturbs it.

use std::hint::black_box;
use std::time::Instant;

use aead::{Aead, Key, Packet, Path};

const LENGTHS: [usize; 8] = [0, 64, 128, 256, 512, 1024, 1420, 4096];
const COUNTS: [usize; 7] = [1, 2, 4, 8, 12, 16, 45];
/// What WireGuard has before the text, left alone here.
const HEADER_BYTES: usize = 16;

/// Nanoseconds for each packet, of one path.
struct Times {
    aead: Aead,
    sealed: Vec<f64>,
    opened: Vec<f64>,
}

fn main() {
    let turns = std::env::args().nth(1).and_then(|word| word.parse().ok()).unwrap_or(2000);
    for length in LENGTHS {
        for count in COUNTS {
            for mut times in measure(length, count, turns) {
                let (sealed, opened) = (least_and_median(&mut times.sealed), least_and_median(&mut times.opened));
                println!("{}\t{length}\t{count}\t{sealed}\t{opened}", times.aead.path());
            }
        }
    }
}

fn measure(length: usize, count: usize, turns: usize) -> Vec<Times> {
    let key = Key::from([7; 32]);
    let mut train = vec![0; count * (HEADER_BYTES + length + aead::TAG_BYTES)];
    let aeads = Path::available().filter_map(|path| Aead::on(path).ok());
    let mut all: Vec<_> = aeads.map(|aead| Times { aead, sealed: Vec::new(), opened: Vec::new() }).collect();
    for _ in 0..turns {
        for times in &mut all {
            times.sealed.push(timed(count, || times.aead.seal(packets(&key, &mut train, count))));
            times.opened.push(timed(count, || {
                times.aead.open(packets(&key, &mut train, count), |packet| _ = black_box(packet));
            }));
        }
    }
    all
}

/// A train of packets of one length in one buffer.
fn packets<'a>(key: &'a Key, train: &'a mut [u8], count: usize) -> impl Iterator<Item = Packet<'a>> {
    let rooms = train.chunks_exact_mut(train.len() / count).zip(0..);
    rooms.filter_map(|(room, counter)| Packet::numbered(key, counter, room.get_mut(HEADER_BYTES..)?))
}

fn timed(count: usize, work: impl FnOnce()) -> f64 {
    let begin = Instant::now();
    work();
    begin.elapsed().as_secs_f64() * 1e9 / count as f64
}

fn least_and_median(times: &mut [f64]) -> String {
    times.sort_unstable_by(f64::total_cmp);
    format!("{:.1}\t{:.1}", times.first().unwrap_or(&f64::NAN), times.get(times.len() / 2).unwrap_or(&f64::NAN))
}
