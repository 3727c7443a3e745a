"""`version`: the version of the program."""

from __future__ import annotations

import click

from warren._core import __version__
from warren.cli.help import Command
from warren.cli.output import write
from warren.cli.program_names import program_name


@click.command(cls=Command, examples=("warren version",))
def version() -> None:
    """Show the version."""
    print_version()


def print_version() -> None:
    """Print one line with the program's name and version."""
    write(f"{program_name()} {__version__}\n")
