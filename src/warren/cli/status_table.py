"""What `warren status` draws on a terminal."""

from __future__ import annotations

import io
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from warren.cli.networks_text import NETWORK_TITLES, Answer, network_cells, troubles
from warren.cli.status_text import NAMELESS, NOTHING, TITLES, Names, cells, facts, state
from warren.tunnel.status import InterfaceStatus, PeerStatus

FULL_KEY_COLUMNS = 140  # below, a key is cut so that a line holds a peer
KEEPALIVE_COLUMNS = 100  # below, there is no room for it
KEY_CHARACTERS = 10  # tells peers apart
SHOWN_PEERS = 100  # nobody reads more at a glance
COLOURS = {"up": "bold green", "down": "bold red", "elsewhere": "bold yellow"}
NETWORK_COLOURS = {"healthy": "bold green", "degraded": "bold yellow", "unhealthy": "bold red"}


def drawn(
    interfaces: Sequence[InterfaceStatus],
    now: float,
    width: int | None = None,
    networks: Sequence[Answer] = (),
    names: Names = NAMELESS,
) -> str:
    """The agent's networks and every interface, fitted to the terminal or to `width` columns; what does not fit is left
    to `--json`.
    """
    # Drawn in memory: what the terminal does not take is our error to tell, not rich's.
    console = Console(file=io.StringIO(), force_terminal=True, width=width or Console().width, highlight=False)
    with console.capture() as capture:
        if networks:
            _draw_networks(console, networks)
        for number, interface in enumerate(interfaces):
            if number or networks:
                console.print()
            _draw(console, interface, now, names)
    return "".join(f"{line.rstrip()}\n" for line in capture.get().splitlines()) or NOTHING


def _draw_networks(console: Console, networks: Sequence[Answer]) -> None:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for title in NETWORK_TITLES:
        table.add_column(title, no_wrap=True)
    for network in networks:
        name, state, health, *others = network_cells(network)
        table.add_row(Text(name, "bold"), state, Text(health, NETWORK_COLOURS.get(health, "")), *others)
    console.print(table)
    for trouble in troubles(networks):
        console.print(Text(trouble, "red"), soft_wrap=True)


def _draw(console: Console, interface: InterfaceStatus, now: float, names: Names) -> None:
    word = state(interface)
    heading = ((interface.name, "bold"), "  ", (word, COLOURS[word]), "  ", "  ".join(facts(interface)))
    console.print(Text.assemble(*heading), soft_wrap=True)
    console.print(Text.assemble(("public key ", "dim"), str(interface.public_key or "none yet")), soft_wrap=True)
    if interface.peers:
        console.print(_peer_table(interface.peers[:SHOWN_PEERS], now, names, console.width))
    if len(interface.peers) > SHOWN_PEERS:
        console.print(f"and {len(interface.peers) - SHOWN_PEERS} more: see --json", style="dim")


def _peer_table(peers: Sequence[PeerStatus], now: float, names: Names, width: int) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for title in TITLES if width >= KEEPALIVE_COLUMNS else TITLES[:-1]:
        table.add_column(title, no_wrap=title != "allowed IPs", overflow="fold")
    for peer in peers:
        row: list[str | Text] = list(cells(peer, now, names))
        if row[0] == str(peer.public_key) and width < FULL_KEY_COLUMNS:
            row[0] = f"{row[0][:KEY_CHARACTERS]}…"
        seen = TITLES.index("handshake")
        row[seen] = Text(str(row[seen]), "green" if peer.is_up(now) else "dim")
        table.add_row(*row[: len(table.columns)])
    return table
