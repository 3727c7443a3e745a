"""All that changes this host: the handlers of whoever has the rights, be it the runner or an agent of its own."""

from __future__ import annotations

from pathlib import Path

from warren.commands.handlers.container_engine import container_handlers
from warren.commands.handlers.files import file_handlers
from warren.commands.handlers.hashing import hash_handlers
from warren.commands.handlers.locks import lock_handlers
from warren.commands.handlers.openvpn_management import Management
from warren.commands.handlers.program_runner import Programs
from warren.commands.handlers.programs import Tell, program_handlers
from warren.commands.pipeline.executor import Handlers
from warren.commands.settings import CommandSettings


def root_handlers(settings: CommandSettings, tell: Tell) -> Handlers:
    """Of effects on files, programs, OpenVPN and containers. `tell` hears of what a person should know."""
    programs = Programs(settings.sandbox, settings.scripts, Path(settings.runner) / "work")
    return {
        **file_handlers(),
        **lock_handlers(),
        **hash_handlers(),
        **container_handlers(),
        **Management().handlers(),
        **program_handlers(programs, tell),
    }
