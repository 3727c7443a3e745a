"""`wg show` on both hosts."""

from __future__ import annotations

from demo.failure import StageError
from demo.host import Host
from demo.screen import Screen

TITLE = "Both ends in `wg show`"


def show(screen: Screen, alice: Host, bob: Host) -> str:
    """Query Warren's engine with the stock tool."""
    for host in (alice, bob):
        output = host.run("wg", "show", host.interface)
        if "latest handshake" not in output:
            raise StageError(f"wg show reports no handshake on {host.name}")
        screen.quote(f"{host.name}$ wg show {host.interface}\n{output}")
    return "`wg show` reads both ends"
