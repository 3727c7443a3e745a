"""All that changes this host: the performers of whoever has the rights, be it the runner or an agent of its own."""

from __future__ import annotations

from pathlib import Path

from warren.commands.io.engine import engine_performers
from warren.commands.io.executor import Performers
from warren.commands.io.files import file_performers
from warren.commands.io.hashing import hash_performers
from warren.commands.io.holds import hold_performers
from warren.commands.io.management import Management
from warren.commands.io.programperformers import Tell, program_performers
from warren.commands.io.programs import Programs
from warren.commands.settings import CommandSettings


def privileged_performers(settings: CommandSettings, tell: Tell) -> Performers:
    """Of effects on files, programs, OpenVPN and containers. `tell` hears of what a person should know."""
    programs = Programs(settings.sandbox, settings.scripts, Path(settings.runner) / "work")
    return {
        **file_performers(),
        **hold_performers(),
        **hash_performers(),
        **engine_performers(),
        **Management().performers(),
        **program_performers(programs, tell),
    }
