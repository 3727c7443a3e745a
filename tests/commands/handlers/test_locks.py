"""What one command holds, no other has; and it is let go however the command ends."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.commands.commands import command, file_handlers, settings
from warren.commands.effects.effect import Effects, Secret, do
from warren.commands.effects.files import ReadFile, WriteFile
from warren.commands.effects.locks import LockFile
from warren.commands.effects.system import GetTime
from warren.commands.pipeline.executor import Executor
from warren.commands.result import Result, Status
from warren.commands.schema import Schema
from warren.commands.settings import SandboxSettings
from warren.commands.verb import Data, Verb, VerbContext, VerbHandler

pytestmark = pytest.mark.integration


async def run(part: VerbHandler, seconds: int = 60) -> Result:
    handlers = file_handlers()
    table = settings(sandbox=SandboxSettings(cmd_timeout_secs=seconds))
    executor = Executor("node-1", table, handlers, lambda *_: b"", lambda _: None)
    return await executor.run(command("probe"), Verb("probe", "", (Schema(),)), part)


def adding(path: Path) -> VerbHandler:
    """Reads a number, adds one, writes it back."""

    def part(_: Mapping[str, Any], __: VerbContext) -> Effects[Data]:
        yield from do(LockFile(f"{path}.lock"))
        number = int((yield from do(ReadFile(str(path)))) or b"0")
        yield from do(GetTime())
        yield from do(WriteFile(str(path), Secret(str(number + 1).encode())))
        return {}

    return part


def test_concurrent_changes_under_a_lock_are_all_kept(tmp_path: Path) -> None:
    async def all_at_once() -> None:
        results = await asyncio.gather(*(run(adding(tmp_path / "number")) for _ in range(20)))
        assert {result.status for result in results} == {Status.SUCCESS}

    asyncio.run(all_at_once())
    assert (tmp_path / "number").read_text() == "20"
    assert (tmp_path / "number.lock").stat().st_mode & 0o777 == 0o600


def test_lock_is_released_when_the_command_fails(tmp_path: Path) -> None:
    def failing(_: Mapping[str, Any], __: VerbContext) -> Effects[Data]:
        yield from do(LockFile(f"{tmp_path}/lock"))
        yield from do(ReadFile(str(tmp_path)))
        return {}

    async def twice() -> list[Status]:
        return [(await run(failing)).status for _ in range(2)]

    assert asyncio.run(twice()) == [Status.ERROR, Status.ERROR]


def test_lock_waits_for_another_process(tmp_path: Path) -> None:
    lock = tmp_path / "number.lock"
    program = "import fcntl, sys; file = open(sys.argv[1], 'w'); fcntl.flock(file, fcntl.LOCK_EX)"
    program += "; print('held', flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", program, lock], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        assert asyncio.run(run(adding(tmp_path / "number"), seconds=1)).status == Status.TIMEOUT
        other.communicate("")
    assert asyncio.run(run(adding(tmp_path / "number"))).status == Status.SUCCESS
    assert (tmp_path / "number").read_text() == "1"


def test_lock_rejects_symlink(tmp_path: Path) -> None:
    (tmp_path / "number.lock").symlink_to(tmp_path / "elsewhere")
    assert asyncio.run(run(adding(tmp_path / "number"))).status == Status.ERROR
    assert not (tmp_path / "elsewhere").exists()
