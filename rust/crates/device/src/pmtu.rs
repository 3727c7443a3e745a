//! Discovery of the path MTU to each peer (RFC 8899): the largest datagram that reaches it whole.
//!
//! A probe is an echo request inside the tunnel, padded so that the outer packet has the tried size, and sent with DF.
//! The reply is short, so it tells of the way there only. ICMP from outside is never believed (RFC 8899, section 4.6).
//!
//! | file | content |
//! |---|---|
//! | `search` | which size is probed when, and which is the path's; no socket and no clock |
//! | `echo` | the echo request and its reply |
//! | `prober` | the searches of all peers of a device |

mod echo;
pub(crate) mod prober;
pub mod search;
