//! The listeners for DNS on the host: UDP and TCP of one address.

use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, socket_with};

use crate::local::config::Listen;
use crate::local::socket::{OpenError, Socket};
use crate::poller::Token;
use crate::shared::{Alarm, Shared};
use crate::slab::{Id, Slab};
use crate::wheel::Timer;

/// How long to wait before a listener is opened again, at first and at most.
const MIN_RETRY_DELAY: Duration = Duration::from_secs(1);
const MAX_RETRY_DELAY: Duration = Duration::from_secs(60);

/// Both sockets of an address.
pub(crate) struct Sockets {
    pub(crate) udp: OwnedFd,
    pub(crate) tcp: Socket,
}

struct Listener {
    address: SocketAddr,
    sockets: Result<Sockets, String>,
    retry_delay: Duration,
    timer: Option<Timer>,
}

/// The listeners.
#[derive(Default)]
pub(crate) struct Listening {
    listeners: Slab<Listener>,
}

impl Listening {
    /// Open and close the listeners that differ.
    pub(crate) fn set(&mut self, addresses: &[SocketAddr], shared: &mut Shared) {
        let known: Vec<_> = self.listeners.iter().map(|(id, listener)| (id, listener.address)).collect();
        for (id, _) in known.iter().filter(|(_, address)| !addresses.contains(address)) {
            if let Some(timer) = self.listeners.remove(*id).and_then(|listener| listener.timer) {
                shared.wheel.cancel(timer);
            }
        }
        for address in addresses.iter().filter(|address| !known.iter().any(|(_, known)| known == *address)) {
            let id = self.listeners.insert(Listener {
                address: *address,
                sockets: Err(String::new()),
                retry_delay: MIN_RETRY_DELAY,
                timer: None,
            });
            self.open(id, shared);
        }
    }

    /// Open a listener, or try it again later.
    pub(crate) fn open(&mut self, id: Id, shared: &mut Shared) {
        let Some(listener) = self.listeners.get_mut(id) else { return };
        listener.timer = None;
        let opened = Sockets::open(listener.address).and_then(|sockets| {
            shared.poller.add_readable(&sockets.udp, Token::NameDatagrams(id))?;
            shared.poller.add_readable(&sockets.tcp, Token::NameListener(id))?;
            Ok(sockets)
        });
        if opened.is_err() {
            let delay = listener.retry_delay;
            listener.retry_delay = (2 * delay).min(MAX_RETRY_DELAY);
            listener.timer = Some(shared.wheel.set(Alarm::NameListener(id), shared.now.boot + delay));
        }
        listener.sockets = opened.map_err(|error| error.to_string());
    }

    /// Return the sockets of a listener that is open.
    pub(crate) fn get(&self, id: Id) -> Option<&Sockets> {
        self.listeners.get(id)?.sockets.as_ref().ok()
    }

    /// Return the listeners, and why one does not listen.
    pub(crate) fn status(&self) -> impl Iterator<Item = (String, Result<(), String>)> {
        self.listeners.iter().map(|(_, listener)| match &listener.sockets {
            Ok(sockets) => (format!("dns {}", sockets.tcp.address), Ok(())),
            Err(error) => (format!("dns {}", listener.address), Err(error.clone())),
        })
    }
}

impl Sockets {
    fn open(address: SocketAddr) -> Result<Self, OpenError> {
        let tcp = Socket::open(&Listen::Tcp(address), false)?;
        let Listen::Tcp(address) = tcp.address else { return Err(OpenError::InUse) };
        let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
        let udp = socket_with(family, SocketType::DGRAM, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK, None)?;
        bind(&udp, &address)?;
        Ok(Self { udp, tcp })
    }
}
