"""Creates the certificates of an OpenVPN server before it has users, without an agent."""

from __future__ import annotations

import asyncio

from warren.commands.effects.effect import Effects, do
from warren.commands.effects.locks import LockFile
from warren.commands.effects.system import GetTime
from warren.commands.handlers import files as file_handlers
from warren.commands.handlers import locks as lock_handlers
from warren.commands.handlers import system as system_handlers
from warren.commands.pipeline.executor import Executor
from warren.commands.providers.ca import open_authority
from warren.commands.providers.openvpn_files import VpnFiles, server_lines
from warren.commands.settings import CommandSettings, SecuritySettings
from warren.commands.verb import VerbContext


def initialize(directory: str, program: str) -> str:
    """Create what is missing and return the lines that the server's configuration needs.

    Raises:
        EffectError, CommandError: a file cannot be read or written.
    """
    files = VpnFiles(directory)

    def create(_: VerbContext) -> Effects[None]:
        yield from do(LockFile(files.lock))
        yield from open_authority(files, (yield from do(GetTime())))

    asyncio.run(_file_executor().run_internal(create))
    return server_lines(files, program)


def _file_executor() -> Executor:
    settings = CommandSettings(SecuritySettings("", ""), "", "")
    handlers = {**file_handlers.handlers(), **lock_handlers.handlers(), **system_handlers.handlers()}
    return Executor("", settings, handlers, lambda *_: b"", lambda _: None)
