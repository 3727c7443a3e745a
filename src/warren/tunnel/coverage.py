"""Find the prefixes that contain addresses, and those that take all traffic; in time linear in both."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Network, collapse_addresses

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


def taking_all(prefixes: Iterable[IPNetwork]) -> frozenset[IPNetwork]:
    """Return the prefixes that take all traffic of an IP version.

    They are its default route, or else all prefixes of that version if they cover it together.
    """
    known = frozenset(prefixes)
    defaults = {prefix for prefix in known if prefix.prefixlen == 0}
    together = (version for version in (4, 6) if is_full(known, version) and version not in _versions(defaults))
    return frozenset(defaults.union(*({prefix for prefix in known if prefix.version == each} for each in together)))


def is_full(prefixes: Iterable[IPNetwork], version: int) -> bool:
    """Return True if the prefixes together cover every address of that version of IP."""
    own = [prefix for prefix in prefixes if prefix.version == version]
    # Most lists are far too small for it, and the sum costs less than sorting them.
    if sum(1 << (128 - prefix.prefixlen) for prefix in own) < 1 << 128:
        return False
    if version == 4:
        return next(collapse_addresses(p for p in own if isinstance(p, IPv4Network))).prefixlen == 0
    return next(collapse_addresses(p for p in own if isinstance(p, IPv6Network))).prefixlen == 0


def _versions(prefixes: Iterable[IPNetwork]) -> set[int]:
    return {prefix.version for prefix in prefixes}
