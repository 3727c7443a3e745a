//! Timers that are set, cancelled and due: none is early, late, lost or repeated.

use std::collections::BTreeMap;
use std::time::Duration;

use netstack::wheel::Wheel;

use crate::script::Script;

/// Run with steps: a timer at a distance, a cancellation, or time that passes.
pub fn run(octets: &[u8]) {
    let mut script = Script(octets);
    let mut now = Duration::from_micros(u64::from(script.short()) << 16 | u64::from(script.short()));
    let mut wheel = Wheel::new(now);
    let mut model = BTreeMap::new();
    for number in 0u32.. {
        if script.is_over() {
            break;
        }
        let (kind, mantissa) = (script.octet(), u64::from(script.short()));
        let distance = Duration::from_micros(mantissa << (kind >> 2 & 31));
        match kind & 3 {
            0 | 1 => {
                let due = Duration::from_millis((now + distance).as_nanos().div_ceil(1_000_000) as u64);
                let next = Duration::from_millis(now.as_millis() as u64 + 1);
                model.insert(number, (due.max(next), wheel.set(number, now + distance)));
                continue;
            }
            2 => {
                if let Some(key) = model.keys().nth(mantissa as usize % model.len().max(1)).copied() {
                    let (_, timer) = model.remove(&key).expect("a key of the model");
                    assert!(wheel.cancel(timer) && !wheel.cancel(timer));
                }
                continue;
            }
            _ => now += distance,
        }
        let mut last = Duration::ZERO;
        while let Some(key) = wheel.take_due(now) {
            let (due, timer) = model.remove(&key).expect("a timer that was set, once");
            assert!(due <= now && due >= last, "early, or out of order");
            assert!(!wheel.cancel(timer));
            last = due;
        }
        let first = model.values().map(|(due, _)| *due).min();
        assert!(first.is_none_or(|first| first > now), "late");
        assert_eq!(wheel.next_deadline().is_none(), first.is_none());
        assert!(wheel.next_deadline().zip(first).is_none_or(|(next, first)| next <= first));
    }
}
