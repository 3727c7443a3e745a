"""Sets of addresses of one version of IP, as sorted ranges of numbers that neither overlap nor touch. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address

from warren.tunnel.coverage import IPNetwork

Range = tuple[int, int]
"""The first and the last address."""
Ranges = tuple[Range, ...]


def ranges_of(prefixes: Iterable[IPNetwork]) -> Ranges:
    """Return the addresses of prefixes of one version."""
    return merged((int(prefix.network_address), int(prefix.broadcast_address)) for prefix in prefixes)


def merged(ranges: Iterable[Range]) -> Ranges:
    """Return ranges in any order as a set."""
    found: list[Range] = []
    for first, last in sorted(ranges):
        if found and first <= found[-1][1] + 1:
            found[-1] = (found[-1][0], max(found[-1][1], last))
        else:
            found.append((first, last))
    return tuple(found)


def minus(ranges: Ranges, removed: Ranges) -> Ranges:
    """Return the addresses of a set that are not in another."""
    found: list[Range] = []
    position = 0  # of the first hole that may concern the range, and the ranges after it
    for first, last in ranges:
        while position < len(removed) and removed[position][1] < first:
            position += 1
        start, hole = first, position
        while hole < len(removed) and removed[hole][0] <= last:
            if start < removed[hole][0]:
                found.append((start, removed[hole][0] - 1))
            start = removed[hole][1] + 1
            hole += 1
        if start <= last:
            found.append((start, last))
    return tuple(found)


def shared(ranges: Ranges, others: Ranges) -> Ranges:
    """Return the addresses that are in both sets."""
    return minus(ranges, minus(ranges, others))


def shifted(ranges: Ranges, base: int, bits: int) -> Ranges:
    """Return IPv4 addresses as the IPv6 addresses below `base` that carry them, followed by any `bits` bits."""
    return tuple((base | first << bits, base | last << bits | (1 << bits) - 1) for first, last in ranges)


def as_text(one: Range, version: int) -> str:
    """Return a range as nftables reads it."""
    address = IPv4Address if version == 4 else IPv6Address
    first, last = one
    return str(address(first)) if first == last else f"{address(first)}-{address(last)}"
