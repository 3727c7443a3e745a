//! The kernel's WireGuard over generic netlink (linux/wireguard.h), with the types of the engine.
//!
//! Messages hold keys and are zeroized. They are encoded here because the available crates keep keys in plain arrays.

mod constants;
mod encode;
mod parse;

use netlink_packet_core::NetlinkSerializable;
use netlink_sys::protocols::NETLINK_GENERIC;
use proto::change::InterfaceChange;
use proto::status::InterfaceStatus;

use crate::attribute::Writer;
use crate::error::{ENOENT, EOPNOTSUPP, NetError, Refusal};
use crate::socket::{NetlinkSocket, attributes};
use constants::{
    CTRL_ATTR_FAMILY_ID, CTRL_ATTR_FAMILY_NAME, CTRL_CMD_GETFAMILY, GENERIC_HEADER_BYTES, GENL_ID_CTRL,
    WG_CMD_GET_DEVICE, WG_GENL_NAME, WGDEVICE_A_IFNAME,
};
use encode::command;

/// A socket to the kernel's WireGuard in the network namespace in which it was opened.
pub struct WireGuard {
    socket: NetlinkSocket,
    /// The number of the netlink family, cached; it stays the same while the module is loaded.
    family: Option<u16>,
}

/// One message of generic netlink: its body starts with the command and its version (struct genlmsghdr).
struct Message {
    family: u16,
    body: Writer,
}

impl WireGuard {
    /// Open a socket in the network namespace of the calling thread. Needs no privilege; all requests do.
    ///
    /// # Errors
    /// [`NetError::Refused`].
    pub fn open() -> Result<Self, NetError> {
        let opened = NetlinkSocket::open(NETLINK_GENERIC);
        opened
            .map(|socket| Self { socket, family: None })
            .map_err(|source| Refusal::from(source).to("opening a generic netlink socket".into()))
    }

    /// Return the state of the link `name`. The kernel reports no drop counters.
    ///
    /// # Errors
    /// [`NetError::NoSuchLink`], [`NetError::NotWireGuard`], [`NetError::NoWireGuard`].
    pub fn get(&mut self, name: &str) -> Result<InterfaceStatus, NetError> {
        let mut body = command(WG_CMD_GET_DEVICE);
        body.put_text(WGDEVICE_A_IFNAME, name);
        let message = Message { family: self.family()?, body };
        let status = self.socket.fold(&message, InterfaceStatus::default, |status, body| {
            parse::fold(status, body.get(GENERIC_HEADER_BYTES..).unwrap_or_default());
        });
        self.socket.forget();
        status.map_err(|refusal| map_error(refusal, name, || format!("querying WireGuard link {name:?}")))
    }

    /// Apply a change to the link `name`.
    ///
    /// A port in use changes nothing, since the port is set first. What follows fails only for lack of memory, and then
    /// earlier parts stay applied. Removing single allowed IPs needs Linux 6.16.
    ///
    /// # Errors
    /// [`NetError`]; EADDRINUSE for the port, if the link is up.
    pub fn set(&mut self, name: &str, change: &InterfaceChange) -> Result<(), NetError> {
        let family = self.family()?;
        for part in encode::parts(name, change) {
            let result = self.socket.execute(&Message { family, body: part.body }, 0);
            result.map_err(|refusal| map_error(refusal, name, || format!("setting {} of link {name:?}", part.what)))?;
        }
        Ok(())
    }

    fn family(&mut self) -> Result<u16, NetError> {
        if let Some(family) = self.family {
            return Ok(family);
        }
        let mut body = command(CTRL_CMD_GETFAMILY);
        body.put_text(CTRL_ATTR_FAMILY_NAME, WG_GENL_NAME);
        let found = self.socket.query(&Message { family: GENL_ID_CTRL, body }, parse_family);
        self.family = found.or_else(|refusal| {
            if refusal.is(ENOENT) {
                Ok(None)
            } else {
                Err(refusal.to("resolving the netlink family of WireGuard".into()))
            }
        })?;
        self.family.ok_or(NetError::NoWireGuard)
    }
}

fn parse_family(body: &[u8]) -> Option<u16> {
    let found = attributes(body, GENERIC_HEADER_BYTES).find(|attribute| attribute.kind() == CTRL_ATTR_FAMILY_ID)?;
    found.value().try_into().map(u16::from_ne_bytes).ok()
}

fn map_error(refusal: Refusal, name: &str, operation: impl Fn() -> String) -> NetError {
    let link = || format!("{name:?}");
    match refusal {
        refusal if refusal.is_no_device() => NetError::NoSuchLink { link: link() },
        refusal if refusal.is(EOPNOTSUPP) => NetError::NotWireGuard { link: link() },
        refusal => refusal.to(operation()),
    }
}

impl NetlinkSerializable for Message {
    fn message_type(&self) -> u16 {
        self.family
    }

    fn buffer_len(&self) -> usize {
        self.body.octets().len()
    }

    fn serialize(&self, buffer: &mut [u8]) {
        buffer.copy_from_slice(self.body.octets());
    }
}
