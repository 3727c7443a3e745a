"""Find the prefixes that contain addresses, and those that take all traffic; in time linear in both."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Network, collapse_addresses

from warren.config.parsers import IPAddress

IPNetwork = IPv4Network | IPv6Network


def containing(addresses: Iterable[IPAddress], prefixes: Iterable[IPNetwork]) -> dict[IPNetwork, IPAddress]:
    """Return the prefixes that contain one of the addresses, each with the first such address."""
    wanted = tuple(dict.fromkeys(addresses))
    if not wanted:
        return {}
    known = {(prefix.version, prefix.prefixlen, int(prefix.network_address)): prefix for prefix in prefixes}
    lengths = {version: {length for of, length, _ in known if of == version} for version in (4, 6)}
    found: dict[IPNetwork, IPAddress] = {}
    for address in wanted:
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
    known = tuple(prefixes)
    found: set[IPNetwork] = set()
    for version in (4, 6):
        defaults = {prefix for prefix in known if prefix.prefixlen == 0 and prefix.version == version}
        if defaults or is_full(known, version):
            found.update(defaults or (prefix for prefix in known if prefix.version == version))
    return frozenset(found)


def is_full(prefixes: Iterable[IPNetwork], version: int) -> bool:
    """Return True if the prefixes together cover every address of that version of IP."""
    known = tuple(prefixes)
    counts = Counter(prefix.prefixlen for prefix in known if prefix.version == version)
    # Most lists are far too small for it, and a count costs less than sorting them.
    if sum(count << (128 - length) for length, count in counts.items()) < 1 << 128:
        return False
    if version == 4:
        return next(collapse_addresses(p for p in known if isinstance(p, IPv4Network))).prefixlen == 0
    return next(collapse_addresses(p for p in known if isinstance(p, IPv6Network))).prefixlen == 0
