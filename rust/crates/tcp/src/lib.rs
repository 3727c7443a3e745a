//! TCP as a pure state machine: no socket, no clock, no random number; segments and times are passed in and out.
#![forbid(unsafe_code)]

mod checksum;
pub mod config;
pub mod congestion;
pub mod connection;
pub mod options;
pub mod pace;
pub mod pool;
pub mod rate;
pub mod segment;
pub mod seq;
pub mod status;
pub mod time;

pub use config::Config;
pub use congestion::Algorithm;
pub use connection::Connection;
pub use options::Options;
pub use pool::Pool;
pub use segment::{Addresses, Flags, Header, Malformed, Ports, Segment};
pub use seq::Seq;
pub use status::{Event, Reset, State, Status};
pub use time::Time;
