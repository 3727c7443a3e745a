"""`warren status`: the truth at a glance."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence

import click

from warren.cli.output import tell, write
from warren.cli.status_json import document
from warren.cli.status_text import plain
from warren.clock import wall_seconds
from warren.tunnel.io.observe import Survey, served, survey
from warren.tunnel.status import InterfaceStatus

NOT_UP = 3  # what systemctl(1) says of a unit that is not active


@click.command()
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="One JSON object, for programs.")
def status(name: str | None, as_json: bool) -> int:
    """Show NAME, or every interface that a userspace WireGuard serves on this host.

    Exit status: 0 every one of them is up; 3 one is not, or there is none; 1 one could not be asked.
    No private or preshared key is ever shown.
    """
    found = survey((name,) if name else served())
    now = wall_seconds()
    if as_json:
        write(json.dumps(document(found, now), indent=2) + "\n")
        return exit_status(found)
    if found.interfaces or not found.failures:
        write(_drawn(found.interfaces, now) if sys.stdout.isatty() else plain(found.interfaces, now))
    for error in found.failures.values():
        tell(str(error), error.remedy)
    return exit_status(found)


def _drawn(interfaces: Sequence[InterfaceStatus], now: float) -> str:
    from warren.cli.status_table import drawn  # noqa: PLC0415, rich takes longer to import than all the rest

    return drawn(interfaces, now)


def exit_status(found: Survey) -> int:
    """As the help has it."""
    if any(error.code not in {"interface.stale", "interface.ended"} for error in found.failures.values()):
        return 1
    all_up = all(interface.is_up for interface in found.interfaces)
    return 0 if found.interfaces and all_up and not found.failures else NOT_UP
