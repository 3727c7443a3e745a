//! Packets in the form of a TUN: several segments of one flow as one (TSO, USO, GRO), with a virtio header in front.
//!
//! Everything here is pure: octets in, octets out.

pub mod checksum;
pub mod coalesce;
pub(crate) mod headers;
pub mod split;
pub mod virtio;
