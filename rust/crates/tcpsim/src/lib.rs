//! Two TCP implementations over a link in simulated time, for the tests of `tcp`; no part of the product.
//!
//! A [`Simulation`](simulation::Simulation) moves packets between two [`Host`](host::Host)s through a
//! [`Link`](link::Link) for each direction, and a [`Monitor`](monitor::Monitor) checks what each of them sends. Packets
//! are segments without an IP header. Everything that is random comes from a seed.
#![forbid(unsafe_code)]

pub mod application;
pub mod endpoint;
pub mod host;
pub mod link;
pub mod monitor;
pub mod pattern;
pub mod random;
pub mod simulation;

pub use application::{Application, Close, Plan};
pub use endpoint::Endpoint;
pub use host::Host;
pub use link::{Link, Path};
pub use simulation::Simulation;
