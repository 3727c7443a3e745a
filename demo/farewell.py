"""`warren down` on both hosts, and nothing left of it."""

from __future__ import annotations

from pathlib import Path

from demo.failure import StageError
from demo.host import Host
from demo.screen import Screen
from demo.tunnel import file_of

TITLE = "`warren down`, and nothing stays"


def show(screen: Screen, alice: Host, bob: Host) -> None:
    """Bring both ends down; the link and its socket must be gone."""
    for host in (alice, bob):
        host.run("warren", "down", str(file_of(host)))
        links = host.run("ip", "-brief", "link")
        if host.interface in links:
            raise StageError(f"{host.interface} is still there on {host.name}")
    if left := sorted(Path("/run/wireguard").iterdir()):
        raise StageError(f"left behind: {', '.join(map(str, left))}")
    screen.fact(f"{alice.interface} and {bob.interface} are gone, with their sockets and routes")
