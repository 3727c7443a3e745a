"""The nftables guard of an interface with policy rules, as in wg-quick(8): one table for each version of IP.

It marks answers to the engine's datagrams with the engine's mark, so that a strict reverse path check (RFC 3704,
section 2.2) looks up the engine's route and not the tunnel's. For a tunnel that takes all traffic it also drops packets
to the interface's own addresses that arrive on another link, so that nobody on the path can probe the tunnel's
connections (CVE-2019-14899).
"""

from __future__ import annotations

from dataclasses import dataclass

from warren.config.parsers import IPAddress
from warren.tunnel.config import InterfaceConfig
from warren.tunnel.coverage import is_full
from warren.tunnel.routes import rules_for


@dataclass(frozen=True, slots=True)
class Guard:
    """The table of one interface and one version of IP."""

    link: str
    version: int
    fwmark: int
    addresses: tuple[IPAddress, ...]
    """The interface's addresses of that version; none unless all traffic of that version goes into the tunnel."""


def guards_for(config: InterfaceConfig) -> tuple[Guard, ...]:
    """Return one guard for each version of IP that has policy rules."""
    marks = {rule.version: rule.fwmark for rule in rules_for(config)}
    return tuple(Guard(config.name, version, marks[version], _addresses(config, version)) for version in sorted(marks))


def _addresses(config: InterfaceConfig, version: int) -> tuple[IPAddress, ...]:
    allowed = (prefix for peer in config.peers for prefix in peer.allowed_ips)
    if not is_full(allowed, version):
        return ()
    return tuple(address.ip for address in config.addresses if address.version == version)
