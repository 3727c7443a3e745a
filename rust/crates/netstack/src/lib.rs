//! Flows of TCP, UDP and ICMP that leave a tunnel without a TUN: an exit node and proxies in one unprivileged process.
//!
//! These modules are its parsers and tables. They hold no socket and no clock: octets, keys and the time since boot go
//! in, verdicts and octets come out. A peer is any small value that the caller knows it by.
//!
//! | file | content |
//! |---|---|
//! | `special` | addresses that are never reached, private addresses, IPv4 addresses inside IPv6 addresses (RFC 6052, 3056) |
//! | `prefixes` | a table of prefixes with a lookup by address |
//! | `policy` | the exit policy: entries, the order of judgement, the addresses of this host |
//! | `packet` | headers of IPv4, IPv6, TCP, UDP and ICMP, their lengths and checksums |
//! | `icmp` | errors of ICMP: building, reading, restoring what they quote, their limit |
//! | `fragments` | reassembly and splitting of datagrams |
//! | `wheel` | timers of flows |
//! | `budget` | the memory of flows, and what each peer may hold of it |
//! | `mapping` | the NAT of UDP and of ICMP echo (RFC 4787, 5508, 7857) |
//! | `target` | the host and port that a client of a proxy asks for |
//! | `socks` | SOCKS5 (RFC 1928, 1929), the server's side |
//! | `httpproxy`, `httpbody` | the head and the body of a request to an HTTP proxy (RFC 9110, 9112) |
#![forbid(unsafe_code)]

pub mod budget;
pub mod fragments;
pub mod httpbody;
pub mod httpproxy;
pub mod icmp;
pub mod mapping;
pub mod packet;
pub mod policy;
mod prefixes;
pub mod socks;
pub mod special;
pub mod target;
pub mod wheel;
