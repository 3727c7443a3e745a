"""Preflight checks: what a configuration needs and this host does not offer, for `warren validate`."""

from __future__ import annotations

import errno
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from warren._core import Netlink
from warren.agent.config import AgentConfig
from warren.commands.providers.openvpn_files import VpnFiles
from warren.errors import Finding, WarrenError
from warren.files.replaceable import check_replaceable
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
    """Yield a warning for each user, group, port, protocol, prefix or file that this host does not offer or permit."""
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
    yield from _replaced_file_warnings(config)


def _replaced_file_warnings(config: AgentConfig) -> Iterator[Finding]:
    """Yield a warning for each file that the agent replaces and that a rename cannot replace."""
    for key, path, use in _replaced_files(config):
        try:
            check_replaceable(Path(path))
        except OSError as error:
            is_key = key.endswith(".private_key_path")
            if error.errno == errno.EBUSY or not is_key:  # check_keys() reports what else a key file may be
                yield _finding(config, key, f"{path} {error.strerror}", f"otherwise {use} fails")


def _replaced_files(config: AgentConfig) -> Iterator[tuple[str, str, str]]:
    commands = config.commands
    for network in config.networks:
        yield f"network.{network.name}.private_key_path", network.private_key_path, "`warren rotate-keys`"
    if commands.security.root:
        yield "security.trust", commands.security.trust, "`warren trust install`"
    if commands.services.panel.htpasswd is not None:
        yield "services.panel.htpasswd", commands.services.panel.htpasswd, "every change of a panel user"
    if commands.services.openvpn.directory is not None:
        crl = VpnFiles(commands.services.openvpn.directory).crl
        yield "services.openvpn.directory", crl, "the revocation of a user"


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
