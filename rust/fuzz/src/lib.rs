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
//! | `dns_response` | responses of a name server | only those to the question are understood; every lookup ends |
//! | `split` | packets of a TUN, to be split | the packets carry the same octets |
//! | `uapi_request` | the text of a `set` | it round-trips; after it is applied, the status round-trips |
//! | `uapi_server` | octets on the UAPI socket, in any pieces | every response ends with `errno`; the server survives |
//! | `uapi_status` | the text of a response | it round-trips |
//!
//! Everything uses the public interface of `proto`, `device` and `dns`.

pub mod allowed_ips;
pub mod coalescer;
pub mod dns_files;
pub mod dns_response;
mod forgery;
pub mod insider;
pub mod keys;
pub mod lockstep;
pub mod messages;
mod noise;
pub mod packets;
mod pair;
mod path;
mod random;
mod script;
pub mod seeds;
pub mod split;
pub mod uapi_request;
pub mod uapi_server;
pub mod uapi_status;
