//! What an interface says of itself: the keys of a UAPI `get`, as values.

use std::net::SocketAddr;
use std::time::Duration;

use ipnet::IpNet;

use crate::key::{PresharedKey, PrivateKey, PublicKey};
use crate::session::Refused;

/// One `get` of the UAPI.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InterfaceStatus {
    /// The interface's own key.
    pub private_key: Option<PrivateKey>,
    /// The UDP port; 0 while none is bound or asked for.
    pub listen_port: u16,
    /// SO_MARK of outgoing datagrams; 0 is none.
    pub fwmark: u32,
    /// In the order in which they were made.
    pub peers: Vec<PeerStatus>,
    /// What was not passed on. No key of the UAPI: a status that came over it has zeros here.
    pub drops: Drops,
    /// What the kernel could do for the shell and does not; usually empty. The shell's to fill in.
    pub offloads_off: Vec<OffloadOff>,
}

/// Something that the shell does without.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OffloadOff {
    /// `tun_tcp`, `tun_udp`, `udp_segment` or `udp_gro`.
    pub name: String,
    /// Why, in words; one line.
    pub reason: String,
}

/// One peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerStatus {
    /// Who.
    pub public_key: PublicKey,
    /// All zero is "none".
    pub preshared_key: PresharedKey,
    /// Where it was last heard from or told to be.
    pub endpoint: Option<SocketAddr>,
    /// Time of the last completed handshake since the Unix epoch; zero is never.
    pub last_handshake: Duration,
    /// Octets of datagrams received from it and authenticated, handshakes and padding included.
    pub rx_bytes: u64,
    /// Octets of datagrams made for it, handshakes and padding included, be they lost on the way or refused by the host.
    pub tx_bytes: u64,
    /// Seconds; 0 is off.
    pub persistent_keepalive_interval: u16,
    /// In the order in which they were added.
    pub allowed_ips: Vec<IpNet>,
}

/// Datagrams and packets that were not passed on, by reason.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Drops {
    /// Datagrams that are no message of the protocol.
    pub malformed: u64,
    /// Handshake messages not made for our public key.
    pub invalid_mac: u64,
    /// Handshake messages that were refused: unknown peer, wrong key, replayed, too many.
    pub invalid_handshake: u64,
    /// Handshake messages beyond what one source may send, or beyond what can wait.
    pub rate_limited: u64,
    /// Data of a session that is not, or is no longer.
    pub no_session: u64,
    /// Data that does not open.
    pub not_authentic: u64,
    /// Data that came before.
    pub replayed: u64,
    /// Packets, out or in, that are neither IPv4 nor IPv6, or are cut short.
    pub not_ip: u64,
    /// Packets in whose source is not among the peer's allowed IPs.
    pub source_not_allowed: u64,
    /// Packets out whose destination is no peer's.
    pub no_peer: u64,
    /// Packets out to a peer of which no endpoint is known.
    pub no_endpoint: u64,
    /// Packets out while the interface had no port or no private key.
    pub not_up: u64,
    /// Datagrams that the kernel would not send.
    pub send_refused: u64,
    /// Packets that the TUN would not take or give.
    pub tun_refused: u64,
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
