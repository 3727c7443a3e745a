//! The resolver: host names to addresses, with the settings of resolv.conf(5) and hosts(5).
//!
//! The system's resolver cannot send its questions with a mark or from one source, which a tunnel needs so that the name
//! of its endpoint is not asked through the tunnel itself. This one can, and behaves the same in either case.
//!
//! | file | content |
//! |---|---|
//! | `resolv_conf` | servers, search list and options of resolv.conf(5) |
//! | `hosts` | addresses of hosts(5), and `localhost` |
//! | `search` | the names to ask for one name |
//! | `message` | questions, responses, queries and replies of DNS (RFC 1035, 6891) |
//! | `frames` | messages in a stream |
//! | `health` | which server to ask first |
//! | `zone` | the names that this node answers itself |
//! | `route` | who answers a question |
//! | `rebind` | answers without addresses of internal networks |
//! | `cache` | answers, kept for their TTL |
//! | `upstream` | questions to servers, as a state machine |
//! | `resolver` | the service: queries in, answers and questions to servers out |
//! | `lookup` | one lookup as a state machine: no socket, no clock, no random number |
//! | `order` | addresses in the order of RFC 6724 and RFC 8305 |
//! | `client`, `channel` | the sockets of a lookup |
//! | `task` | a lookup on a thread of its own, with a descriptor that becomes readable at its end |
//!
//! Of nsswitch.conf(5) only `files` and `dns` exist here. Other services, such as `mdns`, `myhostname` or `ldap`, are not
//! supported; systemd-resolved is asked as a DNS server where resolv.conf(5) names it.
#![forbid(unsafe_code)]

pub mod cache;
mod channel;
pub mod client;
pub mod frames;
pub mod health;
pub mod hosts;
pub mod lookup;
pub mod message;
pub mod order;
mod rebind;
pub mod resolv_conf;
pub mod resolver;
pub mod route;
pub mod search;
pub mod task;
pub mod upstream;
pub mod zone;

use domain::base::name::Name;

/// An absolute host name.
pub type HostName = Name<Vec<u8>>;
