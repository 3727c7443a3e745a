//! The format of each value. Everything except the scope of an endpoint is parsed without asking the system.

use std::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::str::FromStr;

use ipnet::IpNet;
use proto::change::AllowedIpChange;
use proto::key::{PresharedKey, PrivateKey, PublicKey};
use proto::status::{OffloadOff, PathMtu, PathMtuUnknown};

use super::line::Field;

const HEX_KEY: &str = "64 characters of 0-9 and a-f";
const SIXTEEN_BITS: &str = "a decimal number from 0 to 65535";
const SIXTY_FOUR_BITS: &str = "a decimal number below 2^64";

pub(super) const PRIVATE_KEY: Field<Option<PrivateKey>> = Field {
    key: "private_key",
    expected: "64 characters of 0-9 and a-f; all zeros or an empty value removes the key",
    parse: private_key,
};
pub(super) const LISTEN_PORT: Field<u16> = Field { key: "listen_port", expected: SIXTEEN_BITS, parse: number };
pub(super) const FWMARK: Field<u32> =
    Field { key: "fwmark", expected: "a decimal number from 0 to 4294967295, or empty for none", parse: fwmark };
pub(super) const REPLACE_PEERS: Field<()> = flag("replace_peers");
pub(super) const PUBLIC_KEY: Field<PublicKey> =
    Field { key: "public_key", expected: HEX_KEY, parse: |text| PublicKey::from_hex(text).ok() };
pub(super) const UPDATE_ONLY: Field<()> = flag("update_only");
pub(super) const REMOVE: Field<()> = flag("remove");
pub(super) const PRESHARED_KEY: Field<PresharedKey> =
    Field { key: "preshared_key", expected: HEX_KEY, parse: |text| PresharedKey::from_hex(text).ok() };
pub(super) const KEEPALIVE: Field<u16> =
    Field { key: "persistent_keepalive_interval", expected: SIXTEEN_BITS, parse: number };
pub(super) const REPLACE_ALLOWED_IPS: Field<()> = flag("replace_allowed_ips");
pub(super) const ALLOWED_IP_CHANGE: Field<AllowedIpChange> = Field {
    key: "allowed_ip",
    expected: "address/length, e.g. 10.0.0.0/8 or fd00::/8, with a leading '-' to remove it",
    parse: allowed_ip_change,
};
pub(super) const ALLOWED_IP: Field<IpNet> =
    Field { key: "allowed_ip", expected: "address/length, e.g. 10.0.0.0/8 or fd00::/8", parse: prefix };
pub(super) const PROTOCOL_VERSION: Field<()> =
    Field { key: "protocol_version", expected: "1", parse: |text| (text == "1").then_some(()) };
pub(super) const HANDSHAKE_SECONDS: Field<u64> =
    Field { key: "last_handshake_time_sec", expected: SIXTY_FOUR_BITS, parse: number };
pub(super) const HANDSHAKE_NANOSECONDS: Field<u32> = Field {
    key: "last_handshake_time_nsec",
    expected: "a decimal number below 1000000000",
    parse: |text| number(text).filter(|nanoseconds| *nanoseconds < 1_000_000_000),
};
pub(super) const RX_BYTES: Field<u64> = Field { key: "rx_bytes", expected: SIXTY_FOUR_BITS, parse: number };
pub(super) const TX_BYTES: Field<u64> = Field { key: "tx_bytes", expected: SIXTY_FOUR_BITS, parse: number };
pub(super) const ERRNO: Field<i32> =
    Field { key: "errno", expected: "a decimal number", parse: |text| text.parse().ok() };

pub(super) const OFFLOAD_OFF: Field<OffloadOff> =
    Field { key: "warren_offload_off", expected: "a name, a space and a reason", parse: offload_off };
pub(super) const PROBE_SOURCES: Field<Vec<IpAddr>> = Field {
    key: "warren_probe_sources",
    expected: "addresses separated by spaces; an empty value turns the probes of paths off",
    parse: addresses,
};
pub(super) const PROBE_ADDRESS: Field<Option<IpAddr>> = Field {
    key: "warren_probe_address",
    expected: "an address, or an empty value for none",
    parse: |text| if text.is_empty() { Some(None) } else { text.parse().ok().map(Some) },
};
pub(super) const PATH_MTU: Field<PathMtu> =
    Field { key: "warren_path_mtu", expected: "a size and its age in seconds, or `unknown` and why", parse: path_mtu };
/// The format of an endpoint, for its error.
pub(super) const ENDPOINT_EXPECTED: &str =
    "address:port, e.g. 192.0.2.1:51820, [2001:db8::1]:51820 or [fe80::1%eth0]:51820 with an interface of this host";

const fn flag(key: &'static str) -> Field<()> {
    Field { key, expected: "true", parse: |text| (text == "true").then_some(()) }
}

/// Parse digits only: `from_str` would accept a sign too.
fn number<T: FromStr>(text: &str) -> Option<T> {
    text.bytes().all(|octet| octet.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

fn fwmark(text: &str) -> Option<u32> {
    if text.is_empty() { Some(0) } else { number(text) }
}

/// Parse a private key; the zero key is detected before clamping changes it.
fn private_key(text: &str) -> Option<Option<PrivateKey>> {
    if text.is_empty() {
        return Some(None);
    }
    let none = PresharedKey::from_hex(text).ok()?.is_none();
    let key = PrivateKey::from_hex(text).ok()?;
    Some((!none).then_some(key))
}

fn addresses(text: &str) -> Option<Vec<IpAddr>> {
    text.split_ascii_whitespace().map(|address| address.parse().ok()).collect()
}

fn path_mtu(text: &str) -> Option<PathMtu> {
    let (size, rest) = text.split_once(' ')?;
    if size == "unknown" {
        return PathMtuUnknown::ALL.into_iter().find(|why| why.name() == rest).map(PathMtu::Unknown);
    }
    Some(PathMtu::Probed { mtu: number(size)?, age_seconds: number(rest)? })
}

fn offload_off(text: &str) -> Option<OffloadOff> {
    let (name, reason) = text.split_once(' ')?;
    Some(OffloadOff { name: name.into(), reason: reason.into() })
}

/// Parse a prefix and clear its host bits, as the kernel and wireguard-go do.
fn prefix(text: &str) -> Option<IpNet> {
    let (address, length) = text.split_once('/')?;
    IpNet::new(address.parse::<IpAddr>().ok()?, number(length)?).ok().map(|prefix| prefix.trunc())
}

fn allowed_ip_change(text: &str) -> Option<AllowedIpChange> {
    match text.strip_prefix('-') {
        Some(text) => prefix(text).map(AllowedIpChange::Remove),
        None => prefix(text).map(AllowedIpChange::Add),
    }
}

/// Parse `1.2.3.4:5`, `[::1]:5`, `[fe80::1%3]:5` and, since wg(8) writes names, `[fe80::1%eth0]:5`; `scope` resolves
/// the names.
pub(super) fn endpoint(text: &str, scope: &dyn Fn(&str) -> Option<u32>) -> Option<SocketAddr> {
    let Some(bracketed) = text.strip_prefix('[') else {
        return text.parse().ok().filter(SocketAddr::is_ipv4);
    };
    let (host, port) = bracketed.split_once("]:")?;
    let (address, scope_id) = match host.split_once('%') {
        Some((address, name)) => (address, number(name).filter(|_| !name.is_empty()).or_else(|| scope(name))?),
        None => (host, 0),
    };
    let address: Ipv6Addr = address.parse().ok()?;
    Some(SocketAddrV6::new(address, number(port)?, 0, scope_id).into())
}
