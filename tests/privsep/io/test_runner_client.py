"""The agent's end of the connection to a runner, and at the other end whatever a runner may be."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from tests.commands.commands import command, settings
from warren.backoff import BackoffPolicy
from warren.clock import monotonic_seconds
from warren.commands.dry_run import DryRun
from warren.commands.effects.privileged import RunPrivileged
from warren.commands.execution import Execution
from warren.commands.result import Code, CommandError, Result, Status
from warren.commands.schema import Schema
from warren.commands.verb import Verb, VerbContext
from warren.errors import HostError, TrustError
from warren.privsep.io import runner_client
from warren.privsep.io.runner_client import RunnerClient
from warren.privsep.runner_protocol import (
    ErrorMessage,
    Execute,
    Message,
    Preview,
    Rejection,
    ResultMessage,
    encode_message,
    parse_message,
)

pytestmark = pytest.mark.integration
MOST_OUTPUT = 1 << 20  # of [sandbox] max_output_bytes
VERB = Verb("stop", "stops", (Schema(),))
Runner = Callable[[Execute], Message]


def execution(*, dry_run: bool = False) -> Execution:
    made = Execution(command("stop"), VERB, VerbContext("gateway-001", "c-1", "alice", settings()), 0.0)
    made.dry_run_effects = [] if dry_run else None
    return made


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let retries follow each other closely, and waits end soon."""
    monkeypatch.setattr(runner_client, "RETRY", BackoffPolicy.exponential(0.1, 0.1))
    monkeypatch.setattr(runner_client, "CANCEL_TIMEOUT_SECONDS", 0.5)


@asynccontextmanager
async def running(client: RunnerClient, *others: Awaitable[None]) -> AsyncIterator[RunnerClient]:
    tasks = [asyncio.ensure_future(work) for work in (client.run(), *others)]
    try:
        async with asyncio.timeout(60):
            yield client
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


@asynccontextmanager
async def beside(runner: Runner, failures: int = 0) -> AsyncIterator[RunnerClient]:
    """Connect a client to a runner that answers one request, and that starts after so many failures."""
    near, far = socket.socketpair()
    pending = iter(range(failures))

    def open_runner() -> int:
        if next(pending, None) is not None:
            raise HostError("the previous runner is still exiting", code="host.refused")
        return near.detach()

    reader, writer = await asyncio.open_connection(sock=far)

    async def serve() -> None:
        request = parse_message(await reader.readline())
        assert isinstance(request, Execute)
        writer.write(encode_message(runner(request)))
        await writer.drain()

    try:
        async with running(RunnerClient(open_runner, "sid", 0, lambda *_: None), serve()) as client:
            yield client
    finally:
        writer.close()


def result(**members: object) -> Result:
    return Result("c-1", "gateway-001", "stop", Status.SUCCESS, Code.NONE, 0, **members)  # type: ignore[arg-type]


async def run(client: RunnerClient, command_: Execution) -> object:
    return await client.handlers()[RunPrivileged](RunPrivileged(), command_)


def test_the_longest_output_arrives() -> None:
    async def scene() -> None:
        answer = result(rc=0, stdout="\x01" * MOST_OUTPUT)
        async with beside(lambda request: ResultMessage(request.number, answer)) as client:
            here = execution()
            assert await run(client, here) == {}
            assert here.stdout == [b"\x01" * MOST_OUTPUT]

    asyncio.run(scene())


@pytest.mark.usefixtures("quick")
def test_a_command_waits_for_a_runner_that_starts_late() -> None:
    """It is not given up meanwhile, and then executed all the same."""

    async def scene() -> None:
        answer = result(data={"stopped": True})
        async with beside(lambda request: ResultMessage(request.number, answer), failures=2) as client:
            assert await run(client, execution()) == {"stopped": True}
            assert client.conditions() == ()

    asyncio.run(scene())


def test_a_dry_run_is_answered_by_a_preview() -> None:
    async def scene() -> None:
        def preview(request: Execute) -> Message:
            assert request.dry_run
            return Preview(request.number, DryRun(("remove /etc/x",), "", {"left": 1}))

        async with beside(preview) as client:
            here = execution(dry_run=True)
            assert await run(client, here) == {"left": 1}
            assert here.dry_run_effects == ["as root: remove /etc/x"]

    asyncio.run(scene())


@pytest.mark.parametrize(
    ("outcome", "code", "status"),
    [
        (Rejection(Code.POLICY_DENIED, Status.DENIED, "not permitted"), Code.POLICY_DENIED, Status.DENIED),
        (DryRun((), "not permitted"), Code.EXEC_FAILED, Status.ERROR),
    ],
)
def test_a_dry_run_that_would_fail_raises_why(outcome: DryRun | Rejection, code: Code, status: Status) -> None:
    async def scene() -> None:
        async with beside(lambda request: Preview(request.number, outcome)) as client:
            with pytest.raises(CommandError, match=r"^not permitted$") as error:
                await run(client, execution(dry_run=True))
            assert (error.value.code, error.value.status) == (code, status)

    asyncio.run(scene())


@pytest.mark.usefixtures("quick")
def test_without_a_runner_the_error_and_the_condition_name_the_cause() -> None:
    def open_runner() -> int:
        raise HostError("the helper has exited", code="helper.ended", hint="restart the agent")

    async def scene() -> None:
        async with running(RunnerClient(open_runner, "sid", 0, lambda *_: None)) as client:
            problem = r"^no privileged runner: the helper has exited; restart the agent$"
            with pytest.raises(CommandError, match=problem) as error:
                await run(client, execution())
            assert (error.value.code, error.value.status) == (Code.EXEC_FAILED, Status.ERROR)
            (condition,) = client.conditions()
            assert condition.name == "runner.unavailable"
            assert condition.sentence.endswith("the helper has exited; restart the agent")

    asyncio.run(scene())


@pytest.mark.usefixtures("quick")
def test_a_runner_that_cannot_serve_reports_why_before_it_exits() -> None:
    async def scene() -> None:
        near, far = socket.socketpair()
        with far:
            error = TrustError("this node has no identity", code="identity.missing", hint="warren identity init")
            far.sendall(encode_message(ErrorMessage(error)))
            far.shutdown(socket.SHUT_WR)

            descriptors = iter((near.detach(),))

            def open_runner() -> int:
                for descriptor in descriptors:
                    return descriptor
                raise error

            async with running(RunnerClient(open_runner, "sid", 0, lambda *_: None)) as client:
                while "no identity" not in str(client.conditions()):  # noqa: ASYNC110, another task sets it
                    await asyncio.sleep(0.01)

    asyncio.run(scene())


def test_a_lasting_cause_is_retried_after_the_longest_delay() -> None:
    """A helper whose runner can never start is not asked every second."""
    calls: list[float] = []

    def open_runner() -> int:
        calls.append(monotonic_seconds())
        raise TrustError("this node has no identity", code="identity.missing")

    async def scene() -> None:
        async with running(RunnerClient(open_runner, "sid", 0, lambda *_: None)) as client:
            while not calls or client.conditions()[0].sentence.endswith("is starting"):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            assert client._backoff.is_fatal
            assert client._backoff.retry_at - calls[0] >= runner_client.RETRY.max_seconds

    asyncio.run(scene())
