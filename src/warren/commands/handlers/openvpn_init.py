"""Makes what an OpenVPN server needs before it has users, without an agent."""

from __future__ import annotations

import asyncio

from warren.commands.effects.effect import Effects, LockFile, Now, do
from warren.commands.handlers.files import file_handlers
from warren.commands.handlers.locks import lock_handlers
from warren.commands.pipeline.executor import Executor
from warren.commands.providers.ca import opened_authority
from warren.commands.providers.openvpn_files import VpnFiles, server_lines
from warren.commands.settings import CommandSettings, SecuritySettings
from warren.commands.verbs import VerbContext


def set_up(directory: str, program: str) -> str:
    """The lines that the server's configuration needs; its certificates are there then. What was there stays.

    Raises EffectError and CommandError.
    """
    files = VpnFiles(directory)

    def part(_: VerbContext) -> Effects[None]:
        yield from do(LockFile(files.lock))
        yield from opened_authority(files, (yield from do(Now())))

    asyncio.run(_of_files_alone().tend(part))
    return server_lines(files, program)


def _of_files_alone() -> Executor:
    nothing = CommandSettings(SecuritySettings("", ""), "", "")
    return Executor("", nothing, {**file_handlers(), **lock_handlers()}, lambda *_: b"", lambda _: None)
