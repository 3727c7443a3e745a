"""`warren down` on both hosts."""

from __future__ import annotations

from pathlib import Path

from demo.failure import StageError
from demo.host import Host
from demo.screen import Screen
from demo.tunnel import file_of

TITLE = "`warren down` cleans up"


def show(screen: Screen, alice: Host, bob: Host) -> None:
    """Take both interfaces down; their links and sockets must be gone."""
    for host in (alice, bob):
        host.run("warren", "down", str(file_of(host)))
        if host.interface in host.run("ip", "-brief", "link"):
            raise StageError(f"{host.interface} still exists on {host.name}")
    if left := sorted(Path("/run/wireguard").iterdir()):
        raise StageError(f"left behind: {', '.join(map(str, left))}")
    screen.fact(f"{alice.interface} and {bob.interface} are removed, with their sockets and routes")
