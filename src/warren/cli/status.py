"""`warren status`: the truth at a glance."""

from __future__ import annotations

import json

import click

from warren.cli.output import write
from warren.cli.status_json import document
from warren.clock import wall_seconds
from warren.tunnel.io.observe import Survey, served, survey

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
    if as_json:
        write(json.dumps(document(found, wall_seconds()), indent=2) + "\n")
    else:
        from warren.cli.status_table import show  # noqa: PLC0415, rich takes longer to import than all the rest

        show(found, wall_seconds())
    return exit_status(found)


def exit_status(found: Survey) -> int:
    """As the help has it."""
    if any(error.code not in {"interface.stale", "interface.ended"} for error in found.failures.values()):
        return 1
    all_up = all(interface.is_up for interface in found.interfaces)
    return 0 if found.interfaces and all_up and not found.failures else NOT_UP
