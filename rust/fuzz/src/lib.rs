//! One module a target: `run` takes the fuzzer's octets and panics when a promise is broken.
//!
//! | target | what comes from outside | what must hold |
//! |---|---|---|
//! | `messages` | datagrams of a stranger on the path, in any order, garbled, forged, late | what is delivered was sent, and comes once; both ends find each other again |
//! | `coalescer` | packets of a peer, to be joined for the TUN | cut again they are the same, each flow in its order |
//! | `insider` | datagrams of a peer that keeps its keys and no other rule | only its own addresses, each counter once, moved only by what is authentic |
//! | `packets` | packets from the TUN | sealed or counted; opened to the same octets at the far end |
//! | `aead` | packets of any lengths and keys, some forged | every path gives what ring gives |
//! | `allowed_ips` | changes of prefixes | the trie agrees with a plain list |
//! | `keys` | texts of keys | they agree with a plain decoder, and one key has one text |
//! | `split` | what a TUN gives, to be cut | the packets carry the same octets |
//! | `uapi_request` | the text of a `set` | it survives formatting; carried out, the status survives its own text |
//! | `uapi_server` | octets on the UAPI socket, in any pieces | every answer ends with `errno`; the server outlives it |
//! | `uapi_status` | the text of an answer | it survives formatting |
//!
//! Everything goes through the public interface of `proto` and `device`.

pub mod allowed_ips;
pub mod coalescer;
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
