"""Preflight checks: what a configuration needs and this host does not offer, for `warren validate`."""

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
UNPRIVILEGED_PORT_START = SYSCTLS / "ipv4/ip_unprivileged_port_start"
IPV6_DISABLED = SYSCTLS / "ipv6/conf/default/disable_ipv6"  # of links that are made from now on
ROOT = 0


def host_warnings(config: AgentConfig) -> Iterator[Finding]:
    """Yield a warning for each missing user or group, privileged port, disabled IPv6 and overlap with a LAN."""
    uid = _uid(config.daemon.user)
    if sys.platform != "win32":
        yield from _account_warnings(config, uid)
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


def _account_warnings(config: AgentConfig, uid: int | None) -> Iterator[Finding]:
    if uid is None:
        make = f"useradd --system --user-group --no-create-home --shell /usr/sbin/nologin {config.daemon.user}"
        problem = f"there is no user {config.daemon.user} on this host: an agent that root starts exits"
        yield _finding(config, "daemon.user", problem, f"create it: {make}")
    if find_group(config.daemon.group).gid is None:
        problem = f"there is no group {config.daemon.group} on this host: only root may use the control socket"
        yield _finding(config, "daemon.group", problem, f"create it: groupadd --system {config.daemon.group}")


def _port_warnings(config: AgentConfig, network: NetworkConfig) -> Iterator[Finding]:
    first = _sysctl(UNPRIVILEGED_PORT_START)
    if 0 < network.listen_port < first and network.backend != "kernel":
        problem = f"{network.listen_port} is a privileged port: only root and the backend kernel may bind it"
        expected = f"expected {first} or more; or: sysctl -w net.ipv4.ip_unprivileged_port_start={network.listen_port}"
        yield _finding(config, f"network.{network.name}.listen_port", problem, expected)


def _ipv6_warnings(config: AgentConfig, network: NetworkConfig) -> Iterator[Finding]:
    prefixes = (prefix for peer in network.peers for prefix in peer.allowed_ips if network.table != "off")
    if not any(item.version == 6 for item in (*network.addresses, *prefixes)):
        return
    if not IPV6_DISABLED.exists() or _sysctl(IPV6_DISABLED):
        expected = "sysctl -w net.ipv6.conf.all.disable_ipv6=0"
        problem = "needs IPv6, which is disabled on this host"
        yield _finding(config, f"network.{network.name}", problem, f"remove the IPv6 prefixes, or run: {expected}")


def _finding(config: AgentConfig, key: str, problem: str, expected: str) -> Finding:
    return Finding(key, problem, expected, config.line(key))


def _uid(user: str) -> int | None:
    if sys.platform != "win32":
        with suppress(KeyError):
            return pwd.getpwnam(user).pw_uid
    return None


def _sysctl(path: Path) -> int:
    """Return the value of a sysctl, 0 if this kernel does not have it."""
    with suppress(OSError, ValueError):
        return int(path.read_text())
    return 0
