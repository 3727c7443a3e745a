//! The sockets of a lookup. Blocks until the lookup has ended or is cancelled.

use std::net::IpAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::rand::{GetRandomFlags, getrandom};

use crate::channel::{self, Channel};
use crate::hosts;
use crate::lookup::{Lookup, LookupError};
use crate::order::{Destination, order};
use crate::resolv_conf::{ResolvConf, Server};
use crate::search::candidates;

/// What to look up, and how.
#[derive(Debug, Clone)]
pub struct Query {
    /// The name.
    pub name: String,
    /// The text of hosts(5).
    pub hosts: String,
    /// The settings.
    pub conf: ResolvConf,
    /// The mark of all packets (SO_MARK); 0 for none.
    pub mark: u32,
}

/// Return the addresses of a name in the order in which to try them; None if `cancelled` became readable before.
///
/// hosts(5) comes before the servers, as it does for the system's resolver.
///
/// # Errors
/// [`LookupError`].
pub fn look_up(query: &Query, cancelled: BorrowedFd<'_>) -> Option<Result<Vec<IpAddr>, LookupError>> {
    let known = local_addresses(query);
    if known.is_empty() && hosts::is_never_registered(&query.name) {
        return Some(Err(LookupError::NoSuchName { server: None, names: Vec::new() }));
    }
    let found = if known.is_empty() { ask(query, cancelled)? } else { Ok(known) };
    Some(found.map(|addresses| in_order(&addresses, query.mark)))
}

fn local_addresses(query: &Query) -> Vec<IpAddr> {
    let found = hosts::addresses(&query.hosts, &query.name);
    if found.is_empty() { hosts::loopback(&query.name) } else { found }
}

fn in_order(addresses: &[IpAddr], mark: u32) -> Vec<IpAddr> {
    let with_source = |address: &IpAddr| Destination { address: *address, source: channel::source(*address, mark) };
    order(&addresses.iter().map(with_source).collect::<Vec<_>>())
}

fn ask(query: &Query, cancelled: BorrowedFd<'_>) -> Option<Result<Vec<IpAddr>, LookupError>> {
    let names = candidates(&query.name, &query.conf);
    let mut id = random_id;
    let mut lookup = Lookup::new(names, rotated(&query.conf), Instant::now(), &mut id);
    let mut open: Option<Channel> = None;
    loop {
        if let Some(outcome) = lookup.outcome() {
            return Some(outcome.clone());
        }
        while let Some(request) = lookup.take_request() {
            match Channel::open(&request, query.mark) {
                Ok(channel) => open = Some(channel),
                Err(error) => lookup.fail(request.channel, &reason(&error), Instant::now(), &mut id),
            }
        }
        let Some(deadline) = lookup.next_deadline() else { continue };
        let current = open.as_mut().filter(|channel| Some(channel.number) == lookup.channel());
        if wait(current.as_deref(), cancelled, deadline)?
            && let Some(channel) = current
        {
            let number = channel.number;
            match channel.progress() {
                Ok(messages) => {
                    for message in messages {
                        lookup.receive(number, &message, Instant::now(), &mut id);
                    }
                }
                Err(error) => lookup.fail(number, &reason(&error), Instant::now(), &mut id),
            }
        }
        lookup.on_deadline(Instant::now(), &mut id);
    }
}

/// Wait for a channel until the deadline; return whether it is ready, or None when the lookup was cancelled.
fn wait(channel: Option<&Channel>, cancelled: BorrowedFd<'_>, deadline: Instant) -> Option<bool> {
    let mut watched = vec![PollFd::from_borrowed_fd(cancelled, PollFlags::IN)];
    watched.extend(channel.map(|channel| PollFd::from_borrowed_fd(channel.as_fd(), channel.interest())));
    let remaining = deadline.saturating_duration_since(Instant::now()).min(Duration::from_secs(3600));
    match poll(&mut watched, Timespec::try_from(remaining).ok().as_ref()) {
        Ok(_) | Err(Errno::INTR) => {}
        Err(_) => return Some(false),
    }
    let is_ready = |fd: &PollFd<'_>| !fd.revents().is_empty();
    if watched.first().is_some_and(is_ready) { None } else { Some(watched.get(1).is_some_and(is_ready)) }
}

/// Return settings whose first server is a random one, if they ask for that.
fn rotated(conf: &ResolvConf) -> ResolvConf {
    let mut conf = conf.clone();
    if conf.rotate && !conf.servers.is_empty() {
        let first = usize::from(random_id()) % conf.servers.len();
        conf.servers.rotate_left(first);
    }
    conf
}

fn random_id() -> u16 {
    let mut octets = [0; 2];
    // It fails only before the system has gathered entropy, and then blocks instead; an interruption leaves zeros.
    while getrandom(&mut octets, GetRandomFlags::empty()) == Err(Errno::INTR) {}
    u16::from_ne_bytes(octets)
}

fn reason(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::ConnectionRefused => "connection refused".into(),
        std::io::ErrorKind::UnexpectedEof => "the connection was closed".into(),
        _ => {
            let text = error.to_string();
            text.split(" (os error").next().unwrap_or(&text).to_lowercase()
        }
    }
}

impl Query {
    /// Use these servers in place of those of resolv.conf(5).
    #[must_use]
    pub fn with_servers(mut self, servers: impl IntoIterator<Item = Server>) -> Self {
        self.conf.servers = servers.into_iter().collect();
        self
    }
}
