"""What stands before a default route, as wg-quick(8) has it: a table of nftables for each version of IP.

It drops packets to the interface's own addresses that come by another link, so that nobody on the path can guess at
the tunnel's connections (CVE-2019-14899); and answers to the engine's datagrams get the engine's mark, so that a strict
check of the reverse path (RFC 3704, section 2.2) asks for the way back of the engine, which is not the tunnel.
"""

from __future__ import annotations

from dataclasses import dataclass

from warren.tunnel.config import InterfaceConfig
from warren.tunnel.network import IPAddress
from warren.tunnel.routes import rules_for


@dataclass(frozen=True, slots=True)
class Guard:
    """The table of one interface and version of IP."""

    link: str
    version: int
    fwmark: int
    addresses: tuple[IPAddress, ...]
    """Of the interface; of that version."""


def guards_for(config: InterfaceConfig) -> tuple[Guard, ...]:
    """One for each version whose default route has rules."""
    marks = {rule.version: rule.fwmark for rule in rules_for(config)}
    return tuple(Guard(config.name, version, marks[version], _addresses(config, version)) for version in sorted(marks))


def _addresses(config: InterfaceConfig, version: int) -> tuple[IPAddress, ...]:
    return tuple(address.ip for address in config.addresses if address.version == version)
