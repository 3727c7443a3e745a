"""`warren status` on a terminal."""

from __future__ import annotations

import io
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from warren.cli.networks_text import NETWORK_TITLES, Answer, network_cells, network_problems
from warren.cli.status_text import ELSEWHERE, NO_INTERFACE, NO_NAMES, TITLES, Names, cells, facts, state
from warren.terminal import visible_line
from warren.tunnel.status import InterfaceStatus, PeerStatus

FULL_KEY_COLUMNS = 140  # below, a key is shortened so that a line holds a peer
KEEPALIVE_COLUMNS = 100  # below, the column does not fit
KEY_CHARACTERS = 10  # distinguishes peers
MAX_SHOWN_PEERS = 100  # a person does not read more
COLOURS = {"up": "bold green", "down": "bold red", ELSEWHERE: "bold yellow"}
NETWORK_COLOURS = {"healthy": "bold green", "degraded": "bold yellow", "unhealthy": "bold red"}


def as_table(
    interfaces: Sequence[InterfaceStatus],
    now: float,
    width: int | None = None,
    networks: Sequence[Answer] = (),
    names: Names = NO_NAMES,
) -> str:
    """Return networks and interfaces, fitted to the terminal or to `width` columns, with styles of our own alone.

    `--json` shows what does not fit.
    """
    # Rendered in memory, so that a failure to write is reported by our own error and not rich's.
    console = Console(file=io.StringIO(), force_terminal=True, width=width or Console().width, highlight=False)
    with console.capture() as capture:
        if networks:
            _print_networks(console, networks)
        for number, interface in enumerate(interfaces):
            if number or networks:
                console.print()
            _print_interface(console, interface, now, names)
    return "".join(f"{line.rstrip()}\n" for line in capture.get().splitlines()) or NO_INTERFACE


def _print_networks(console: Console, networks: Sequence[Answer]) -> None:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for title in NETWORK_TITLES:
        table.add_column(title, no_wrap=True)
    for network in networks:
        name, state, health, *others = network_cells(network)
        table.add_row(Text(name, "bold"), state, Text(health, NETWORK_COLOURS.get(health, "")), *others)
    console.print(table)
    for problem in network_problems(networks):
        console.print(Text(problem, "red"), soft_wrap=True)


def _print_interface(console: Console, interface: InterfaceStatus, now: float, names: Names) -> None:
    shown = state(interface)
    heading = ((visible_line(interface.name), "bold"), "  ", (shown, COLOURS[shown]), "  ", "  ".join(facts(interface)))
    console.print(Text.assemble(*heading), soft_wrap=True)
    console.print(Text.assemble(("public key ", "dim"), str(interface.public_key or "none yet")), soft_wrap=True)
    if interface.peers:
        console.print(_peer_table(interface.peers[:MAX_SHOWN_PEERS], now, names, console.width))
    if len(interface.peers) > MAX_SHOWN_PEERS:
        console.print(f"and {len(interface.peers) - MAX_SHOWN_PEERS} more: see --json", style="dim")


def _peer_table(peers: Sequence[PeerStatus], now: float, names: Names, width: int) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for title in TITLES if width >= KEEPALIVE_COLUMNS else TITLES[:-1]:
        table.add_column(title, no_wrap=title != "allowed IPs", overflow="fold")
    for peer in peers:
        row: list[str | Text] = list(cells(peer, now, names))
        if row[0] == str(peer.public_key) and width < FULL_KEY_COLUMNS:
            row[0] = f"{row[0][:KEY_CHARACTERS]}…"
        column = TITLES.index("handshake")
        row[column] = Text(str(row[column]), "green" if peer.is_up(now) else "dim")
        table.add_row(*row[: len(table.columns)])
    return table
