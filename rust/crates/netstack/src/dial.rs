//! Dials: connections that this side opens to addresses behind peers.
//!
//! All addresses of a name are tried, 250 ms apart (RFC 8305, section 5). The first that is connected wins.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::net::{SendFlags, send};

use crate::httpbody::Body;
use crate::permit::Permit;
use crate::slab::Id;
use crate::target::Target;
use crate::wheel::Timer;

/// The time between two attempts (RFC 8305, section 5: Connection Attempt Delay).
pub(crate) const ATTEMPT_DELAY: Duration = Duration::from_millis(250);
/// How long a dial for a client of a listener may take, over all addresses.
pub(crate) const CLIENT_TIMEOUT: Duration = Duration::from_secs(30);

/// Why a dial failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// No peer has the address among its allowed IPs.
    NoPeer,
    /// The peer that has the address has no endpoint, or the host behind it is unreachable.
    Unreachable,
    /// There is no route to the network, as a router behind the peer says, or no own address of that family.
    NetworkUnreachable,
    /// The policy of the peer forbids the destination.
    Prohibited,
    /// The other side refused the connection.
    Refused,
    /// There was no answer in time.
    TimedOut,
    /// There are as many flows or dials as there may be.
    Limit,
    /// The name has no address.
    UnknownName,
    /// The device ends.
    Closed,
}

/// Who has asked for a dial: it is told the outcome in bytes of its own protocol, which precede the stream.
pub trait Caller: Send {
    /// Return the bytes that say that the connection to an address stands.
    fn connected(&mut self, remote: SocketAddr) -> Vec<u8>;

    /// Return the bytes that say why there is no connection.
    fn failed(&mut self, failure: Failure) -> Vec<u8>;

    /// Return the bytes that are sent to the other side before those of the stream.
    fn preface(&mut self) -> Vec<u8> {
        Vec::new()
    }

    /// Return the framing of what the client sends, whose octets beyond it are not passed on; `None` to pass on all.
    fn framing(&mut self) -> Option<Body> {
        None
    }

    /// Return the place of the client, which is held as long as its stream.
    fn permit(&mut self) -> Option<Permit> {
        None
    }
}

/// A request to dial.
pub struct Dial {
    /// The addresses, in the order in which they are tried.
    pub addresses: Vec<SocketAddr>,
    /// How long all of it may take.
    pub timeout: Duration,
    /// The stream of the client, which never waits.
    pub client: OwnedFd,
    /// Who is told the outcome.
    pub caller: Box<dyn Caller>,
}

/// A request for a stream to a target, whose name is resolved by the rules of the network.
pub struct Connect {
    /// The target.
    pub target: Target,
    /// How long the dial may take, once the addresses are known.
    pub timeout: Duration,
    /// The stream of the client, which never waits.
    pub client: OwnedFd,
    /// Who is told the outcome.
    pub caller: Box<dyn Caller>,
    /// Whether this host dials addresses that no peer has.
    pub is_direct: bool,
}

impl Dial {
    /// Tell the client why there is no connection, and close it.
    pub(crate) fn fail(mut self, failure: Failure) {
        let answer = self.caller.failed(failure);
        // A client that has gone needs no answer, and the stream of one that waits is empty.
        let _ = send(&self.client, &answer, SendFlags::NOSIGNAL | SendFlags::DONTWAIT);
    }
}

/// A dial in progress.
pub(crate) struct Dialling {
    pub(crate) dial: Dial,
    /// Addresses that have not been tried.
    pub(crate) untried: VecDeque<SocketAddr>,
    /// The flows of attempts in progress.
    pub(crate) attempts: Vec<Id>,
    pub(crate) next_attempt: Duration,
    pub(crate) deadline: Duration,
    pub(crate) timer: Option<Timer>,
    /// Whether an address is about to be tried, once there is a place to ask for its route.
    pub(crate) is_starting: bool,
    /// Why the last attempt failed.
    pub(crate) failure: Failure,
}

impl Dialling {
    pub(crate) fn new(dial: Dial, now: Duration) -> Self {
        Self {
            untried: dial.addresses.iter().copied().collect(),
            deadline: now + dial.timeout,
            dial,
            attempts: Vec::new(),
            next_attempt: now,
            timer: None,
            is_starting: true,
            failure: Failure::NoPeer,
        }
    }
}
