"""Hypothesis strategies for networks of the agent, and for texts that look like its configuration."""

from __future__ import annotations

import string
from dataclasses import replace
from ipaddress import ip_address, ip_network
from typing import Any

from hypothesis import strategies as st

from tests.tunnel.strategies import PUBLIC_KEYS, addresses, endpoints, names, networks, tables
from warren.tunnel.config import SYSTEM_TABLES
from warren.tunnel.exit_policy import ExitEntry, ExitNode
from warren.tunnel.netstack_settings import ForwardSettings, NetstackSettings, ProxySettings, TcpAddress, UnixPath
from warren.tunnel.network import PROXY_KINDS, NetworkConfig, NetworkPeer

network_names = st.text(string.ascii_letters + string.digits + "_-", min_size=1, max_size=64).filter(
    lambda name: name != "peers"
)
peer_names = st.text(st.characters(categories=("L", "N", "P", "S")), min_size=1, max_size=64).filter(str.isprintable)
paths = st.lists(
    st.text(st.characters(exclude_characters="/\0", codec="utf-8"), min_size=1, max_size=8), min_size=1
).map(lambda parts: "/" + "/".join(part if part != ".." else "dots" for part in parts))


@st.composite
def network_peers(draw: st.DrawFn) -> tuple[NetworkPeer, ...]:
    """Peers of one network: no prefix is shared, but by two that stand in for each other."""
    keys = draw(st.lists(st.sampled_from(PUBLIC_KEYS), unique=True))
    own_names = draw(st.lists(peer_names, unique=True, min_size=len(keys), max_size=len(keys)))
    owned = {prefix: draw(st.sampled_from(keys)) for prefix in draw(st.lists(networks, max_size=6)) if keys}
    shared = (ip_network("203.0.113.0/24"),)
    redundant = {key for key in keys if key not in owned.values() and shared[0] not in owned and draw(st.booleans())}
    return tuple(
        NetworkPeer(
            name=name,
            public_key=key,
            preshared_key_path=draw(st.none() | paths),
            endpoint=draw(st.none() | endpoints),
            allowed_ips=shared if key in redundant else tuple(ip for ip, owner in owned.items() if owner == key),
            persistent_keepalive_seconds=draw(st.integers(0, 65535)),
            probe=draw(st.none() | st.ip_addresses()),
        )
        for name, key in zip(own_names, keys, strict=True)
    )


port_numbers = st.integers(1, 65535)
port_ranges = st.tuples(st.integers(1, 65535), st.integers(1, 65535)).map(lambda ports: (min(ports), max(ports)))
exit_entries = st.lists(st.builds(ExitEntry, prefix=networks, ports=st.none() | port_ranges), max_size=3).map(tuple)
exit_nodes = st.builds(
    ExitNode,
    enabled=st.booleans(),
    routes=st.lists(networks, min_size=1, max_size=3).map(tuple),
    dns=st.lists(st.ip_addresses(), max_size=3).map(tuple),
    allow_lan=st.booleans(),
    allow=exit_entries,
    deny=exit_entries,
)

network_configs = st.builds(
    NetworkConfig,
    name=network_names,
    private_key_path=paths,
    enabled=st.booleans(),
    interface=names,
    mtu=st.integers(1280, 65535),
    addresses=st.lists(addresses, unique=True, max_size=3).map(tuple),
    listen_port=st.integers(0, 65535),
    dns=st.lists(st.ip_addresses(), max_size=3).map(tuple),
    fwmark=st.integers(0, 0xFFFF_FFFF).filter(lambda mark: mark not in SYSTEM_TABLES),  # with a default route refused
    table=tables.filter(lambda table: table not in SYSTEM_TABLES),
    backend=st.sampled_from(["auto", "kernel", "userspace"]),
    exit_node=exit_nodes,
    peers=network_peers(),
)

tcp_addresses = st.builds(TcpAddress, st.sampled_from([ip_address("127.0.0.1"), ip_address("::1")]), port_numbers)
listeners = tcp_addresses | paths.map(UnixPath)
proxies = st.builds(ProxySettings, listen=listeners, outside=st.sampled_from(["refuse", "direct"])) | st.builds(
    ProxySettings, listen=listeners, user=st.just("me"), password_path=paths
)
forwards = st.builds(ForwardSettings, to=endpoints, listen=tcp_addresses) | (
    st.builds(
        ForwardSettings,
        to=endpoints,
        tunnel_port=port_numbers,
        sources=st.lists(networks, max_size=2).map(tuple),
    )
)
domains = st.sampled_from(["corp.example", "example", "a-b.example.org"])
servers = st.lists(st.ip_addresses(), min_size=1, max_size=2).map(tuple)
netstacks = st.builds(
    NetstackSettings,
    memory=st.integers(4 << 20, 4 << 30),
    max_flows=st.integers(16, 65_536),
    congestion=st.sampled_from(["bbr", "cubic"]),
    udp_filtering=st.sampled_from(["address", "endpoint-independent", "address-and-port"]),
)


@st.composite
def netstack_configs(draw: st.DrawFn) -> NetworkConfig:
    """Networks of backend netstack with all of its tables; no listener is there twice."""
    network = draw(network_configs)
    values: dict[str, Any] = {
        "backend": "netstack",
        "exit_node": replace(network.exit_node, dns=()),
        "dns_rebind_allow": draw(st.lists(domains, max_size=2).map(tuple)),
        "dns_routes": draw(st.dictionaries(domains, servers, max_size=2)),
        "netstack": draw(netstacks),
        "forwards": draw(
            st.lists(forwards, max_size=3, unique_by=lambda each: (each.protocol, each.listen, each.tunnel_port))
        ),
    }
    listening = {each.listen for each in values["forwards"]}
    for kind in PROXY_KINDS:
        proxy = draw(st.just(ProxySettings()) | proxies)
        if proxy.listen not in listening:
            values[kind] = proxy
            listening.add(proxy.listen)
    return replace(network, **{**values, "forwards": tuple(values["forwards"])})


# Pieces of the configuration's own language, right and wrong, so that texts come far enough to be judged.
FRAGMENTS = (
    "[network.a]",
    "[network.b]",
    "[[network.peers]]",
    "[[network.a.peers]]",
    "[network.peers]",
    "[network.a.exit_node]",
    "[network.a.socks5]",
    "[[network.a.forwards]]",
    'listen = "0.0.0.0:1080"',
    'backend = "netstack"',
    "[network]",
    "[ 'network' . \"a\" . peers ]",
    "[daemon]",
    "[http]",
    "[metrics]",
    "[mesh]",
    "[nonsense]",
    'interface = "wg0"',
    "mtu = 1",
    "mtu = 1420 # [[network.peers]]",
    'private_key_path = "/k"',
    'private_key = "k"',
    'name = "p"',
    f'public_key = "{PUBLIC_KEYS[0]}"',
    'public_key = "short"',
    'allowed_ips = ["10.0.0.0/8",',
    "]",
    'deny = ["[2001:db8::/32]:25"]',
    "peers = [{name = 'a'}, 3]",
    'dns = """',
    "'''",
    '"',
    "[[",
    "a.b.c = 1",
    "enabled = {x = [[1]]}",
    "port = 99999999999999999999",
    "when = 2026-01-01T00:00:00Z",
    "bind = nan",
    "\0",
    "é = 1",
)
likely_texts = st.lists(st.sampled_from(FRAGMENTS), max_size=14).map("\n".join)
texts = likely_texts | st.text() | st.text("[]=#\n.'\"network,peers{}\\ 01")
