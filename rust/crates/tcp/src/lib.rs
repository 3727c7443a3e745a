//! TCP as a pure state machine: no socket, no clock, no random number; segments and times are passed in and out.
//!
//! | source | rule | file |
//! |---|---|---|
//! | RFC 9293, 3.1; RFC 1071 | segments and their checksum | `segment`, `checksum` |
//! | 3.2; RFC 7323, 2018 | options | `options` |
//! | 3.3.2, 3.6, 3.10 | states, opening, arrival of a segment, closing | `connection` and the files below it |
//! | 3.4; RFC 6528 | sequence numbers; initial ones | `seq`, `isn`, `siphash` |
//! | 3.6.1; RFC 1337, 6191 | TIME-WAIT | `time_wait` |
//! | 3.7.1; RFC 6691 | maximum segment size | `connection/open` |
//! | 3.8.1; RFC 6298 | round-trip time, retransmission timeout | `rtt`, `send/timers` |
//! | 3.8.2 | congestion control, delivery rate, pacing | `congestion`, `rate`, `round`, `pace` |
//! | draft-ietf-ccwg-bbr | BBR | `bbr` and the files below it |
//! | RFC 9438, 9406, 9937 | CUBIC, slow start, recovery | `cubic`, `hystart`, `prr` |
//! | 3.8.3, 3.8.4 | user timeout, keepalive | `connection/lifetime` |
//! | 3.8.6.1, 3.8.6.2.1 | zero-window probes, small segments at the sender | `send/transmit` |
//! | 3.8.6.2.2 | steps of the receive window | `receive` |
//! | 3.8.6.3; RFC 5681, 4.2 | delayed acknowledgements | `acks` |
//! | RFC 2018, 2883 | selective acknowledgements, duplicates | `receive`, `ranges`, `scoreboard` |
//! | RFC 8985 | RACK, tail loss probe | `rack`, `scoreboard`, `send/timers` |
//! | RFC 5681, 3.2; RFC 6582 | recovery without selective acknowledgements | `send/acknowledge` |
//! | RFC 3522, 3708 | spurious retransmissions | `send/acknowledge` |
//! | RFC 5961 | challenge ACKs | `connection/input`, `challenge` |
//! | RFC 7323, 3 to 5 | timestamps, wrapped sequence numbers | `timestamps` |
//! | | buffers that hold memory only for what is in them, and grow with the round trip | `ring`, `pool`, `growth` |
//!
//! Urgent data, Nagle's algorithm, ECN and Fast Open are left out. Nothing on the path of a segment allocates once the
//! queues have their size, and the work for a segment does not depend on how many are in flight.
#![forbid(unsafe_code)]

mod acks;
mod bbr;
pub mod challenge;
mod checksum;
pub mod config;
pub mod congestion;
pub mod connection;
mod cubic;
mod events;
mod growth;
mod hystart;
pub mod isn;
pub mod options;
pub mod pace;
pub mod pool;
mod prr;
mod rack;
mod ranges;
pub mod rate;
mod receive;
mod ring;
mod round;
mod rtt;
mod scoreboard;
pub mod segment;
mod send;
pub mod seq;
mod siphash;
pub mod status;
pub mod time;
pub mod time_wait;
mod timestamps;

pub use config::Config;
pub use congestion::Algorithm;
pub use connection::Connection;
pub use options::Options;
pub use pool::Pool;
pub use segment::{Addresses, Flags, Header, Malformed, Ports, Segment};
pub use seq::Seq;
pub use status::{Event, Reset, State, Status};
pub use time::Time;
