//! A message of nfnetlink.

use netlink_packet_core::NetlinkSerializable;

use super::constants::{AF_UNSPEC, NFNETLINK_V0, NFNL_SUBSYS_NFTABLES};
use crate::attribute::Writer;

/// One message of nfnetlink: its body starts with the family (struct nfgenmsg).
pub(super) struct Message {
    kind: u16,
    pub(super) body: Writer,
}

impl Message {
    pub(super) fn new(kind: u8, family: u8) -> Self {
        Self { kind: number(kind), body: Writer::new([family, NFNETLINK_V0, 0, 0]) }
    }

    /// Return the first or the last message of a transaction.
    pub(super) fn frame(kind: u16) -> Self {
        Self { kind, body: Writer::new([AF_UNSPEC, NFNETLINK_V0, 0, NFNL_SUBSYS_NFTABLES]) }
    }
}

/// Return the message type of nfnetlink for a message of nf_tables.
pub(super) fn number(kind: u8) -> u16 {
    u16::from(NFNL_SUBSYS_NFTABLES) << 8 | u16::from(kind)
}

impl NetlinkSerializable for Message {
    fn message_type(&self) -> u16 {
        self.kind
    }

    fn buffer_len(&self) -> usize {
        self.body.octets().len()
    }

    fn serialize(&self, buffer: &mut [u8]) {
        buffer.copy_from_slice(self.body.octets());
    }
}
