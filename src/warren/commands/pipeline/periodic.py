"""Does what is due by itself, again and again."""

from __future__ import annotations

import asyncio
import logging

from warren.commands.effects.effect import EffectError
from warren.commands.periodic import LOOK_AGAIN_SECONDS, Due
from warren.commands.pipeline.executor import Executor
from warren.commands.result import CommandError
from warren.errors import WarrenError

log = logging.getLogger(__name__)


async def keep_up(executor: Executor, parts: tuple[Due, ...]) -> None:
    """Each part until cancelled. What fails is logged when it changes, and tried again."""
    async with asyncio.TaskGroup() as group:
        for part in parts:
            group.create_task(_repeat(executor, part), name=f"upkeep {part.__name__}")


async def _repeat(executor: Executor, part: Due) -> None:
    before: object = None
    while True:
        again, trouble = await _look(executor, part)
        if trouble and trouble != before:
            log.warning("upkeep.failed", extra={"part": part.__name__, "problem": trouble})
        before = trouble
        await asyncio.sleep(again)


async def _look(executor: Executor, part: Due) -> tuple[float, object]:
    try:
        looked = await executor.tend(part)
    except (EffectError, CommandError, WarrenError) as error:
        return LOOK_AGAIN_SECONDS, str(error)
    except Exception:  # a mistake of ours here ends neither commands nor tunnels
        log.exception("upkeep.crashed", extra={"part": part.__name__})
        return LOOK_AGAIN_SECONDS, None
    return looked.again_seconds, dict(looked.failed) or None
