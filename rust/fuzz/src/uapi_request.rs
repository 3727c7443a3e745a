//! The text of a `set`: rejected with a line, or a change that round-trips and can be applied.

use std::time::Duration;

use device::uapi::{format, parse};
use proto::Interface;
use proto::change::InterfaceChange;
use proto::clock::Now;
use proto::status::{Drops, InterfaceStatus};

use crate::random::Dice;

/// Handshakes that a change starts, and so peers, of one run.
const MOST_PEERS: usize = 16;

/// Parse any octets as what follows `set=1`.
pub fn run(octets: &[u8]) {
    let lines = octets.iter().filter(|octet| **octet == b'\n').count();
    match parse::change(octets, &scope) {
        Ok(change) => {
            let mut text = Vec::new();
            format::change(&change, &mut text).expect("memory takes all");
            assert_eq!(parse::change(&text, &scope).as_ref(), Ok(&change));
            if change.peers.len() <= MOST_PEERS {
                carry_out(&change);
            }
        }
        Err(error) => {
            assert!((2..=lines + 2).contains(&error.line), "{error}");
            assert!([22, 71].contains(&error.errno()));
        }
    }
}

fn scope(name: &str) -> Option<u32> {
    (name == "eth0").then_some(7)
}

/// Apply the change to an interface that is up, and again an hour later.
fn carry_out(change: &InterfaceChange) {
    let mut interface = Interface::new(Box::new(Dice(1)));
    let mut now = Now { boot: Duration::from_secs(1), unix: Duration::from_secs(1_700_000_000) };
    interface.set_up(now);
    for _ in 0..2 {
        interface.apply(change, now);
        interface.process_handshakes(MOST_PEERS, now);
        while interface.take_outgoing().is_some() {}
        now.boot += Duration::from_secs(3600);
        interface.on_deadline(now);
        let status = InterfaceStatus { drops: Drops::default(), ..interface.status() };
        let mut text = Vec::new();
        format::status(&status, &mut text).expect("memory takes all");
        assert_eq!(parse::status(&text), Ok(status));
    }
}
