"""`version`: which one this is, as a command of its own and as `--version`."""

from __future__ import annotations

import click

from warren._core import __version__
from warren.cli.output import write
from warren.cli.program_names import program_name


@click.command()
def version() -> None:
    """Say which version this is."""
    say_version()


def say_version() -> None:
    """One line."""
    write(f"{program_name()} {__version__}\n")
