//! The UDP port of a device: bound for each address family while the link is up, and watched by the poller.

use std::io;

use proto::change::InterfaceChange;

use crate::control::ControlError;
use crate::poller::{Poller, Source};
use crate::udp::{BindError, Family, Sockets};

const FAMILIES: [(Source, Family); 2] = [(Source::V4, Family::V4), (Source::V6, Family::V6)];

/// The configured port and mark, and the sockets while there are any.
#[derive(Default)]
pub(crate) struct Port {
    number: u16,
    fwmark: u32,
    sockets: Option<Sockets>,
}

impl Port {
    /// Return the bound port, or the configured one; 0 is any.
    pub(crate) fn number(&self) -> u16 {
        self.number
    }

    pub(crate) fn fwmark(&self) -> u32 {
        self.fwmark
    }

    pub(crate) fn sockets(&self) -> Option<&Sockets> {
        self.sockets.as_ref()
    }

    /// Bind the configured port when the link comes up. A port selected by the system is kept from then on.
    pub(crate) fn open(&mut self, poller: &Poller) -> Result<(), ControlError> {
        self.adopt(Sockets::bind(self.number, self.fwmark)?, poller)
    }

    /// Close the sockets when the link goes down; the port stays configured.
    pub(crate) fn close(&mut self, poller: &Poller) {
        for socket in self.sockets.take().iter().flat_map(Sockets::iter) {
            poller.remove(socket);
        }
    }

    /// Return whether a change has another port or mark.
    pub(crate) fn differs(&self, change: &InterfaceChange) -> bool {
        change.listen_port.is_some_and(|number| number != self.number)
            || change.fwmark.is_some_and(|fwmark| fwmark != self.fwmark)
    }

    /// Switch to another port or mark; `up` is whether it stays bound. After an error the old ones are kept.
    pub(crate) fn change(&mut self, change: &InterfaceChange, up: bool, poller: &Poller) -> Result<(), ControlError> {
        let number = change.listen_port.unwrap_or(self.number);
        let fwmark = change.fwmark.unwrap_or(self.fwmark);
        match &self.sockets {
            Some(sockets) if number == self.number => {
                sockets.set_fwmark(fwmark).map_err(|source| ControlError::Fwmark { fwmark, source })?;
            }
            Some(_) => self.adopt(Sockets::bind(number, fwmark)?, poller)?,
            None if up => self.adopt(Sockets::bind(number, fwmark)?, poller)?,
            // Bound briefly, so that a port in use is reported now and not when the link comes up.
            None => {
                drop(Sockets::bind(number, fwmark)?);
                self.number = number;
            }
        }
        self.fwmark = fwmark;
        Ok(())
    }

    fn adopt(&mut self, sockets: Sockets, poller: &Poller) -> Result<(), ControlError> {
        let port = sockets.port();
        // After an error, what was added leaves the poller with the sockets.
        watch(&sockets, poller).map_err(|source| ControlError::Port { port, source })?;
        self.close(poller);
        self.number = port;
        self.sockets = Some(sockets);
        Ok(())
    }
}

fn watch(sockets: &Sockets, poller: &Poller) -> io::Result<()> {
    FAMILIES
        .into_iter()
        .filter_map(|(source, family)| Some((source, sockets.of(family)?)))
        .try_for_each(|(source, socket)| poller.add(source, socket))
}

impl From<BindError> for ControlError {
    fn from(error: BindError) -> Self {
        match error {
            BindError::Port { port, source } => Self::Port { port, source },
            BindError::Fwmark { fwmark, source } => Self::Fwmark { fwmark, source },
        }
    }
}
