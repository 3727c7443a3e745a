"""What `warren status` shows to people."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from warren.cli.output import tell, write
from warren.cli.units import ago, octets
from warren.tunnel.io.observe import Survey
from warren.tunnel.status import InterfaceStatus, PeerStatus

NOTHING = "no interface is up\nbring one up with: warren up FILE.conf\n"
FULL_KEY_COLUMNS = 140  # below, a key is cut so that a line holds a peer
KEY_CHARACTERS = 10  # tells peers apart; --json and `wg show` have all 44
PIPE_COLUMNS = 1000  # nothing is cut or folded for a program
SHOWN_PREFIXES = 4


def show(found: Survey, now: float) -> None:
    """Interfaces to standard output, then on standard error what could not be asked."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=PIPE_COLUMNS)
    with console.capture() as capture:
        for interface in found.interfaces:
            console.print(*heading(interface), sep="\n")
            if interface.peers:
                console.print(peer_table(interface.peers, now, cut=console.width < FULL_KEY_COLUMNS))
    write(capture.get() or ("" if found.failures else NOTHING))
    for error in found.failures.values():
        tell(str(error), error.remedy)


def heading(interface: InterfaceStatus) -> Iterable[RenderableType]:
    """Two lines: state, and who it is."""
    state = Text("up", "bold green") if interface.is_up else Text("down", "bold red")
    yield Text.assemble((interface.name, "bold"), "  ", state, "  ", "  ".join(_facts(interface)))
    yield Text.assemble(("public key ", "dim"), str(interface.public_key or "none yet"))


def _facts(interface: InterfaceStatus) -> Iterable[str]:
    yield f"port {interface.listen_port or 'none'}"
    if interface.fwmark:
        yield f"fwmark {interface.fwmark:#x}"
    if interface.link is None:
        yield "its link is not in this network namespace"
        return
    yield f"mtu {interface.link.mtu}"
    addresses = [str(address) for address in interface.link.addresses if not address.is_link_local]
    yield ", ".join(addresses) or "no address"
    if not interface.peers:
        yield "no peers"


def peer_table(peers: Iterable[PeerStatus], now: float, *, cut: bool) -> Table:
    """One line a peer."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for title in ("peer", "endpoint", "allowed IPs", "latest handshake", "received", "sent", "keepalive"):
        table.add_column(title, no_wrap=title != "allowed IPs")
    for peer in peers:
        table.add_row(*cells(peer, now, cut=cut))
    return table


def cells(peer: PeerStatus, now: float, *, cut: bool) -> Iterable[RenderableType]:
    """The columns of a peer."""
    key = str(peer.public_key)
    yield f"{key[:KEY_CHARACTERS]}…" if cut else key
    yield str(peer.endpoint or "unknown")
    yield prefixes(peer)
    yield Text(ago(peer.handshake_age_seconds(now)), "green" if peer.is_up(now) else "dim")
    yield octets(peer.rx_bytes)
    yield octets(peer.tx_bytes)
    yield f"{peer.persistent_keepalive_seconds} s" if peer.persistent_keepalive_seconds else "off"


def prefixes(peer: PeerStatus) -> str:
    """Some of what is routed to the peer."""
    shown = ", ".join(map(str, peer.allowed_ips[:SHOWN_PREFIXES]))
    more = len(peer.allowed_ips) - SHOWN_PREFIXES
    return f"{shown} and {more} more" if more > 0 else shown or "none"
