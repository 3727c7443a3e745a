//! Command line arguments.

use std::net::SocketAddrV4;
use std::str::FromStr;
use std::time::Duration;

use tcpsim::Path;

use crate::direction::Direction;

/// Printed for an invalid command line.
pub(crate) const HELP: &str = "\
usage: warren-flowgen serve ADDRESS CONGESTION
       warren-flowgen run ADDRESS VIA CONGESTION DIRECTION FLOWS
       warren-flowgen dial ADDRESS VIA CONGESTION COUNT
       warren-flowgen send ADDRESS MBIT BYTES SECONDS
       warren-flowgen relay ADDRESS TO MBIT DELAY QUEUE LOSS

ADDRESS is an IPv4 address and a port; VIA is that of a SOCKS5 proxy, or `direct`; CONGESTION is a congestion control of
TCP, set on every socket; DIRECTION is `up` or `down`.

serve  accepts TCP connections and UDP datagrams, and receives or sends what their clients ask for; it prints its
       address first, as relay does.
run    opens FLOWS connections to a server, prints how many, and moves bytes as fast as it can.
dial   opens COUNT connections one after the other, each for one byte there and back, and prints their times.
send   sends datagrams of BYTES at MBIT Mb/s for SECONDS, and prints how many.
relay  forwards UDP between its first client and TO with MBIT Mb/s, DELAY ms each way, a queue of QUEUE ms and a LOSS in
       percent.

serve, run and relay print their counters as JSON for each line of standard input, and end with it.
";

/// The request on the command line.
#[derive(Debug, PartialEq)]
pub(crate) enum Request {
    Serve { at: SocketAddrV4, congestion: String },
    Run { to: Target, direction: Direction, flows: usize },
    Dial { to: Target, count: usize },
    Send { to: SocketAddrV4, bits_per_second: f64, bytes: usize, time: Duration },
    Relay { at: SocketAddrV4, to: SocketAddrV4, path: Path },
}

/// Where connections go, and how.
#[derive(Debug, PartialEq)]
pub(crate) struct Target {
    pub(crate) address: SocketAddrV4,
    /// A SOCKS5 proxy.
    pub(crate) proxy: Option<SocketAddrV4>,
    pub(crate) congestion: String,
}

impl Request {
    /// Parse the arguments after the program's name; `None` when they are invalid.
    pub(crate) fn parse(arguments: impl IntoIterator<Item = String>) -> Option<Self> {
        let arguments: Vec<String> = arguments.into_iter().collect();
        match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            ["serve", at, congestion] => Some(Self::Serve { at: parse(at)?, congestion: congestion.to_owned() }),
            ["run", address, via, congestion, direction, flows] => Some(Self::Run {
                to: Target::parse(address, via, congestion)?,
                direction: Direction::parse(direction)?,
                flows: parse(flows)?,
            }),
            ["dial", address, via, congestion, count] => {
                Some(Self::Dial { to: Target::parse(address, via, congestion)?, count: parse(count)? })
            }
            ["send", to, megabits, bytes, seconds] => Some(Self::Send {
                to: parse(to)?,
                bits_per_second: parse::<f64>(megabits)? * 1e6,
                bytes: parse(bytes)?,
                time: Duration::try_from_secs_f64(parse(seconds)?).ok()?,
            }),
            ["relay", at, to, megabits, delay, queue, loss] => {
                Some(Self::Relay { at: parse(at)?, to: parse(to)?, path: parse_path(megabits, delay, queue, loss)? })
            }
            _ => None,
        }
    }
}

impl Target {
    fn parse(address: &str, via: &str, congestion: &str) -> Option<Self> {
        let proxy = if via == "direct" { None } else { Some(parse(via)?) };
        Some(Self { address: parse(address)?, proxy, congestion: congestion.to_owned() })
    }
}

fn parse<T: FromStr>(text: &str) -> Option<T> {
    text.parse().ok()
}

/// Read a path from Mb/s, milliseconds twice, and percent.
fn parse_path(megabits: &str, delay: &str, queue: &str, loss: &str) -> Option<Path> {
    let bytes_per_second = parse::<f64>(megabits)? * 1e6 / 8.0;
    Some(Path {
        rate: bytes_per_second as u64,
        delay: Duration::try_from_secs_f64(parse::<f64>(delay)? / 1e3).ok()?,
        queue: (bytes_per_second * parse::<f64>(queue)? / 1e3) as u64,
        loss: parse::<f64>(loss)? / 100.0,
        longest_loss: u32::MAX,
        batch: Duration::from_nanos(1),
        ..Path::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_words(words: &str) -> Option<Request> {
        Request::parse(words.split(' ').map(str::to_owned))
    }

    #[test]
    fn a_path_is_read_in_bytes_and_nanoseconds() {
        let Request::Relay { path, .. } = parse_words("relay 10.0.0.1:1 10.0.0.2:2 200 25 50 0.1").unwrap() else {
            panic!("another request")
        };
        assert_eq!((path.rate, path.queue), (25_000_000, 1_250_000));
        assert_eq!(path.delay, Duration::from_millis(25));
        assert!((path.loss - 0.001).abs() < 1e-12);
    }

    #[test]
    fn a_target_is_reached_directly_or_through_a_proxy() {
        let direct = parse_words("dial 10.0.0.1:1 direct cubic 5").unwrap();
        let through = parse_words("dial 10.0.0.1:1 127.0.0.1:1080 cubic 5").unwrap();
        let proxy = |request| match request {
            Request::Dial { to, .. } => to.proxy,
            _ => panic!("another request"),
        };
        assert_eq!(proxy(direct), None);
        assert_eq!(proxy(through), Some("127.0.0.1:1080".parse().unwrap()));
    }

    #[test]
    fn an_unknown_direction_is_refused() {
        assert_eq!(parse_words("run 10.0.0.1:1 direct cubic sideways 1"), None);
    }
}
