"""`warren openvpn`: set up an OpenVPN server for managed users, and check its logins."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import click

from warren.cli.help import Group
from warren.cli.output import report, write
from warren.errors import HostError

LOGIN_REFUSED = 1
DEFAULT_PROGRAM = "/usr/bin/warren"
DIRECTORY = click.Path(path_type=Path, resolve_path=True)


@click.group(cls=Group, examples=("warren openvpn init /etc/openvpn >> /etc/openvpn/server.conf",))
def openvpn() -> None:
    """Set up an OpenVPN server for users created by commands."""


@openvpn.command(examples=("warren openvpn init /etc/openvpn >> /etc/openvpn/server.conf",))
@click.argument("directory", type=DIRECTORY, default="/etc/openvpn")
def init(directory: Path) -> None:
    """Create server certificates and print configuration lines.

    The certificates go into DIRECTORY, /etc/openvpn by default. Existing files are kept, so the command can be run
    again for the configuration lines.
    """
    from warren.commands.effects.effect import EffectError  # noqa: PLC0415, cryptography is slow to import
    from warren.commands.pipeline.openvpn_init import initialize  # noqa: PLC0415
    from warren.commands.result import CommandError  # noqa: PLC0415

    try:
        write(initialize(str(directory), shutil.which("warren") or DEFAULT_PROGRAM))
    except (EffectError, CommandError) as error:
        raise HostError(str(error), code="host.refused") from error


@openvpn.command(examples=('auth-user-pass-verify "/usr/bin/warren openvpn verify /etc/openvpn" via-file',))
@click.argument("directory", type=DIRECTORY)
@click.argument("file", type=Path)
@click.pass_context
def verify(context: click.Context, directory: Path, file: Path) -> None:
    """Check a login (auth-user-pass-verify).

    OpenVPN runs it with the method via-file. The example is a line of the server's configuration.

    Exit status: 0 the login is accepted, 1 it is refused.
    """
    from warren.commands.effects.effect import EffectError  # noqa: PLC0415
    from warren.commands.handlers.openvpn_auth import rejection_reason  # noqa: PLC0415

    try:
        problem = rejection_reason(str(directory), file, os.environ)
    except OSError as error:
        problem = f"{error.filename}: {error.strerror}"
    except EffectError as error:
        problem = str(error)
    if problem:
        report(f"login refused: {problem}")
        context.exit(LOGIN_REFUSED)
