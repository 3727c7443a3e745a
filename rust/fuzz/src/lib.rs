//! One module per target: `run` takes the fuzzer's octets and panics when a property is violated.
//!
//! | target | input | property |
//! |---|---|---|
//! | `messages` | datagrams of an attacker on the path: reordered, corrupted, forged, delayed | what is delivered was sent, and is delivered once; both hosts recover |
//! | `coalescer` | packets of a peer, to be coalesced for the TUN | after splitting they are the same, each flow in order |
//! | `insider` | datagrams of a peer that has its keys and follows no other rule | only its own addresses, each counter once, moved only by authentic packets |
//! | `packets` | packets from the TUN | sealed or counted; opened to the same octets by the peer |
//! | `aead` | packets of any lengths and keys, some forged | every path gives the result of ring |
//! | `allowed_ips` | changes of prefixes | the trie agrees with a plain list |
//! | `keys` | texts of keys | they agree with a plain decoder, and each key has one text |
//! | `dns_files` | the files of the resolver | they are read within their limits |
//! | `dns_query` | messages of clients | each is resolved or rejected; no answer to an answer, no amplification |
//! | `dns_response` | responses of a name server | only those to the question are understood; every lookup ends |
//! | `dns_upstream` | servers that answer, fail, lie and fall silent | every query is answered once; nothing stays open |
//! | `exit_policy` | entries of the exit policy, and destinations | what is never reached is not, in any notation |
//! | `fragments` | fragments of few datagrams, in any order | what is reassembled has no gap; every datagram ends |
//! | `http_proxy` | a client of the HTTP proxy, in any pieces | it is read alike; a forwarded head frames its body once |
//! | `inner_packets` | packets of a peer of the netstack | parsed or refused; an error about one is read again |
//! | `nat_mappings` | datagrams of several peers, and time | limits and filters hold; what is gone refers to nothing |
//! | `socks_client` | a client of the SOCKS5 proxy, in any pieces | it is read alike, and answered by the grammar |
//! | `timer_wheel` | timers set, cancelled and due | none is early, late, lost or repeated |
//! | `split` | packets of a TUN, to be split | the packets carry the same octets |
//! | `tcp_connection` | segments of a host that follows no rule, and calls of an application | the window's edge stays, what is read arrived, every connection ends |
//! | `tcp_options` | the options of a TCP segment | they agree with a plain reading, and round-trip |
//! | `tcp_segment` | bytes as a TCP segment | they are malformed, or written again they say the same |
//! | `uapi_request` | the text of a `set` | it round-trips; after it is applied, the status round-trips |
//! | `uapi_server` | octets on the UAPI socket, in any pieces | every response ends with `errno`; the server survives |
//! | `uapi_status` | the text of a response | it round-trips |
//!
//! Everything uses the public interface of `proto`, `device`, `dns`, `netstack` and `tcp`.

pub mod allowed_ips;
pub mod coalescer;
pub mod dns_files;
pub mod dns_query;
pub mod dns_response;
pub mod dns_upstream;
pub mod exit_policy;
mod forgery;
pub mod fragments;
pub mod http_proxy;
pub mod inner_packets;
pub mod insider;
pub mod keys;
pub mod lockstep;
pub mod messages;
pub mod nat_mappings;
mod noise;
pub mod packets;
mod pair;
mod path;
mod random;
mod script;
pub mod seeds;
pub mod socks_client;
pub mod split;
pub mod tcp_connection;
pub mod tcp_options;
pub mod tcp_segment;
pub mod timer_wheel;
pub mod uapi_request;
pub mod uapi_server;
pub mod uapi_status;
