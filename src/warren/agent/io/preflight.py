"""What a configuration asks of this host and will not get, as far as anyone can see: for `warren validate`."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from warren._core import Netlink
from warren.agent.config import AgentConfig
from warren.errors import Finding, WarrenError
from warren.files.unix_socket import find_group
from warren.tunnel.config import IPInterface
from warren.tunnel.io.observe import lan_addresses
from warren.tunnel.network import NetworkConfig
from warren.tunnel.overlap import lan_warnings

if sys.platform != "win32":
    import pwd

SYSCTLS = Path("/proc/sys/net")
FIRST_FREE_PORT = SYSCTLS / "ipv4/ip_unprivileged_port_start"
NO_IPV6 = SYSCTLS / "ipv6/conf/default/disable_ipv6"  # of links that are made from now on
ROOT = 0


def host_warnings(config: AgentConfig) -> Iterator[Finding]:
    """A user or group that there is not, ports that its user may not bind, IPv6 where there is none, and prefixes of
    networks that this host is on.
    """
    uid = _uid(config.daemon.user)
    if sys.platform != "win32":
        yield from _login_warnings(config, uid)
    links: Mapping[str, Sequence[IPInterface]] = {}
    with suppress(WarrenError):
        links = lan_addresses(Netlink.open())
    for network in config.networks:
        for finding in lan_warnings(network, links):
            key = f"network.{network.name}.{finding.key}"
            yield replace(finding, key=key, line=config.line(key))
        if uid != ROOT:
            yield from _port_warnings(config, network)
        yield from _ipv6_warnings(config, network)


def _login_warnings(config: AgentConfig, uid: int | None) -> Iterator[Finding]:
    if uid is None:
        make = f"useradd --system --user-group --no-create-home --shell /usr/sbin/nologin {config.daemon.user}"
        problem = f"there is no user {config.daemon.user} on this host: started by root, the agent ends"
        yield _placed(config, "daemon.user", problem, f"make it: {make}")
    if find_group(config.daemon.group).gid is None:
        problem = f"there is no group {config.daemon.group} on this host: root alone may ask the agent"
        yield _placed(config, "daemon.group", problem, f"make it: groupadd --system {config.daemon.group}")


def _port_warnings(config: AgentConfig, network: NetworkConfig) -> Iterator[Finding]:
    first = _number(FIRST_FREE_PORT)
    if 0 < network.listen_port < first and network.backend != "kernel":
        problem = f"{network.listen_port} may be bound by root alone, and by the backend kernel; the agent is not root"
        expected = f"expected {first} or more; or: sysctl -w net.ipv4.ip_unprivileged_port_start={network.listen_port}"
        yield _placed(config, f"network.{network.name}.listen_port", problem, expected)


def _ipv6_warnings(config: AgentConfig, network: NetworkConfig) -> Iterator[Finding]:
    prefixes = (prefix for peer in network.peers for prefix in peer.allowed_ips if network.table != "off")
    if not any(each.version == 6 for each in (*network.addresses, *prefixes)):
        return
    if not NO_IPV6.exists() or _number(NO_IPV6):
        expected = "sysctl -w net.ipv6.conf.all.disable_ipv6=0"
        problem = "asks for IPv6, which this host has turned off"
        yield _placed(config, f"network.{network.name}", problem, f"take it out; or: {expected}")


def _placed(config: AgentConfig, key: str, problem: str, expected: str) -> Finding:
    return Finding(key, problem, expected, config.line(key))


def _uid(user: str) -> int | None:
    if sys.platform != "win32":
        with suppress(KeyError):
            return pwd.getpwnam(user).pw_uid
    return None


def _number(path: Path) -> int:
    """One of the kernel's settings; 0 where there is none such."""
    with suppress(OSError, ValueError):
        return int(path.read_text())
    return 0
