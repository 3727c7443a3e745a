"""Runs the periodic tasks, each again and again."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable

from warren.commands.effects.effect import EffectError
from warren.commands.pipeline.executor import Executor
from warren.commands.result import CommandError
from warren.commands.verb import RECHECK_SECONDS, PeriodicTask
from warren.errors import WarrenError

log = logging.getLogger(__name__)


async def run_periodic(executor: Executor, tasks: Iterable[PeriodicTask]) -> None:
    """Run each task until cancelled; a failure is logged when it changes, and the task is run again."""
    async with asyncio.TaskGroup() as group:
        for task in tasks:
            group.create_task(_repeat(executor, task), name=f"periodic {task.__name__}")


async def _repeat(executor: Executor, task: PeriodicTask) -> None:
    last_problem: object = None
    while True:
        next_run_seconds, problem = await _run(executor, task)
        if problem and problem != last_problem:
            log.warning("periodic.failed", extra={"task": task.__name__, "problem": problem})
        last_problem = problem
        await asyncio.sleep(next_run_seconds)


async def _run(executor: Executor, task: PeriodicTask) -> tuple[float, object]:
    try:
        result = await executor.run_internal(task)
    except (EffectError, CommandError, WarrenError) as error:
        return RECHECK_SECONDS, str(error)
    except Exception:  # a defect here must end neither commands nor tunnels
        log.exception("periodic.crashed", extra={"task": task.__name__})
        return RECHECK_SECONDS, None
    return result.next_run_seconds, dict(result.failed) or None
