"""`warren status` as plain text; status_table.py renders it for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType

from warren.cli.format import format_age, format_bytes
from warren.terminal import visible_line
from warren.tunnel.status import InterfaceStatus, PeerStatus

NO_INTERFACE = "no interface is up\nbring one up with: warren up FILE.conf\n"
TITLES = ("peer", "endpoint", "allowed IPs", "handshake", "received", "sent", "keepalive")
MAX_SHOWN_PREFIXES = 4
ELSEWHERE = "in another netns"

Names = Mapping[str, str]
"""The configured names of peers, by their public keys."""
NO_NAMES: Names = MappingProxyType({})


def as_text(interfaces: Sequence[InterfaceStatus], now: float, names: Names = NO_NAMES) -> str:
    """Return every interface and peer in aligned columns, each cell in full."""
    blocks = ("\n".join(_lines(interface, now, names)) for interface in interfaces)
    return "\n\n".join(blocks) + "\n" if interfaces else NO_INTERFACE


def _lines(interface: InterfaceStatus, now: float, names: Names) -> Iterator[str]:
    yield "  ".join((visible_line(interface.name), state(interface), *facts(interface)))
    yield f"public key {interface.public_key or 'none yet'}"
    if interface.peers:
        rows = [TITLES, *(cells(peer, now, names) for peer in interface.peers)]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        for row in rows:
            yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def state(interface: InterfaceStatus) -> str:
    """Return the state of an interface."""
    if interface.link is None:
        return ELSEWHERE
    return "up" if interface.is_up else "down"


def facts(interface: InterfaceStatus) -> Iterator[str]:
    """Yield the settings of an interface that are shown after its state."""
    yield f"port {interface.listen_port or 'none'}"
    if interface.fwmark:
        yield f"fwmark {interface.fwmark:#x}"
    if interface.link is None:
        yield "(no such link in this network namespace)"
    else:
        yield f"mtu {interface.link.mtu}"
        addresses = [str(address) for address in interface.link.addresses if not address.is_link_local]
        yield ", ".join(addresses) or "no address"
    if not interface.peers:
        yield "no peers"
    for name, reason in interface.offloads_off:
        yield visible_line(f"{name} off: {reason}")


def cells(peer: PeerStatus, now: float, names: Names = NO_NAMES) -> tuple[str, ...]:
    """Return the row of a peer in the order of TITLES, with its configured name or else its key."""
    keepalive = peer.persistent_keepalive_seconds
    return (
        visible_line(names.get(str(peer.public_key), str(peer.public_key))),
        str(peer.endpoint or "unknown"),
        _prefixes(peer),
        format_age(peer.handshake_age_seconds(now)),
        format_bytes(peer.rx_bytes),
        format_bytes(peer.tx_bytes),
        f"{keepalive} s" if keepalive else "off",
    )


def _prefixes(peer: PeerStatus) -> str:
    shown = ", ".join(map(str, peer.allowed_ips[:MAX_SHOWN_PREFIXES]))
    more = len(peer.allowed_ips) - MAX_SHOWN_PREFIXES
    return f"{shown} and {more} more" if more > 0 else shown or "none"
