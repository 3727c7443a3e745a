"""Which prefixes contain which addresses, in time linear in both."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Network

from warren.config.parsers import IPAddress

IPNetwork = IPv4Network | IPv6Network


def containing(addresses: Iterable[IPAddress], prefixes: Iterable[IPNetwork]) -> dict[IPNetwork, IPAddress]:
    """Return the prefixes that contain one of the addresses, each with the first such address."""
    known = {(prefix.version, prefix.prefixlen, int(prefix.network_address)): prefix for prefix in prefixes}
    lengths = {version: {length for of, length, _ in known if of == version} for version in (4, 6)}
    found: dict[IPNetwork, IPAddress] = {}
    for address in dict.fromkeys(addresses):
        number, bits = int(address), address.max_prefixlen
        for length in lengths[address.version]:
            network = number >> (bits - length) << (bits - length)
            prefix = known.get((address.version, length, network))
            if prefix is not None:
                found.setdefault(prefix, address)
    return found
