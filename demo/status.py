"""Both ends as `wg show` sees them."""

from __future__ import annotations

from demo.failure import StageError
from demo.host import Host
from demo.screen import Screen

TITLE = "Both ends in the words of `wg show`"


def show(screen: Screen, alice: Host, bob: Host) -> str:
    """The stock tool talks to Warren's engine as to any other."""
    for host in (alice, bob):
        said = host.run("wg", "show", host.interface)
        if "latest handshake" not in said:
            raise StageError(f"wg show knows of no handshake on {host.name}")
        screen.quote(f"{host.name}$ wg show {host.interface}\n{said}")
    return "`wg show` reads both ends"
