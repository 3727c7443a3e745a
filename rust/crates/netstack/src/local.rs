//! Listeners on the host: their sockets, and their clients up to the dial.
//!
//! A listener that cannot be opened is tried again by backoff. A change of the configuration opens and closes only the
//! listeners that differ; clients that were accepted go on by the service that they came to.

pub mod config;

mod callers;
mod handshake;
pub(crate) mod socket;

use std::collections::VecDeque;
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::{RecvFlags, Shutdown, recv, shutdown};

use crate::dial::{CLIENT_TIMEOUT, Connect};
use crate::local::callers::{Client as Told, Exchange};
use crate::local::config::{Listener, Service};
use crate::local::handshake::{Handshake, Step};
use crate::local::socket::Socket;
use crate::permit::{Permit, Permits};
use crate::poller::Token;
use crate::shared::{Alarm, Shared};
use crate::slab::{Id, Slab};
use crate::socks::Reply;
use crate::wheel::Timer;

/// Connections of one listener.
const MAX_CLIENTS: usize = 1024;
/// Clients that are accepted in one turn.
const ACCEPTS: usize = 64;
/// How long a client may take to say what it wants.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a client that was refused may take to read why, and the octets of it that are dropped meanwhile.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(2);
const MAX_DRAINED: usize = 1 << 20;
/// Octets that are read of a client at once.
const READ_BYTES: usize = 4096;
/// How long to wait before a listener is opened again, at first and at most.
const MIN_RETRY_DELAY: Duration = Duration::from_secs(1);
const MAX_RETRY_DELAY: Duration = Duration::from_secs(60);
/// How long a listener rests when the host has no descriptor or memory for a client.
const ACCEPT_DELAY: Duration = Duration::from_millis(100);

/// A listener, its socket or why it has none, and the places for its clients.
struct Listening {
    listener: Listener,
    socket: Result<Socket, String>,
    permits: Permits,
    retry_delay: Duration,
    timer: Option<Timer>,
}

/// A client before its dial.
struct Client {
    fd: OwnedFd,
    is_direct: bool,
    permit: Permit,
    timer: Option<Timer>,
    state: State,
}

enum State {
    Handshake(Handshake),
    /// It was refused, and so many octets were dropped since.
    Draining(usize),
}

/// The listeners on the host, and their clients up to the dial.
#[derive(Default)]
pub(crate) struct Local {
    listeners: Slab<Listening>,
    clients: Slab<Client>,
    connects: VecDeque<Connect>,
}

impl Local {
    /// Open and close the listeners that differ.
    pub(crate) fn set_listeners(&mut self, listeners: &[Listener], shared: &mut Shared) {
        let mut wanted: Vec<_> = listeners.iter().map(Some).collect();
        let ids: Vec<_> = self.listeners.iter().map(|(id, _)| id).collect();
        for id in ids {
            let Some(listening) = self.listeners.get_mut(id) else { continue };
            let is_same = |new: &&mut Option<&Listener>| {
                new.is_some_and(|new| {
                    let is_protected = new.service.is_protected() == listening.listener.service.is_protected();
                    new.listen == listening.listener.listen && is_protected
                })
            };
            match wanted.iter_mut().find(is_same).and_then(Option::take) {
                Some(new) => listening.listener = new.clone(),
                None => self.close_listener(id, shared),
            }
        }
        for listener in wanted.into_iter().flatten() {
            let id = self.listeners.insert(Listening {
                listener: listener.clone(),
                socket: Err(String::new()),
                permits: Permits::default(),
                retry_delay: MIN_RETRY_DELAY,
                timer: None,
            });
            self.open_listener(id, shared);
        }
    }

    fn close_listener(&mut self, id: Id, shared: &mut Shared) {
        if let Some(timer) = self.listeners.remove(id).and_then(|listening| listening.timer) {
            shared.wheel.cancel(timer);
        }
    }

    fn open_listener(&mut self, id: Id, shared: &mut Shared) {
        let Some(listening) = self.listeners.get_mut(id) else { return };
        let Listener { listen, service } = &listening.listener;
        listening.socket = Socket::open(listen, service.is_protected()).map_err(|error| error.to_string());
        match &listening.socket {
            Ok(socket) => {
                listening.retry_delay = MIN_RETRY_DELAY;
                if let Err(error) = shared.poller.add_readable(socket, Token::Listener(id)) {
                    listening.socket = Err(error.to_string());
                }
            }
            Err(_) => {
                let delay = listening.retry_delay;
                listening.retry_delay = (2 * delay).min(MAX_RETRY_DELAY);
                listening.timer = Some(shared.wheel.set(Alarm::Listener(id), shared.now.boot + delay));
            }
        }
    }

    /// Open a listener again, or let it accept again.
    pub(crate) fn on_listener_alarm(&mut self, id: Id, shared: &mut Shared) {
        let Some(listening) = self.listeners.get_mut(id) else { return };
        listening.timer = None;
        match &listening.socket {
            Ok(socket) if shared.poller.add_readable(socket, Token::Listener(id)).is_ok() => {}
            _ => self.open_listener(id, shared),
        }
    }

    /// Return the listeners, and why one does not listen.
    pub(crate) fn status(&self) -> Vec<(String, Result<(), String>)> {
        let status = |listening: &Listening| {
            let Listener { listen, service } = &listening.listener;
            match &listening.socket {
                Ok(socket) => (format!("{service} {}", socket.address), Ok(())),
                Err(error) => (format!("{service} {listen}"), Err(error.clone())),
            }
        };
        self.listeners.iter().map(|(_, listening)| status(listening)).collect()
    }

    /// Accept clients.
    pub(crate) fn accept(&mut self, id: Id, shared: &mut Shared) {
        for _ in 0..ACCEPTS {
            let Some(Listening { listener, socket: Ok(socket), permits, timer, .. }) = self.listeners.get_mut(id)
            else {
                return;
            };
            match socket.accept() {
                // One too many is closed at once.
                Ok(fd) => {
                    if let Some(permit) = permits.take(MAX_CLIENTS) {
                        let service = listener.service.clone();
                        self.add_client(fd, permit, &service, shared);
                    }
                }
                Err(Errno::AGAIN) => return,
                Err(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM) => {
                    shared.poller.remove(socket);
                    *timer = Some(shared.wheel.set(Alarm::Listener(id), shared.now.boot + ACCEPT_DELAY));
                    return;
                }
                // The client has gone (accept(2): treat network errors like EAGAIN by retrying).
                Err(_) => {}
            }
        }
    }

    fn add_client(&mut self, fd: OwnedFd, permit: Permit, service: &Service, shared: &mut Shared) {
        let handshake = match service {
            Service::Proxy(proxy) => Handshake::new(proxy),
            Service::Forward(target) => {
                let target = target.clone();
                let told = Told { exchange: Exchange::Plain, permit: Some(permit) };
                return self.connects.push_back(Connect {
                    target,
                    timeout: CLIENT_TIMEOUT,
                    client: fd,
                    caller: Box::new(told),
                    is_direct: false,
                });
            }
        };
        let (is_direct, state) = (service.is_direct(), State::Handshake(handshake));
        let id = self.clients.insert(Client { fd, is_direct, permit, timer: None, state });
        let Some(client) = self.clients.get_mut(id) else { return };
        client.timer = Some(shared.wheel.set(Alarm::Client(id), shared.now.boot + HANDSHAKE_TIMEOUT));
        if shared.poller.add_edges(&client.fd, Token::Client(id)).is_err() {
            self.remove_client(id, shared);
        }
    }

    fn remove_client(&mut self, id: Id, shared: &mut Shared) -> Option<Client> {
        let client = self.clients.remove(id)?;
        if let Some(timer) = client.timer {
            shared.wheel.cancel(timer);
        }
        shared.poller.remove(&client.fd);
        Some(client)
    }

    /// End a client that has taken too long.
    pub(crate) fn on_client_alarm(&mut self, id: Id, shared: &mut Shared) {
        self.remove_client(id, shared);
    }

    /// Read what a client says.
    pub(crate) fn receive(&mut self, id: Id, shared: &mut Shared) {
        let mut buffer = [0; READ_BYTES];
        while let Some(client) = self.clients.get_mut(id) {
            match recv(&client.fd, &mut buffer[..], RecvFlags::DONTWAIT) {
                Ok((_, 0)) => drop(self.remove_client(id, shared)),
                Ok((_, count)) => self.process(id, &buffer[..count], shared),
                Err(Errno::AGAIN) => return,
                Err(Errno::INTR) => {}
                Err(_) => drop(self.remove_client(id, shared)),
            }
        }
    }

    fn process(&mut self, id: Id, octets: &[u8], shared: &mut Shared) {
        let Some(client) = self.clients.get_mut(id) else { return };
        let handshake = match &mut client.state {
            State::Handshake(handshake) => handshake,
            State::Draining(dropped) => {
                *dropped += octets.len();
                if *dropped > MAX_DRAINED {
                    self.remove_client(id, shared);
                }
                return;
            }
        };
        let mut out = Vec::new();
        let step = handshake.receive(octets, &mut out);
        match step {
            Step::More if send(&client.fd, &out) => {}
            Step::More => drop(self.remove_client(id, shared)),
            Step::Refuse => self.refuse(id, &out, shared),
            Step::Associate => {
                Reply::CommandNotSupported.write((std::net::Ipv4Addr::UNSPECIFIED, 0).into(), &mut out);
                self.refuse(id, &out, shared);
            }
            Step::Dial(target, exchange) => {
                let Some(client) = self.remove_client(id, shared) else { return };
                if send(&client.fd, &out) {
                    let caller = Box::new(Told { exchange, permit: Some(client.permit) });
                    self.connects.push_back(Connect {
                        target,
                        timeout: CLIENT_TIMEOUT,
                        client: client.fd,
                        caller,
                        is_direct: client.is_direct,
                    });
                }
            }
        }
    }

    /// Send a client its last answer, and wait until it has closed: closing before it has been read to its end would
    /// reset the connection, and the answer could be lost.
    fn refuse(&mut self, id: Id, answer: &[u8], shared: &mut Shared) {
        let Some(client) = self.clients.get_mut(id) else { return };
        let is_sent = send(&client.fd, answer) && shutdown(&client.fd, Shutdown::Write).is_ok();
        if !is_sent {
            self.remove_client(id, shared);
            return;
        }
        client.state = State::Draining(0);
        let deadline = shared.now.boot + DRAIN_TIMEOUT;
        if let Some(timer) = client.timer.replace(shared.wheel.set(Alarm::Client(id), deadline)) {
            shared.wheel.cancel(timer);
        }
    }

    /// Take what a client asks for.
    pub(crate) fn take_connect(&mut self) -> Option<Connect> {
        self.connects.pop_front()
    }
}

/// Send an answer, which a client that reads takes whole. False if it does not.
fn send(fd: &OwnedFd, octets: &[u8]) -> bool {
    let flags = rustix::net::SendFlags::NOSIGNAL | rustix::net::SendFlags::DONTWAIT;
    octets.is_empty() || rustix::net::send(fd, octets, flags) == Ok(octets.len())
}
