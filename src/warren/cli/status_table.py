"""What `warren status` shows to people."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from warren.cli.output import tell, write
from warren.cli.units import ago, octets
from warren.tunnel.io.observe import Survey
from warren.tunnel.status import InterfaceStatus, PeerStatus

NOTHING = "no interface is up\nbring one up with: warren up FILE.conf\n"
PIPE_COLUMNS = 1000  # nothing is cut or folded for a program
FULL_KEY_COLUMNS = 140  # below, a key is cut so that a line holds a peer
KEEPALIVE_COLUMNS = 100  # below, there is no room for it
KEY_CHARACTERS = 10  # tells peers apart; --json and `wg show` have all 44
SHOWN_PREFIXES = 4


def show(found: Survey, now: float) -> None:
    """Interfaces to standard output, then on standard error what could not be asked."""
    terminal = Console()
    width = terminal.width if terminal.is_terminal else PIPE_COLUMNS
    # Drawn in memory: what the terminal or pipe does not take is our error to tell, not rich's.
    console = Console(file=io.StringIO(), force_terminal=terminal.is_terminal, width=width, highlight=False)
    with console.capture() as capture:
        for number, interface in enumerate(found.interfaces):
            console.print(*[""] * bool(number), *heading(interface), sep="\n")
            if interface.peers:
                console.print(peer_table(interface.peers, now, width))
    text = "".join(f"{line.rstrip()}\n" for line in capture.get().splitlines())
    write(text or ("" if found.failures else NOTHING))
    for error in found.failures.values():
        tell(str(error), error.remedy)


def heading(interface: InterfaceStatus) -> Iterator[RenderableType]:
    """Two lines: how it is, and who it is."""
    yield Text.assemble((interface.name, "bold"), "  ", _state(interface), "  ", "  ".join(_facts(interface)))
    yield Text.assemble(("public key ", "dim"), str(interface.public_key or "none yet"))


def _state(interface: InterfaceStatus) -> tuple[str, str]:
    if interface.link is None:
        return "elsewhere", "bold yellow"
    return ("up", "bold green") if interface.is_up else ("down", "bold red")


def _facts(interface: InterfaceStatus) -> Iterator[str]:
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


def peer_table(peers: Iterable[PeerStatus], now: float, width: int) -> Table:
    """One row a peer; on a narrow terminal some of it is left to --json."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for title in ("peer", "endpoint"):
        table.add_column(title, no_wrap=True)
    table.add_column("allowed IPs", overflow="fold", no_wrap=width == PIPE_COLUMNS)
    for title in ("handshake", "received", "sent"):
        table.add_column(title, no_wrap=True)
    if width >= KEEPALIVE_COLUMNS:
        table.add_column("keepalive", no_wrap=True)
    for peer in peers:
        table.add_row(*list(_cells(peer, now, width))[: len(table.columns)])
    return table


def _cells(peer: PeerStatus, now: float, width: int) -> Iterator[RenderableType]:
    key = str(peer.public_key)
    yield key if width >= FULL_KEY_COLUMNS else f"{key[:KEY_CHARACTERS]}…"
    yield str(peer.endpoint or "unknown")
    yield _prefixes(peer)
    yield Text(ago(peer.handshake_age_seconds(now)), "green" if peer.is_up(now) else "dim")
    yield octets(peer.rx_bytes)
    yield octets(peer.tx_bytes)
    yield f"{peer.persistent_keepalive_seconds} s" if peer.persistent_keepalive_seconds else "off"


def _prefixes(peer: PeerStatus) -> str:
    shown = ", ".join(map(str, peer.allowed_ips[:SHOWN_PREFIXES]))
    more = len(peer.allowed_ips) - SHOWN_PREFIXES
    return f"{shown} and {more} more" if more > 0 else shown or "none"
