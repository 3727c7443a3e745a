"""What `warren status` says, in words: to a pipe as it is, to a terminal by status_table.py."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType

from warren.cli.format import format_age, format_bytes
from warren.tunnel.status import InterfaceStatus, PeerStatus

NOTHING = "no interface is up\nbring one up with: warren up FILE.conf\n"
TITLES = ("peer", "endpoint", "allowed IPs", "handshake", "received", "sent", "keepalive")
SHOWN_PREFIXES = 4

Names = Mapping[str, str]
"""What the agent calls peers, by their public keys."""
NAMELESS: Names = MappingProxyType({})


def plain(interfaces: Sequence[InterfaceStatus], now: float, names: Names = NAMELESS) -> str:
    """Every interface and peer, in columns that are neither cut nor folded."""
    blocks = ("\n".join(_lines(interface, now, names)) for interface in interfaces)
    return "\n\n".join(blocks) + "\n" if interfaces else NOTHING


def _lines(interface: InterfaceStatus, now: float, names: Names) -> Iterator[str]:
    yield "  ".join((interface.name, state(interface), *facts(interface)))
    yield f"public key {interface.public_key or 'none yet'}"
    if interface.peers:
        rows = [TITLES, *(cells(peer, now, names) for peer in interface.peers)]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        for row in rows:
            yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def state(interface: InterfaceStatus) -> str:
    """How it is, in one word."""
    if interface.link is None:
        return "elsewhere"
    return "up" if interface.is_up else "down"


def facts(interface: InterfaceStatus) -> Iterator[str]:
    """What else there is to say of an interface."""
    yield f"port {interface.listen_port or 'none'}"
    if interface.fwmark:
        yield f"fwmark {interface.fwmark:#x}"
    if interface.link is None:
        yield "(this network namespace has no such link)"
    else:
        yield f"mtu {interface.link.mtu}"
        addresses = [str(address) for address in interface.link.addresses if not address.is_link_local]
        yield ", ".join(addresses) or "no address"
    if not interface.peers:
        yield "no peers"
    for name, reason in interface.offloads_off:
        yield f"without {name}: {reason}"


def cells(peer: PeerStatus, now: float, names: Names = NAMELESS) -> tuple[str, ...]:
    """One peer, in the order of TITLES: by its name, or by its key where it has none."""
    keepalive = peer.persistent_keepalive_seconds
    return (
        names.get(str(peer.public_key), str(peer.public_key)),
        str(peer.endpoint or "unknown"),
        _prefixes(peer),
        format_age(peer.handshake_age_seconds(now)),
        format_bytes(peer.rx_bytes),
        format_bytes(peer.tx_bytes),
        f"{keepalive} s" if keepalive else "off",
    )


def _prefixes(peer: PeerStatus) -> str:
    shown = ", ".join(map(str, peer.allowed_ips[:SHOWN_PREFIXES]))
    more = len(peer.allowed_ips) - SHOWN_PREFIXES
    return f"{shown} and {more} more" if more > 0 else shown or "none"
