"""The executor, with verbs made for it and effects on real files."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.commands.commands import command, file_handlers, secret_scope, settings
from warren.commands.command import Actor
from warren.commands.effects.effect import Effect, EffectError, Effects, Secret, do
from warren.commands.effects.files import ReadFile, WriteFile
from warren.commands.effects.privileged import RunPrivileged
from warren.commands.effects.programs import ProgramResult, RunProgram
from warren.commands.execution import Execution, Handlers
from warren.commands.pipeline.executor import Executor
from warren.commands.result import Code, CommandError, Result, Status
from warren.commands.schema import Schema, Text
from warren.commands.sealing import Unseal, open_data, refuse_to_open
from warren.commands.settings import SandboxSettings
from warren.commands.verb import Data, Verb, VerbContext, VerbHandler, run_privileged
from warren.trust.sealing import SealingKey

pytestmark = pytest.mark.integration

NAME = Schema({"name": Text("[a-z]{1,8}", "1 to 8 of a-z")}, {"password": Text(".{8,}", "8 or more", secret=True)})


def unseal(sealed: str, info: bytes) -> bytes:
    if sealed != "opens":
        raise ValueError
    corr_id, name = info.decode().split("\0")[-2:]
    return f"{corr_id[1:]}/{name[1:]}".encode()


async def speak(effect: RunProgram, running: Execution) -> ProgramResult:
    """Says what its standard input holds, as a script may."""
    finished = ProgramResult(
        3, effect.stdin.open(), "a" * 64, "b" * 64, truncated=effect.argv[0] == "/much", level="L1"
    )
    running.record_program(finished)
    return finished


async def wait(_: WriteFile, __: Execution) -> None:
    await asyncio.sleep(600)


OPERATOR = SealingKey(bytes(range(32)))


def run(  # noqa: PLR0913, each but the first two by its name
    part: VerbHandler,
    args: Mapping[str, object],
    *,
    handlers: Handlers | None = None,
    seconds: int = 45,
    actor: str = "ada",
    privileged: VerbHandler | None = None,
    on_output: Callable[[bytes], None] | None = None,
) -> Result:
    limits = settings(sandbox=SandboxSettings(cmd_timeout_secs=seconds))
    handlers = handlers or {**file_handlers(), RunProgram: speak}
    executor = Executor("node-1", limits, handlers, unseal, {"ada": OPERATOR.public}.get)
    verb = Verb("probe", "", (NAME,), run=part, privileged=privileged, secret_data=frozenset({"key"}))
    asked = command("probe", args, actor=Actor(actor, "ADMIN"))
    return asyncio.run(executor.run(asked, verb, part, on_output))


def test_result_has_the_data_that_the_verb_returns(tmp_path: Path) -> None:
    path = str(tmp_path / "kept")

    def part(args: Mapping[str, Any], _: VerbContext) -> Effects[Data]:
        yield from do(WriteFile(path, Secret(args["name"].encode())))
        return {"kept": ((yield from do(ReadFile(path))) or b"").decode()}

    result = run(part, {"name": "ada"})
    assert (result.status, result.error_code, result.rc, result.data) == (Status.SUCCESS, Code.NONE, 0, {"kept": "ada"})
    assert result.stdout == '{"kept":"ada"}'
    assert Path(path).stat().st_mode & 0o777 == 0o600


def test_failed_effect_is_raised_into_the_verb(tmp_path: Path) -> None:
    def part(_: Mapping[str, Any], __: VerbContext) -> Effects[Data]:
        try:
            yield from do(ReadFile(str(tmp_path)))
        except EffectError as error:
            return {"problem": str(error)}
        return {}

    assert "Is a directory" in str(run(part, {"name": "ada"}).data["problem"])


@pytest.mark.parametrize(
    ("raised", "status", "code"),
    [
        (EffectError("no"), Status.ERROR, Code.EXEC_FAILED),
        (CommandError(Code.SCRIPT_NOT_FOUND, "no", Status.ERROR), Status.ERROR, Code.SCRIPT_NOT_FOUND),
        (RuntimeError("a mistake"), Status.ERROR, Code.EXEC_FAILED),
    ],
)
def test_exception_of_verb_becomes_status_and_code(raised: Exception, status: Status, code: Code) -> None:
    def part(_: Mapping[str, Any], __: VerbContext) -> Effects[Data]:
        yield from do(ReadFile("/nowhere/at/all"))
        raise raised

    result = run(part, {"name": "ada"})
    assert (result.status, result.error_code, result.rc) == (status, code, -1)
    assert "internal error; see the agent log" in result.problem or result.problem == "no"


def test_effect_without_handler_is_an_error() -> None:
    def part(_: Mapping[str, Any], __: VerbContext) -> Effects[Data]:
        yield from do(Effect())
        return {}

    assert run(part, {"name": "ada"}).problem == "no handler for effect Effect"


def test_verb_times_out() -> None:
    def part(_: Mapping[str, Any], __: VerbContext) -> Effects[Data]:
        yield from do(WriteFile("", Secret(b"")))
        return {}

    result = run(part, {"name": "ada"}, handlers={WriteFile: wait}, seconds=1)
    assert (result.status, result.error_code) == (Status.TIMEOUT, Code.EXEC_TIMEOUT)


def test_sealed_argument_is_opened_checked_and_masked() -> None:
    def part(args: Mapping[str, Any], _: VerbContext) -> Effects[Data]:
        yield from do(RunProgram(("/much",), Secret(args["password"].encode())))
        return {"hidden": "data"}

    result = run(part, {"name": "ada", "password": {"sealed": "opens"}})
    assert result.stdout == "***\n[truncated]"
    assert (result.rc, result.level, result.stderr_hash) == (3, "L1", "b" * 64)


@pytest.mark.parametrize("password", [{"sealed": "foreign"}, "short"])
def test_invalid_secret_is_rejected_before_any_effect(password: object) -> None:
    played = []

    def part(_: Mapping[str, Any], __: VerbContext) -> Effects[Data]:
        played.append((yield from do(ReadFile("/nowhere"))))
        return {}

    result = run(part, {"name": "ada", "password": password})
    assert played == []
    assert result.error_code == Code.VALIDATION_FAILED
    assert "short" not in result.problem


def test_secret_field_of_answer_is_sealed_to_the_operator() -> None:
    def part(_: Mapping[str, Any], __: VerbContext) -> Effects[Data]:
        yield from do(ReadFile("/nowhere"))
        return {"key": "12345678", "name": "ada"}

    result = run(part, {"name": "ada"})
    assert "12345678" not in str(result)
    assert open_data(result.data, secret_scope(result), OPERATOR) == {"key": "12345678", "name": "ada"}
    unsealed = run(part, {"name": "ada"}, actor="nobody")
    assert (unsealed.error_code, unsealed.data, unsealed.stdout) == (Code.EXEC_FAILED, {}, "")


def test_privileged_part_runs_in_process_without_runner(tmp_path: Path) -> None:
    def privileged(args: Mapping[str, Any], _: VerbContext) -> Effects[Data]:
        yield from do(WriteFile(str(tmp_path / "a"), Secret(b"a")))
        return {"name": args["name"]}

    assert run(run_privileged, {"name": "ada"}, privileged=privileged).data == {"name": "ada"}
    assert (tmp_path / "a").exists()


def test_run_internal_performs_effects_without_command(tmp_path: Path) -> None:
    def part(context: VerbContext) -> Effects[str]:
        yield from do(WriteFile(str(tmp_path / "kept"), Secret(b"1")))
        try:
            yield from do(ReadFile(str(tmp_path)))
        except EffectError:
            return context.agent_id
        return ""

    executor = Executor("node-1", settings(), file_handlers(), unseal, lambda _: None)
    assert asyncio.run(executor.run_internal(part)) == "node-1"
    assert (tmp_path / "kept").exists()


def test_agent_with_a_runner_opens_no_argument() -> None:
    """It passes the envelope on, and the runner opens what its part needs."""
    seen: list[object] = []

    def agents(args: Mapping[str, Any], _: VerbContext) -> Effects[Data]:
        seen.append(args["password"])
        return (yield from do(RunPrivileged()))

    def runners(args: Mapping[str, Any], _: VerbContext) -> Effects[Data]:
        seen.append(args["password"])
        yield from ()
        return {"done": True}

    async def pass_on(_: RunPrivileged, execution: Execution) -> Data:
        return {"passed": execution.args["password"]}

    sealed = {"sealed": "opens"}
    verb = Verb("probe", "", (NAME,), run=agents, privileged=runners)
    asked = command(verb.name, {"name": "ada", "password": sealed})

    def executor(handlers: Handlers, unseal: Unseal) -> Executor:
        return Executor("node-1", settings(), handlers, unseal, lambda _: None)

    agent = executor({RunPrivileged: pass_on}, refuse_to_open)
    assert asyncio.run(agent.run(asked, verb, verb.run)).data == {"passed": sealed}
    runner = executor({}, unseal)
    assert asyncio.run(runner.run(asked, verb, runners)).data == {"done": True}
    alone = executor({}, unseal)
    assert asyncio.run(alone.run(asked, verb, verb.run)).data == {"done": True}
    assert seen == [sealed, opened := seen[1], sealed, opened]
    assert opened != sealed
    refused = asyncio.run(executor({}, refuse_to_open).run(asked, verb, runners))
    assert (refused.error_code, refused.status) == (Code.EXEC_FAILED, Status.ERROR)
    assert "sealed to the key of the privileged runner" in refused.problem
