//! smoltcp as a host of `tcpsim`: the other side of the tests and of the benchmark of crate `tcp`.
#![forbid(unsafe_code)]

pub mod device;
pub mod partner;

pub use partner::Partner;
