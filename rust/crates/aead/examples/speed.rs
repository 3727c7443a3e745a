//! Measures the time of a packet on each path of this processor: lines of tab-separated values for `bench/aead.py`.
//!
//! Path, octets of text, packets in a batch, the groups in which they are processed, then nanoseconds per packet: sealed
//! (minimum, median), opened (minimum, median). The paths alternate in short runs: the minimum is the time of an
//! undisturbed run.

use std::hint::black_box;
use std::time::Instant;

use aead::{Aead, Key, Packet, Path};

const LENGTHS: [usize; 14] = [0, 64, 128, 192, 256, 384, 512, 640, 768, 896, 1024, 1280, 1420, 4096];
const COUNTS: [usize; 7] = [1, 2, 4, 8, 12, 16, 45];
/// The header of WireGuard before the text, not used here.
const HEADER_BYTES: usize = 16;

/// Nanoseconds per packet on one path.
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
                let groups =
                    times.aead.groups(length, count).iter().map(usize::to_string).collect::<Vec<_>>().join(" ");
                println!("{}\t{length}\t{count}\t{groups}\t{sealed}\t{opened}", times.aead.path());
            }
        }
    }
}

fn measure(length: usize, count: usize, turns: usize) -> Vec<Times> {
    let key = Key::from([7; 32]);
    let mut batch = vec![0; count * (HEADER_BYTES + length + aead::TAG_BYTES)];
    let aeads = Path::available().filter_map(|path| Aead::on(path).ok());
    let mut all: Vec<_> = aeads.map(|aead| Times { aead, sealed: Vec::new(), opened: Vec::new() }).collect();
    for _ in 0..turns {
        for times in &mut all {
            times.sealed.push(timed(count, || times.aead.seal(packets(&key, &mut batch, count))));
            times.opened.push(timed(count, || {
                times.aead.open(packets(&key, &mut batch, count), |packet| _ = black_box(packet));
            }));
        }
    }
    all
}

/// Return a batch of packets of one length in one buffer.
fn packets<'a>(key: &'a Key, batch: &'a mut [u8], count: usize) -> impl Iterator<Item = Packet<'a>> {
    let rooms = batch.chunks_exact_mut(batch.len() / count).zip(0..);
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
