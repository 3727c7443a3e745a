"""Makes what an OpenVPN server needs before it has users, without an agent."""

from __future__ import annotations

import asyncio

from warren.commands.effects import Effects, Hold, Now, do
from warren.commands.io.executor import Executor
from warren.commands.io.files import file_performers
from warren.commands.io.holds import hold_performers
from warren.commands.providers.authority import opened_authority
from warren.commands.providers.vpnfiles import VpnFiles, server_lines
from warren.commands.settings import CommandSettings, SecuritySettings
from warren.commands.verbs import Occasion


def set_up(directory: str, program: str) -> str:
    """The lines that the server's configuration needs; its certificates are there then. What was there stays.

    Raises EffectError and CommandError.
    """
    files = VpnFiles(directory)

    def part(_: Occasion) -> Effects[None]:
        yield from do(Hold(files.lock))
        yield from opened_authority(files, (yield from do(Now())))

    asyncio.run(_of_files_alone().tend(part))
    return server_lines(files, program)


def _of_files_alone() -> Executor:
    nothing = CommandSettings(SecuritySettings("", ""), "", "")
    return Executor("", nothing, {**file_performers(), **hold_performers()}, lambda *_: b"", lambda _: None)
