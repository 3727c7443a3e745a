"""`warren openvpn`: the certificates of a server, and the question that it asks at each login."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import click

from warren.cli.output import tell, write
from warren.commands.effects import EffectError, Effects, Hold, Now, do
from warren.commands.io.executor import Executor
from warren.commands.io.files import file_performers
from warren.commands.io.holds import hold_performers
from warren.commands.io.vpnlogin import refused_login
from warren.commands.providers.authority import opened_authority
from warren.commands.providers.vpnfiles import VpnFiles, server_lines
from warren.commands.result import CommandError
from warren.commands.settings import CommandSettings, SecuritySettings
from warren.commands.verbs import Occasion
from warren.errors import HostError

REFUSED = 1
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
    files = VpnFiles(str(directory))

    def part(_: Occasion) -> Effects[None]:
        yield from do(Hold(files.lock))
        yield from opened_authority(files, (yield from do(Now())))

    try:
        asyncio.run(_alone().tend(part))
    except (EffectError, CommandError) as error:
        raise HostError(str(error), code="host.refused") from error
    write(server_lines(files))


@openvpn.command()
@click.argument("directory", type=DIRECTORY)
@click.argument("file", type=Path)
@click.pass_context
def verify(context: click.Context, directory: Path, file: Path) -> None:
    """Say by the exit status whether a login is right: OpenVPN runs this as auth-user-pass-verify, via-file."""
    try:
        problem = refused_login(str(directory), file, os.environ)
    except OSError as error:
        problem = f"{error.filename}: {error.strerror}"
    except EffectError as error:
        problem = str(error)
    if problem:
        tell(f"login refused: {problem}")
        context.exit(REFUSED)


def _alone() -> Executor:
    """For files alone, without an agent."""
    nowhere = CommandSettings(SecuritySettings("", ""), "", "")
    return Executor("", nowhere, {**file_performers(), **hold_performers()}, lambda *_: b"", lambda _: None)
