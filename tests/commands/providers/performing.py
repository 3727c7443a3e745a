"""Verbs carried out for real, by the executor and every performer that providers of users need."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping

from tests.commands.commands import command
from warren.commands.effects import Emit
from warren.commands.io.executor import Executor, Performers, Running
from warren.commands.io.files import file_performers
from warren.commands.io.hashing import hash_performers
from warren.commands.io.holds import hold_performers
from warren.commands.io.management import Management
from warren.commands.result import Result
from warren.commands.schema import Schema
from warren.commands.settings import CommandSettings
from warren.commands.verbs import Part, Verb


def performers() -> Performers:
    """All but the sandbox's."""
    return {
        **file_performers(),
        **hold_performers(),
        **hash_performers(),
        **Management().performers(),
        Emit: _emit,
    }


def perform(settings: CommandSettings, verb: Verb, args: Mapping[str, object]) -> Result:
    """The part of it that needs root."""
    return asyncio.run(performed(settings, verb, args))


async def performed(settings: CommandSettings, verb: Verb, args: Mapping[str, object]) -> Result:
    """The same, for many at once."""
    assert verb.privileged is not None
    return await _run(settings, verb, verb.privileged, args)


def perform_part(settings: CommandSettings, part: Part) -> Result:
    """A part that is no verb's."""
    return asyncio.run(_run(settings, Verb("probe", "", (Schema(),)), part, {}))


async def _run(settings: CommandSettings, verb: Verb, part: Part, args: Mapping[str, object]) -> Result:
    executor = Executor("node-1", settings, performers(), lambda *_: b"", lambda _: None)
    return await executor.run(command(verb.name, args), verb, part)


async def _emit(effect: Emit, _: Running) -> None:
    logging.getLogger(__name__).info(effect.event)
