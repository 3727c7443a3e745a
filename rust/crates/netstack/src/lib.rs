//! Flows of TCP, UDP and ICMP that leave a tunnel without a TUN: an exit node and proxies in one unprivileged process.
//!
//! [`Stack`] is the inner side of a device. It runs on the packet thread, with its host sockets: packets of peers are
//! parsed and given to their flows, and at the end of a batch each flow that was touched acknowledges, writes to its host
//! side and reads from it once.
//!
//! | file | content |
//! |---|---|
//! | `stack` | the composition, as an [`Inner`](device::inner::Inner) |
//! | `request`, `status`, `counts` | what other threads ask and are told |
//! | `tables`, `shared` | the configuration, and what the parts share |
//! | `demux` | packets of peers, and which part each is for |
//! | `tcpflow`, and the files below it | TCP: the own connection inside, a stream of the host outside |
//! | `dial`, `listen` | connections that this side opens, and ports of the own addresses that answer |
//! | `local`, and the files below it | listeners on the host: SOCKS5 and HTTP proxies, forwards to targets behind peers |
//! | `names`, and the files below it | names: their servers in the tunnel and outside, and who asks for them |
//! | `connecting`, `relay` | the dials of their clients: to peers, or from this host itself |
//! | `permit` | places for their connections |
//! | `udpflow`, `echo`, `outside` | UDP and ICMP echo: the NAT by sockets of the host |
//! | `datagrams`, `pairs` | own ports of UDP, and those that a thread of this process has |
//! | `stream`, `poller`, `slab`, `random`, `descriptors` | streams of the host, their readiness, tables by id, random numbers, the limit of descriptors |
//! | `packets` | whole packets on their way to peers |
//! | `own` | the addresses of this host |
//! | `capture`, `pcapng` | a capture of the packets inside, and its format |
//!
//! The other modules are parsers and tables. They hold no socket and no clock: octets, keys and the time since boot go
//! in, verdicts and octets come out.
//!
//! | file | content |
//! |---|---|
//! | `special` | addresses that are never reached, private addresses, IPv4 addresses inside IPv6 addresses (RFC 6052, 3056) |
//! | `prefixes` | a table of prefixes with a lookup by address |
//! | `policy` | the exit policy: entries, the order of judgement, the addresses of this host |
//! | `packet` | headers of IPv4, IPv6, TCP, UDP and ICMP, their lengths and checksums |
//! | `udp` | datagrams of UDP that this host sends to the inner side |
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
pub mod capture;
mod connecting;
mod counts;
mod datagrams;
mod demux;
mod descriptors;
pub mod dial;
mod echo;
pub mod fragments;
pub mod httpbody;
pub mod httpproxy;
pub mod icmp;
mod listen;
pub mod local;
pub mod mapping;
mod names;
mod outside;
mod own;
pub mod packet;
mod packets;
mod pairs;
pub mod pcapng;
mod permit;
pub mod policy;
mod poller;
mod prefixes;
mod random;
mod relay;
mod request;
mod shared;
mod slab;
pub mod socks;
pub mod special;
mod stack;
mod status;
mod stream;
mod tables;
pub mod target;
mod tcpflow;
mod udp;
mod udpflow;
pub mod wheel;

pub use counts::Counts;
pub use listen::Forward;
pub use permit::Permit;
pub use request::{CaptureError, Ended, Handle, ListenError};
pub use stack::Stack;
pub use status::Status;
pub use tables::{Dns, Exit, Tables};
