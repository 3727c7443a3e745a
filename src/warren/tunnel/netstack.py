"""The tables of a network stack, from the configuration of its network. Pure.

The stack takes them whole and swaps them at once (`Device.set_tables`): flows that the new tables still allow go on.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from warren.tunnel.config import Endpoint, InterfaceConfig, canonical_address
from warren.tunnel.exit_policy import ExitNode
from warren.tunnel.netstack_settings import ForwardSettings, ProxySettings
from warren.tunnel.network import NetworkConfig, ProxyKind

Tables = Mapping[str, Any]
"""Plain values by name, as `warren._core.Device` takes them."""
KINDS: Mapping[ProxyKind, str] = {"socks5": "socks5", "http_proxy": "http", "mixed": "mixed"}
NO_PASSWORDS: Mapping[str, str] = {}
NO_TABLES: Tables = {}
"""For an engine that has no stack."""


@dataclass(frozen=True, slots=True)
class SetTables:
    """The step that gives a stack other tables."""


def stack_tables(network: NetworkConfig, passwords: Mapping[str, str] = NO_PASSWORDS) -> dict[str, Any]:
    """Return the tables of a network; `passwords` are those of its proxies by kind, read from their files."""
    return {
        "addresses": [str(address) for address in network.addresses],
        "mtu": network.mtu,
        "congestion": network.netstack.congestion,
        "memory": network.netstack.memory,
        "max_flows": network.netstack.max_flows,
        "udp_filtering": network.netstack.udp_filtering,
        "exit": _exit(network.exit_node) if network.exit_node.enabled else None,
        "forwards": [_forward(forward) for forward in network.forwards],
        "proxies": [_proxy(kind, proxy, passwords.get(kind)) for kind, proxy in network.proxies()],
        "dns": {
            "routes": {domain: _texts(servers) for domain, servers in network.dns_routes.items()},
            "servers": _texts(network.dns),
            "rebind_allow": [*network.dns_rebind_allow],
            "host_only": [*_names(peer.endpoint for peer in network.peers)],
            "listen": None,
        },
    }


def interface_tables(config: InterfaceConfig, dns: Sequence[str] = ()) -> dict[str, Any]:
    """Return the tables of an interface without the settings of a network; `dns` as in wg-quick(8). Nothing listens."""
    tables = stack_tables(NetworkConfig(config.name, "/", addresses=config.addresses, mtu=config.mtu))
    tables["dns"] |= {
        "servers": [text for text in dns if canonical_address(text) is not None],
        "host_only": [*_names(peer.endpoint for peer in config.peers)],
    }
    return tables


def _exit(policy: ExitNode) -> dict[str, Any]:
    return {
        "routes": _texts(policy.routes),
        "allow": _texts(policy.allow),
        "deny": _texts(policy.deny),
        "allow_lan": policy.allow_lan,
        "mesh": [],
    }


def _forward(forward: ForwardSettings) -> dict[str, Any]:
    return {
        "protocol": forward.protocol,
        "listen": None if forward.listen is None else str(forward.listen),
        "tunnel_port": forward.tunnel_port,
        "to": str(forward.to),
        "from": _texts(forward.sources),
    }


def _proxy(kind: ProxyKind, proxy: ProxySettings, password: str | None) -> dict[str, Any]:
    return {
        "kind": KINDS[kind],
        "listen": str(proxy.listen),
        "user": proxy.user,
        "password": password,
        "outside": proxy.outside,
    }


def _names(endpoints: Iterable[Endpoint | None]) -> Iterator[str]:
    """Yield the names of endpoints: they lead outside the tunnel, so only the host is asked for them (W-39)."""
    yield from dict.fromkeys(each.host for each in endpoints if each is not None and not each.is_address)


def _texts(values: Sequence[object]) -> list[str]:
    return [*map(str, values)]
