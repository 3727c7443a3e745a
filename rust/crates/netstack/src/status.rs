//! What a stack reports about itself.

use crate::counts::Counts;

/// A snapshot of a stack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// TCP flows.
    pub tcp_flows: usize,
    /// How many there may be: as configured, or fewer if the process may open fewer descriptors (RLIMIT_NOFILE).
    pub max_flows: usize,
    /// Mappings of UDP of the exit.
    pub udp_mappings: usize,
    /// Echo sessions of the exit.
    pub echo_sessions: usize,
    /// Why nothing is forwarded although there is an exit.
    pub no_exit: Option<String>,
    /// Why the exit passes no echo requests on; `None` if it does, and without an exit.
    pub no_icmp: Option<String>,
    /// Streams between two sockets of the host, with those that are being dialled.
    pub relays: usize,
    /// The memory of all flows, in bytes.
    pub memory: usize,
    /// Refusals and bad packets.
    pub counts: Counts,
    /// Packets to peers, and datagrams to own ports, that were dropped.
    pub dropped: u64,
    /// The listeners on the host, as `SERVICE ADDRESS`, and why one does not listen.
    pub listeners: Vec<(String, Result<(), String>)>,
}
