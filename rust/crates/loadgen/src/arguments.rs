//! Command line arguments.

use std::str::FromStr;
use std::time::Duration;

use proto::key::{PresharedKey, PublicKey};

use crate::packet::BATCH_PACKETS;
use crate::peer::Seed;

/// Printed for an invalid command line.
pub(crate) const HELP: &str = "\
usage: warren-loadgen keys SEED PEERS
       warren-loadgen run SEED PEERS ENGINE SESSIONS REST SECONDS BATCH

keys  prints the public keys of the peers of SEED (64 hexadecimal digits).
run   connects each of them to the engine whose public key is ENGINE (base64), with SESSIONS handshakes one after the
      other, and prints `connected`; waits REST seconds; prints `sending`; sends for SECONDS from each peer in turn,
      BATCH packets at a time; prints `sent` and the number of packets.
";

/// The request on the command line.
#[derive(Debug)]
pub(crate) enum Request {
    Keys(Seed, u32),
    Run(Run),
}

/// The parameters of a run.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) seed: Seed,
    pub(crate) peers: u32,
    pub(crate) engine: PublicKey,
    pub(crate) sessions: u32,
    pub(crate) rest: Duration,
    pub(crate) time: Duration,
    pub(crate) batch: usize,
}

impl Request {
    /// Parse the arguments after the program's name; `None` when they are invalid.
    pub(crate) fn parse(arguments: impl IntoIterator<Item = String>) -> Option<Self> {
        let arguments: Vec<String> = arguments.into_iter().collect();
        match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            ["keys", seed, peers] => Some(Self::Keys(parse_seed(seed)?, parse(peers)?)),
            ["run", seed, peers, engine, sessions, rest, time, batch] => Some(Self::Run(Run {
                seed: parse_seed(seed)?,
                peers: parse(peers)?,
                engine: PublicKey::from_base64(engine).ok()?,
                sessions: parse(sessions)?,
                rest: parse_seconds(rest)?,
                time: parse_seconds(time)?,
                batch: parse(batch).filter(|batch| (1..=BATCH_PACKETS).contains(batch))?,
            })),
            _ => None,
        }
    }
}

fn parse<T: FromStr>(text: &str) -> Option<T> {
    text.parse().ok()
}

fn parse_seconds(text: &str) -> Option<Duration> {
    Duration::try_from_secs_f64(parse(text)?).ok()
}

fn parse_seed(text: &str) -> Option<Seed> {
    Some(*PresharedKey::from_hex(text).ok()?.as_bytes())
}
