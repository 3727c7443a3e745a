"""`warren openvpn`: the certificates of a server, and the question that it asks at each login."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import click

from warren.cli.output import tell, write
from warren.errors import HostError

REFUSED = 1
USUAL_PROGRAM = "/usr/bin/warren"
DIRECTORY = click.Path(path_type=Path, resolve_path=True)


@click.group()
def openvpn() -> None:
    """Prepare an OpenVPN server for users that commands make."""


@openvpn.command()
@click.argument("directory", type=DIRECTORY, default="/etc/openvpn")
def init(directory: Path) -> None:
    """Make the certificates of a server in DIRECTORY, and print the lines that its configuration needs.

    What is there stays: it may be run again for the lines alone.
    """
    from warren.commands.effects.effect import EffectError  # noqa: PLC0415, cryptography takes its time
    from warren.commands.handlers.openvpn_init import set_up  # noqa: PLC0415
    from warren.commands.result import CommandError  # noqa: PLC0415

    try:
        write(set_up(str(directory), shutil.which("warren") or USUAL_PROGRAM))
    except (EffectError, CommandError) as error:
        raise HostError(str(error), code="host.refused") from error


@openvpn.command()
@click.argument("directory", type=DIRECTORY)
@click.argument("file", type=Path)
@click.pass_context
def verify(context: click.Context, directory: Path, file: Path) -> None:
    """Say by the exit status whether a login is right: OpenVPN runs this as auth-user-pass-verify, via-file."""
    from warren.commands.effects.effect import EffectError  # noqa: PLC0415
    from warren.commands.handlers.openvpn_auth import refused_login  # noqa: PLC0415

    try:
        problem = refused_login(str(directory), file, os.environ)
    except OSError as error:
        problem = f"{error.filename}: {error.strerror}"
    except EffectError as error:
        problem = str(error)
    if problem:
        tell(f"login refused: {problem}")
        context.exit(REFUSED)
