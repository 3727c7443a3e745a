//! The state of an interface: the keys of a UAPI `get`, as values.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use ipnet::IpNet;

use crate::key::{PresharedKey, PrivateKey, PublicKey};
use crate::session::Refused;

/// One `get` of the UAPI.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InterfaceStatus {
    /// The interface's own key.
    pub private_key: Option<PrivateKey>,
    /// The UDP port; 0 while none is bound or configured.
    pub listen_port: u16,
    /// SO_MARK of outgoing datagrams; 0 is none.
    pub fwmark: u32,
    /// The own addresses from which paths are probed; none while probing is off. The caller fills it in.
    pub probe_sources: Vec<IpAddr>,
    /// In the order in which they were created.
    pub peers: Vec<PeerStatus>,
    /// Dropped packets. Not part of the UAPI: a status that was received over it has zeros here.
    pub drops: Drops,
    /// Disabled offloads of the kernel; usually empty. The caller fills it in.
    pub offloads_off: Vec<OffloadOff>,
}

/// An offload that is not used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OffloadOff {
    /// `tun_tcp`, `tun_udp`, `udp_segment` or `udp_gro`.
    pub name: String,
    /// The reason, one line of text.
    pub reason: String,
}

/// One peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerStatus {
    /// The peer.
    pub public_key: PublicKey,
    /// All zero means none.
    pub preshared_key: PresharedKey,
    /// The endpoint it last sent from, or the configured one.
    pub endpoint: Option<SocketAddr>,
    /// Time of the last completed handshake since the Unix epoch; zero is never.
    pub last_handshake: Duration,
    /// Octets of datagrams received from it and authenticated, handshakes and padding included.
    pub rx_bytes: u64,
    /// Octets of datagrams created for it, handshakes and padding included, even if they were lost or not sent by the
    /// host.
    pub tx_bytes: u64,
    /// Seconds; 0 is off.
    pub persistent_keepalive_interval: u16,
    /// In the order in which they were added.
    pub allowed_ips: Vec<IpNet>,
    /// The configured address for probes of the path. The caller fills it in.
    pub probe_address: Option<IpAddr>,
    /// The path MTU; `None` while paths are not probed. The caller fills it in.
    pub path_mtu: Option<PathMtu>,
}

/// What is known of the path MTU to a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PathMtu {
    /// Packets of this size arrive.
    Probed {
        /// The size of the largest packet inside the tunnel that reaches the peer in one datagram, in octets.
        mtu: u16,
        /// Seconds since that was last confirmed.
        age_seconds: u64,
    },
    /// The MTU of the interface is used.
    Unknown(PathMtuUnknown),
}

/// Why a path MTU is unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PathMtuUnknown {
    /// There is no session with the peer.
    NoSession,
    /// The peer has no address to probe: neither a configured one nor a single address among its allowed IPs.
    NoProbeAddress,
    /// The search has not found anything yet.
    Searching,
    /// The peer did not answer probes of any size.
    NoAnswer,
}

/// Dropped datagrams and packets, by reason.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Drops {
    /// Datagrams that are not a message of the protocol.
    pub malformed: u64,
    /// Handshake messages not made for our public key.
    pub invalid_mac: u64,
    /// Rejected handshake messages: unknown peer, wrong key, replayed, too many.
    pub invalid_handshake: u64,
    /// Handshake messages beyond the rate limit of a source, or beyond the queue.
    pub rate_limited: u64,
    /// Data of an unknown or expired session.
    pub no_session: u64,
    /// Data that is not authentic.
    pub not_authentic: u64,
    /// Data received before.
    pub replayed: u64,
    /// Packets, outgoing or incoming, that are neither IPv4 nor IPv6, or are truncated.
    pub not_ip: u64,
    /// Incoming packets whose source is not among the peer's allowed IPs.
    pub source_not_allowed: u64,
    /// Outgoing packets whose destination belongs to no peer.
    pub no_peer: u64,
    /// Outgoing packets to a peer without a known endpoint.
    pub no_endpoint: u64,
    /// Outgoing packets while the interface had no port or no private key.
    pub not_up: u64,
    /// Datagrams that the kernel did not send.
    pub send_refused: u64,
    /// Packets that the TUN rejected, or that could not be read from it.
    pub tun_refused: u64,
}

impl PathMtuUnknown {
    /// All reasons.
    pub const ALL: [Self; 4] = [Self::NoSession, Self::NoProbeAddress, Self::Searching, Self::NoAnswer];

    /// Return the name of a reason in the UAPI and in Python.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::NoSession => "no_session",
            Self::NoProbeAddress => "no_probe_address",
            Self::Searching => "searching",
            Self::NoAnswer => "no_answer",
        }
    }
}

impl Drops {
    pub(crate) fn refuse(&mut self, why: Refused) {
        match why {
            Refused::Expired => self.no_session += 1,
            Refused::NotAuthentic => self.not_authentic += 1,
            Refused::Replayed => self.replayed += 1,
        }
    }
}
