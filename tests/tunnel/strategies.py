"""Hypothesis strategies for interfaces: as they should be, and as they are."""

from __future__ import annotations

import string
from dataclasses import replace
from ipaddress import ip_address, ip_interface, ip_network

from hypothesis import strategies as st

from warren._core import PresharedKey, PrivateKey
from warren.reserved_names import INTERFACES
from warren.tunnel.config import SYSTEM_TABLES, Endpoint, InterfaceConfig, IPInterface, IPNetwork, PeerConfig
from warren.tunnel.routes import FIRST_POLICY_TABLE, LAST_RULE, MAIN_TABLE, Route, Rule
from warren.tunnel.status import InterfaceStatus, LinkStatus, PeerStatus

# A few keys for all examples, so that what should be and what is have peers in common; made anew in each run.
PRIVATE_KEYS = [PrivateKey.generate() for _ in range(3)]
PUBLIC_KEYS = [PrivateKey.generate().public_key() for _ in range(5)]
PRESHARED_KEYS = [PresharedKey.generate() for _ in range(2)]

names = st.text(string.ascii_letters + string.digits + "_=+.-", min_size=1, max_size=15).filter(
    lambda name: name not in {".", ".."} and name[0] != "-" and not name.isdigit() and not INTERFACES.meaning(name)
)
networks: st.SearchStrategy[IPNetwork] = st.one_of(
    st.builds(lambda ip, bits: ip_network((ip, bits), strict=False), st.ip_addresses(v=4), st.integers(0, 32)),
    st.builds(lambda ip, bits: ip_network((ip, bits), strict=False), st.ip_addresses(v=6), st.integers(0, 128)),
    st.sampled_from([ip_network(text) for text in ("10.0.0.0/24", "10.0.0.1/32", "10.0.0.0/8", "fd00::/64")]),
    st.sampled_from([ip_network(text) for text in ("0.0.0.0/0", "::/0")]),
)
addresses: st.SearchStrategy[IPInterface] = st.one_of(
    st.builds(lambda ip, bits: ip_interface((ip, bits)), st.ip_addresses(v=4), st.integers(0, 32)),
    st.builds(lambda ip, bits: ip_interface((ip, bits)), st.ip_addresses(v=6), st.integers(0, 128)),
    st.sampled_from([ip_interface(text) for text in ("10.0.0.1/24", "10.0.0.2/24", "10.0.0.1/32", "fd00::1/64")]),
)
hosts = st.one_of(st.ip_addresses().map(str), st.sampled_from(["vpn.example.org", "a-b.example.", "xn--bcher-kva"]))
endpoints = st.builds(Endpoint, hosts, st.integers(1, 65535))
tables = st.one_of(st.sampled_from(["auto", "off"]), st.integers(1, 0xFFFF_FFFF))
octets = st.integers(0, 2**64 - 1)
marks = st.one_of(
    st.sampled_from([0, 1, FIRST_POLICY_TABLE]),
    st.integers(0, 0xFFFF_FFFF).filter(lambda mark: mark not in SYSTEM_TABLES),
)


@st.composite
def peer_configs(draw: st.DrawFn) -> tuple[PeerConfig, ...]:
    """Peers with different keys that share no prefix."""
    keys = draw(st.lists(st.sampled_from(PUBLIC_KEYS), unique=True))
    owned = {prefix: draw(st.sampled_from(keys)) for prefix in draw(st.lists(networks, max_size=8)) if keys}
    return tuple(
        PeerConfig(
            key,
            preshared_key=draw(st.sampled_from([None, PresharedKey.none(), *PRESHARED_KEYS])),
            endpoint=draw(st.none() | endpoints),
            allowed_ips=tuple(prefix for prefix, owner in owned.items() if owner == key),
            persistent_keepalive_seconds=draw(st.integers(0, 65535)),
            probe=draw(st.none() | st.ip_addresses()),
        )
        for key in keys
    )


interface_configs = st.builds(
    InterfaceConfig,
    st.just("wg0"),
    st.sampled_from(PRIVATE_KEYS),
    listen_port=st.integers(0, 65535),
    fwmark=marks,
    mtu=st.integers(1280, 65535),
    addresses=st.lists(addresses, unique=True, max_size=4).map(tuple),
    table=tables,
    peers=peer_configs(),
    pmtu=st.booleans(),
    roamed_to=st.lists(st.ip_addresses() | st.just(ip_address("10.0.0.1")), max_size=2).map(tuple),
)


def _of_a_file(config: InterfaceConfig) -> InterfaceConfig:
    peers = tuple(replace(peer, probe=None) for peer in config.peers)
    return replace(config, roamed_to=(), pmtu=False, peers=peers)


file_configs = interface_configs.map(_of_a_file)
"""What a file of wg-quick can say of an interface: where a peer has roamed to is observed, and it has no probes."""


@st.composite
def peer_statuses(draw: st.DrawFn) -> tuple[PeerStatus, ...]:
    """What an engine may say of its peers."""
    return tuple(
        PeerStatus(
            peer.public_key,
            preshared_key=None if peer.preshared_key == PresharedKey.none() else peer.preshared_key,
            endpoint=peer.endpoint,
            allowed_ips=peer.allowed_ips,
            persistent_keepalive_seconds=peer.persistent_keepalive_seconds,
            latest_handshake=draw(st.none() | st.floats(1, 2**40)),
            rx_bytes=draw(octets),
            tx_bytes=draw(octets),
            probe_address=draw(st.none() | st.ip_addresses().filter(lambda address: not address.is_unspecified)),
        )
        for peer in draw(peer_configs())
    )


routes = st.builds(Route, networks, st.one_of(st.just(FIRST_POLICY_TABLE), st.integers(1, 0xFFFF_FFFF)))
rules = st.builds(
    Rule,
    version=st.sampled_from([4, 6]),
    fwmark=marks,
    table=st.sampled_from([MAIN_TABLE, FIRST_POLICY_TABLE, 7]),
    priority=st.sampled_from([7, LAST_RULE - 1, LAST_RULE]),
    suppress_prefix_length=st.none() | st.integers(0, 128),
    invert=st.booleans(),
)


@st.composite
def links(draw: st.DrawFn) -> LinkStatus:
    """A link with addresses of ours and of others, of whose connected routes some were deleted."""
    there = tuple(draw(st.lists(addresses, unique=True, max_size=4)))
    is_up = draw(st.booleans())
    made = tuple(draw(st.lists(routes, unique=True, max_size=4))) if is_up else ()
    connected = [address.network for address in there if is_up and draw(st.booleans())]
    return LinkStatus(
        up=is_up,
        mtu=draw(st.integers(68, 65535)),
        addresses=there,
        routes=made,
        own_addresses=frozenset(address for address in there if draw(st.booleans())),
        all_routes=frozenset((*map(Route, connected), *made)),
        index=draw(st.integers(1, 9)),
        promotes_secondaries=draw(st.booleans()),
    )


interface_statuses = st.builds(
    InterfaceStatus,
    st.just("wg0"),
    public_key=st.none() | st.sampled_from([key.public_key() for key in PRIVATE_KEYS]),
    listen_port=st.integers(0, 65535),
    fwmark=marks,
    peers=peer_statuses(),
    link=st.none() | links(),
    probe_sources=st.none() | st.lists(st.ip_addresses(), max_size=2).map(tuple),
    rules=st.lists(rules, unique=True, max_size=4).map(tuple),
)
