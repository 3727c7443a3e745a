"""The addresses that hosts(5) gives to a name."""

from __future__ import annotations

from ipaddress import ip_address

from warren.tunnel.network import IPAddress


def hosts_addresses(text: str, name: str) -> tuple[IPAddress, ...]:
    """In the order of the file; a line that is none is passed over, as the system's resolver does."""
    wanted = name.removesuffix(".").lower()
    found: list[IPAddress] = []
    for line in text.splitlines():
        address, *names = line.partition("#")[0].split() or [""]
        if wanted in (each.lower() for each in names):
            try:
                found.append(ip_address(address))
            except ValueError:
                continue
    return tuple(found)
