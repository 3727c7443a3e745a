//! The command line.

use std::str::FromStr;
use std::time::Duration;

use proto::key::{PresharedKey, PublicKey};

use crate::member::Seed;
use crate::packet::TRAIN_PACKETS;

/// What is printed for a command line that means nothing.
pub(crate) const HELP: &str = "\
usage: warren-crowd keys SEED PEERS
       warren-crowd run SEED PEERS ENGINE SESSIONS REST SECONDS TRAIN

keys  prints the public keys that the peers of SEED (64 hexadecimal digits) have.
run   makes each of them a peer of the engine whose public key is ENGINE (base64), with so many SESSIONS one after the
      other, and prints `connected`; rests for REST seconds; prints `sending`; lets them send for so many SECONDS, in turn,
      TRAIN packets at a time; prints `sent` and how many.
";

/// What is asked for.
#[derive(Debug)]
pub(crate) enum Request {
    Keys(Seed, u32),
    Run(Run),
}

/// A run of the crowd.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) seed: Seed,
    pub(crate) peers: u32,
    pub(crate) engine: PublicKey,
    pub(crate) sessions: u32,
    pub(crate) rest: Duration,
    pub(crate) time: Duration,
    pub(crate) train: usize,
}

impl Request {
    /// Reads the arguments after the program's name; `None` for those that mean nothing.
    pub(crate) fn parse(arguments: impl IntoIterator<Item = String>) -> Option<Self> {
        let arguments: Vec<String> = arguments.into_iter().collect();
        match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            ["keys", seed, peers] => Some(Self::Keys(parse_seed(seed)?, parse(peers)?)),
            ["run", seed, peers, engine, sessions, rest, time, train] => Some(Self::Run(Run {
                seed: parse_seed(seed)?,
                peers: parse(peers)?,
                engine: PublicKey::from_base64(engine).ok()?,
                sessions: parse(sessions)?,
                rest: parse_seconds(rest)?,
                time: parse_seconds(time)?,
                train: parse(train).filter(|train| (1..=TRAIN_PACKETS).contains(train))?,
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
