"""What is due by itself."""

from __future__ import annotations

import asyncio
import logging

import pytest

from tests.commands.commands import file_handlers, settings
from warren.commands.effects.effect import EffectError, Effects, do
from warren.commands.effects.system import GetTime
from warren.commands.pipeline.executor import Executor
from warren.commands.pipeline.periodic import delay_seconds, run_periodic
from warren.commands.verb import RECHECK_SECONDS, TaskResult, VerbContext

pytestmark = pytest.mark.integration


def test_each_task_is_repeated_whatever_happens_to_others(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    done: list[str] = []
    enough = asyncio.Event()

    def steady(_: VerbContext) -> Effects[TaskResult]:
        yield from do(GetTime())
        done.append("steady")
        if len(done) > 5:
            enough.set()
        return TaskResult(failed={"ada": "no answer"}, next_run_seconds=0.001)

    def failing(_: VerbContext) -> Effects[TaskResult]:
        yield from do(GetTime())
        raise EffectError("the disk is full")

    def crashing(_: VerbContext) -> Effects[TaskResult]:
        yield from do(GetTime())
        raise RuntimeError("a mistake")

    async def play() -> None:
        executor = Executor("node-1", settings(), file_handlers(), lambda *_: b"", lambda _: None)
        async with asyncio.TaskGroup() as group:
            task = group.create_task(run_periodic(executor, (steady, failing, crashing)))
            await asyncio.wait_for(enough.wait(), 60)
            task.cancel()

    asyncio.run(play())
    told = sorted((record.message, getattr(record, "task", "")) for record in caplog.records)
    assert told == [("periodic.crashed", "crashing"), ("periodic.failed", "failing"), ("periodic.failed", "steady")]


def test_failed_task_is_retried_with_a_growing_delay_and_never_later_than_it_is_due() -> None:
    assert [delay_seconds(RECHECK_SECONDS, failures, 0.0) for failures in range(1, 6)] == [5, 10, 20, 30, 30]
    assert delay_seconds(1.0, 3, 0.0) == 1.0
    assert delay_seconds(RECHECK_SECONDS, 0, 0.5) == RECHECK_SECONDS
