//! Messages of DNS (RFC 1035, section 4; RFC 6891), for a client and for a server.
//!
//! | file | content |
//! |---|---|
//! | `question` | a question, the message that asks it, and which message may answer it |
//! | `addresses` | the addresses in a response, through its aliases |
//! | `query` | a message of a client: a query, or what to answer in its place |
//! | `reply` | the content of an answer: read from a server's message, written for a client |

pub mod addresses;
pub mod query;
pub mod question;
pub mod reply;
