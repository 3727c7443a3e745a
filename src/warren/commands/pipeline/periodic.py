"""Run the periodic tasks, each again when it is due, and after a failure with a growing delay."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Iterable

from warren.backoff import BackoffPolicy
from warren.commands.effects.effect import EffectError
from warren.commands.pipeline.executor import Executor
from warren.commands.result import CommandError
from warren.commands.verb import RECHECK_SECONDS, PeriodicTask
from warren.errors import WarrenError

RETRY = BackoffPolicy.exponential(5.0, RECHECK_SECONDS)
"""After a failure: an engine or a server that does not answer may be starting."""

log = logging.getLogger(__name__)


async def run_periodic(executor: Executor, tasks: Iterable[PeriodicTask]) -> None:
    """Run each task until cancelled; a failure is logged when it changes, and the task is run again."""
    async with asyncio.TaskGroup() as group:
        for task in tasks:
            group.create_task(_repeat(executor, task), name=f"periodic {task.__name__}")


def delay_seconds(next_run_seconds: float, failures: int, draw: float) -> float:
    """Return the delay before the next run: until it is due, or after so many failures in a row until the retry.

    `draw` is a random number from [0, 1).
    """
    if failures == 0:
        return next_run_seconds
    return min(next_run_seconds, RETRY.delay_seconds(failures - 1, draw))


async def _repeat(executor: Executor, task: PeriodicTask) -> None:
    last_problem: object = None
    failures = 0
    while True:
        next_run_seconds, problem = await _run(executor, task)
        if problem and problem != last_problem:
            log.warning("periodic.failed", extra={"task": task.__name__, "problem": problem})
        last_problem = problem
        failures = failures + 1 if problem else 0
        await asyncio.sleep(delay_seconds(next_run_seconds, failures, random.random()))  # noqa: S311, jitter


async def _run(executor: Executor, task: PeriodicTask) -> tuple[float, object]:
    try:
        result = await executor.run_internal(task)
    except (EffectError, CommandError, WarrenError) as error:
        return RECHECK_SECONDS, str(error)
    except Exception:  # a defect here must end neither commands nor tunnels
        log.exception("periodic.crashed", extra={"task": task.__name__})
        return RECHECK_SECONDS, None
    return result.next_run_seconds, dict(result.failed) or None
