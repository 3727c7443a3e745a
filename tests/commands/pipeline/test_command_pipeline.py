"""The pipeline, with real signatures, a real store, and verbs that wait until the test releases them."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from tests.commands.commands import settings
from tests.commands.store.stores import Place
from tests.trust.parties import BUNDLE, CONTEXT, NODE, SENDING, SID, STOP, VERBS, signed, with_intent
from warren.clock import wall_seconds
from warren.commands.admission import Admission
from warren.commands.command import MAX_LIFE_SECONDS, SKEW_SECONDS, VerifiedCommand
from warren.commands.dry_run import DryRun
from warren.commands.effects.effect import Effects, do
from warren.commands.effects.programs import ProgramResult, RunProgram
from warren.commands.envelope import Ingress
from warren.commands.execution import Execution
from warren.commands.pipeline.command_pipeline import CommandPipeline
from warren.commands.pipeline.executor import Executor
from warren.commands.pipeline.rejection_log import REJECTIONS_PER_MINUTE, UNAUTHENTICATED_PER_MINUTE
from warren.commands.result import Code, CommandError, Result, Status
from warren.commands.signed_command import SignedCommand
from warren.commands.store.command_store import CommandStore
from warren.commands.verb import Data, VerbContext
from warren.commands.verify import verify_signed
from warren.ratelimit import RateLimit

pytestmark = pytest.mark.integration


def stop(args: Mapping[str, Any], _: VerbContext) -> Effects[Data]:
    """Runs a program, and answers what it was for."""
    yield from do(RunProgram(("/stop", args["container_id"])))
    return {"container": args["container_id"]}


@dataclass
class Fixture:
    """A pipeline, and the programs that its verbs run."""

    place: Place
    pipeline: CommandPipeline = field(init=False)
    store: CommandStore = field(init=False)
    go_on: asyncio.Event = field(default_factory=asyncio.Event)
    began: list[str] = field(default_factory=list)
    beginning: asyncio.Condition = field(default_factory=asyncio.Condition)
    most: int = 0
    running: int = 0

    async def perform(self, _: RunProgram, running: Execution) -> ProgramResult:
        async with self.beginning:
            self.began.append(running.command.corr_id)
            self.beginning.notify_all()
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            if running.on_output:
                running.on_output(b"stopping\n")
            await self.go_on.wait()
        finally:
            self.running -= 1
        finished = ProgramResult(0, b"stopped\n", "a" * 64, "b" * 64, level="L1")
        running.record_program(finished)
        return finished

    async def ask(self, corr_id: str, nonce: str | None = None, *, container: str = "0123456789ab") -> Result:
        """What comes of one more envelope."""
        now = int(wall_seconds())
        command = with_intent(replace(STOP, corr_id=corr_id, args={"container_id": container}), iat=now, exp=now + 600)
        sending = replace(SENDING, iat=now, exp=now + 60, nonce=nonce or f"nonce-of-{corr_id}-000")
        return await self.pipeline.submit(signed(command, sending=sending), Ingress("local", SID, "uid 0"))

    async def preview(self, corr_id: str) -> DryRun:
        """What one more envelope would do."""
        now = int(wall_seconds())
        stop = replace(STOP, corr_id=corr_id, args={"container_id": "0123456789ab"})
        command = with_intent(stop, iat=now, exp=now + 600)
        sending = replace(SENDING, iat=now, exp=now + 60, nonce=f"nonce-of-{corr_id}-000")
        return await self.pipeline.dry_run(signed(command, sending=sending), Ingress("local", SID, "uid 0"))


@asynccontextmanager
async def opened(directory: Path, *, rate: int = 1000, places: int = 100, at_once: int = 4) -> AsyncIterator[Fixture]:
    fixture = Fixture(Place(directory, now=wall_seconds).begin())
    bundle = replace(BUNDLE, expires=int(wall_seconds()) + 86_400)

    def verify(command: SignedCommand, ingress: Ingress, *, was_queued: bool = False) -> VerifiedCommand:
        context = replace(CONTEXT, bundle=bundle, transport=ingress.transport, sid=ingress.sid)
        max_age = MAX_LIFE_SECONDS if was_queued else SKEW_SECONDS
        return verify_signed(command, replace(context, now=wall_seconds(), max_age_seconds=max_age))

    executor = Executor(NODE.agent_id, settings(), {RunProgram: fixture.perform}, lambda *_: b"", lambda _: None)
    async with fixture.place.opened() as store, asyncio.TaskGroup() as group:
        fixture.store = store
        fixture.pipeline = CommandPipeline(
            NODE.agent_id,
            verify=verify,
            verbs={"stop_container": replace(VERBS["stop_container"], run=stop)},
            part_of=lambda verb: verb.run,
            admission=Admission(RateLimit(rate), RateLimit(rate), places),
            max_concurrency=at_once,
            store=store,
            executor=executor,
            group=group,
        )
        yield fixture
        await fixture.pipeline.close()


async def until_begun(fixture: Fixture, count: int) -> None:
    async with asyncio.timeout(60):
        async with fixture.beginning:
            await fixture.beginning.wait_for(lambda: len(fixture.began) >= count)


def play(tmp_path: Path, scene: Any, **limits: int) -> Place:
    async def whole() -> Place:
        async with opened(tmp_path, **limits) as fixture:
            await scene(fixture)
        return fixture.place

    return asyncio.run(whole())


def test_command_runs_once_and_retry_gets_its_result(tmp_path: Path) -> None:
    async def scene(fixture: Fixture) -> None:
        fixture.go_on.set()
        first = await fixture.ask("c-1", "nonce-1-000000000000")
        assert (first.status, first.error_code, first.rc, first.level) == (Status.SUCCESS, Code.NONE, 0, "L1")
        assert (first.stdout, first.data) == ("stopped\n", {"container": "0123456789ab"})
        assert await fixture.ask("c-1", "nonce-2-000000000000") == first
        assert (await fixture.ask("c-2", "nonce-1-000000000000")).error_code == Code.REPLAY_DETECTED
        assert (await fixture.ask("c-1", container="ba9876543210")).error_code == Code.REPLAY_DETECTED
        assert fixture.began == ["c-1"]

    place = play(tmp_path, scene)
    assert place.told() == [
        ("accepted", "c-1"),
        ("finished", "c-1"),
        ("repeated", "c-1"),
        ("refused", "c-2"),
        ("refused", "c-1"),
    ]
    accepted, finished, _, refused, _ = place.lines()
    assert accepted["parameters"] == {"container_id": "0123456789ab"}
    assert (finished["result"], finished["rc"], finished["actor"]) == ("success", 0, "alice")
    assert (refused["result"], refused["error_code"], refused["source_ip"]) == ("denied", "REPLAY_DETECTED", "uid 0")


def test_retry_of_running_command_waits_for_its_result(tmp_path: Path) -> None:
    async def scene(fixture: Fixture) -> None:
        first = asyncio.create_task(fixture.ask("c-1", "nonce-1-000000000000"))
        await until_begun(fixture, 1)
        second = asyncio.create_task(fixture.ask("c-1", "nonce-2-000000000000"))
        await asyncio.sleep(0.2)
        fixture.go_on.set()
        assert await first == await second
        assert fixture.began == ["c-1"]

    play(tmp_path, scene)


def test_command_runs_on_after_its_sender_disconnects(tmp_path: Path) -> None:
    async def scene(fixture: Fixture) -> None:
        asked = asyncio.create_task(fixture.ask("c-1", "nonce-1-000000000000"))
        await until_begun(fixture, 1)
        asked.cancel()
        await asyncio.sleep(0)
        fixture.go_on.set()
        assert (await fixture.ask("c-1", "nonce-2-000000000000")).status == Status.SUCCESS
        assert fixture.began == ["c-1"]

    play(tmp_path, scene)


def test_concurrency_and_queue_are_limited(tmp_path: Path) -> None:
    async def scene(fixture: Fixture) -> None:
        asked = [asyncio.create_task(fixture.ask(f"c-{number}")) for number in range(8)]
        await until_begun(fixture, 2)
        assert (await fixture.ask("c-8")).error_code == Code.QUEUE_FULL
        fixture.go_on.set()
        assert {(await each).status for each in asked} == {Status.SUCCESS}
        assert fixture.most == 2
        assert (await fixture.ask("c-8")).error_code == Code.NONE, "what was refused has burnt no number"

    play(tmp_path, scene, places=8, at_once=2)


@pytest.mark.security
def test_wall_clock_set_back_prolongs_no_queued_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As much time passes as it may live, and the wall clock shows none of it."""

    async def scene(fixture: Fixture) -> None:
        first = asyncio.create_task(fixture.ask("c-1"))
        await until_begun(fixture, 1)
        queued = asyncio.create_task(fixture.ask("c-2"))
        while fixture.pipeline.output("c-2") is None:  # noqa: ASYNC110, the pipeline has no event for it
            await asyncio.sleep(0.01)
        now = fixture.store.read_clocks()
        later = replace(now, boottime=now.boottime + 61)
        monkeypatch.setattr(fixture.store, "read_clocks", lambda: later)
        fixture.go_on.set()
        assert (await first).status is Status.SUCCESS
        assert (await queued).error_code is Code.EXPIRED_TOKEN
        assert fixture.began == ["c-1"]

    play(tmp_path, scene, at_once=1)


def test_rate_limit_of_actor_rejects_command(tmp_path: Path) -> None:
    async def scene(fixture: Fixture) -> None:
        fixture.go_on.set()
        codes = [(await fixture.ask(f"c-{number}")).error_code for number in range(3)]
        assert codes == [Code.NONE, Code.NONE, Code.RATE_LIMITED]
        assert fixture.began == ["c-0", "c-1"]

    play(tmp_path, scene, rate=2)


def test_dry_run_is_admitted_and_audited_like_a_command(tmp_path: Path) -> None:
    async def scene(fixture: Fixture) -> None:
        fixture.go_on.set()
        for number in range(2):
            assert (await fixture.preview(f"c-{number}")).effects
        with pytest.raises(CommandError, match="rate limit exceeded") as refused:
            await fixture.preview("c-2")
        assert refused.value.code == Code.RATE_LIMITED
        assert fixture.began == []
        assert (await fixture.ask("c-3")).error_code == Code.NONE, "dry runs count for the dispatch key alone"

    place = play(tmp_path, scene, rate=2)
    assert [(line["event"], line["correlation_id"], line["error_code"]) for line in place.lines()] == [
        ("command.previewed", "c-0", "NONE"),
        ("command.previewed", "c-1", "NONE"),
        ("command.refused", "c-2", "RATE_LIMITED"),
        ("command.accepted", "c-3", "NONE"),
        ("command.finished", "c-3", "NONE"),
    ]


def test_dry_run_takes_a_place_in_the_queue(tmp_path: Path) -> None:
    async def scene(fixture: Fixture) -> None:
        asked = asyncio.create_task(fixture.ask("c-1"))
        await until_begun(fixture, 1)
        with pytest.raises(CommandError) as refused:
            await fixture.preview("c-2")
        assert refused.value.code == Code.QUEUE_FULL
        fixture.go_on.set()
        await asked

    play(tmp_path, scene, places=1)


def test_flood_of_junk_for_dry_runs_is_rate_limited_and_counted_in_the_log(tmp_path: Path) -> None:
    async def scene(fixture: Fixture) -> None:
        codes = []
        for _ in range(2 * UNAUTHENTICATED_PER_MINUTE):
            with pytest.raises(CommandError) as refused:
                await fixture.pipeline.dry_run("junk", Ingress("local", SID, "uid 0"))
            codes.append(refused.value.code)
        assert codes[0] == Code.INVALID_SIGNATURE
        assert codes[-1] == Code.RATE_LIMITED

    lines = play(tmp_path, scene).lines()
    assert UNAUTHENTICATED_PER_MINUTE <= len(lines) < 2 * UNAUTHENTICATED_PER_MINUTE
    assert {line["event"] for line in lines} == {"command.refused"}


def test_cancel_ends_only_its_command(tmp_path: Path) -> None:
    async def scene(fixture: Fixture) -> None:
        asked = [asyncio.create_task(fixture.ask(f"c-{number}")) for number in range(3)]
        await until_begun(fixture, 2)
        (waiting,) = {"c-0", "c-1", "c-2"} - {*fixture.began}
        async with asyncio.timeout(60):
            while fixture.pipeline.output(waiting) is None:  # noqa: ASYNC110, the store tells nobody
                await asyncio.sleep(0.01)
        for corr_id in (fixture.began[0], waiting):
            assert fixture.pipeline.cancel(corr_id, Code.CANCELLED, "ada has cancelled it")
        assert not fixture.pipeline.cancel("c-9", Code.CANCELLED, "")
        gone = {fixture.began[0], waiting}
        await asyncio.sleep(0.1)
        fixture.go_on.set()
        results = [await each for each in asked]
        assert {each.corr_id: each.error_code for each in results} == {
            each.corr_id: Code.CANCELLED if each.corr_id in gone else Code.NONE for each in results
        }
        assert {each.problem for each in results} == {"", "ada has cancelled it"}

    play(tmp_path, scene, at_once=2)


def test_close_interrupts_running_commands_and_stores_their_results(tmp_path: Path) -> None:
    asked = []

    async def scene(fixture: Fixture) -> None:
        asked.append(asyncio.create_task(fixture.ask("c-1")))
        await until_begun(fixture, 1)
        await fixture.pipeline.close()
        assert (await fixture.ask("c-2")).error_code == Code.SHUTTING_DOWN
        result = await asked[0]
        assert (result.status, result.error_code) == (Status.ERROR, Code.INTERRUPTED)

    place = play(tmp_path, scene)
    assert [line["error_code"] for line in place.lines()] == ["NONE", "INTERRUPTED", "SHUTTING_DOWN"]


def test_flood_of_junk_is_rate_limited_and_counted_in_the_log(tmp_path: Path) -> None:
    """Whoever sends it; a command that is signed comes through all the same."""

    async def scene(fixture: Fixture) -> None:
        fixture.go_on.set()
        codes = [(await fixture.pipeline.submit("junk", Ingress("local", SID, "uid 0"))).error_code for _ in range(500)]
        assert codes[:UNAUTHENTICATED_PER_MINUTE] == [Code.INVALID_SIGNATURE] * UNAUTHENTICATED_PER_MINUTE
        assert codes[-1] == Code.RATE_LIMITED
        assert (await fixture.ask("c-1")).error_code == Code.NONE
        other = await fixture.pipeline.submit("junk", Ingress("local", SID, "uid 7"))
        assert other.error_code == Code.INVALID_SIGNATURE

    place = play(tmp_path, scene)
    lines = [line for line in place.lines() if line["event"] == "command.refused"]
    assert UNAUTHENTICATED_PER_MINUTE < len(lines) < 2 * UNAUTHENTICATED_PER_MINUTE
    assert sum(line["details"].get("unwritten", 0) for line in lines) == 501 - len(lines)


def test_flood_of_rejections_does_not_fill_the_disk(tmp_path: Path) -> None:
    async def scene(fixture: Fixture) -> None:
        fixture.go_on.set()
        await fixture.ask("c-1", "nonce-1-000000000000")
        for _ in range(REJECTIONS_PER_MINUTE + 200):
            assert (await fixture.ask("c-1", "nonce-1-000000000000")).error_code == Code.REPLAY_DETECTED

    begun = time.monotonic()
    place = play(tmp_path, scene, rate=100_000)
    minutes = (time.monotonic() - begun) / 60  # on a busy machine some of the allowance comes back meanwhile
    assert len(place.lines()) < REJECTIONS_PER_MINUTE * (1 + minutes) + 100


def test_command_admitted_during_close_does_not_begin(tmp_path: Path) -> None:
    async def scene(fixture: Fixture) -> None:
        fixture.go_on.set()
        asked = asyncio.create_task(fixture.ask("c-1"))
        await asyncio.sleep(0)  # the store has it now
        await fixture.pipeline.close()
        assert (await asked).error_code == Code.INTERRUPTED
        assert fixture.began == []

    play(tmp_path, scene)


def test_command_cancelled_before_acceptance_does_not_begin(tmp_path: Path) -> None:
    async def scene(fixture: Fixture) -> None:
        fixture.go_on.set()
        asked = asyncio.create_task(fixture.ask("c-1"))
        await asyncio.sleep(0)  # the store has it now
        assert fixture.pipeline.cancel("c-1", Code.CANCELLED, "ada has cancelled it")
        assert (await asked).error_code == Code.CANCELLED
        assert (await fixture.ask("c-2")).error_code == Code.NONE
        assert fixture.began == ["c-2"]

    play(tmp_path, scene)


async def take_no_more(store: CommandStore) -> None:
    """As a file system that is full, or has turned read-only."""
    await store.result_of("c-0")
    store._table.connection.execute("PRAGMA query_only = 1")


def test_close_returns_while_the_disk_is_full(tmp_path: Path) -> None:
    async def scene(fixture: Fixture) -> None:
        asked = asyncio.create_task(fixture.ask("c-1"))
        await until_begun(fixture, 1)
        await take_no_more(fixture.store)
        fixture.go_on.set()
        await asyncio.sleep(0.2)
        assert not fixture.pipeline.cancel("c-1", Code.CANCELLED, ""), "it has ended, and waits to be written down"
        async with asyncio.timeout(60):
            await fixture.pipeline.close()
        assert (await asked).error_code == Code.INTERRUPTED

    place = play(tmp_path, scene)
    assert place.told() == [("accepted", "c-1")]
    assert [each.corr_id for each in asyncio.run(recovered(place))] == ["c-1"]


async def recovered(place: Place) -> tuple[Result, ...]:
    async with place.opened():
        return place.interrupted


def test_rejection_is_returned_if_it_cannot_be_logged(tmp_path: Path) -> None:
    async def scene(fixture: Fixture) -> None:
        await take_no_more(fixture.store)
        result = await fixture.pipeline.submit("junk.and.nonsense", Ingress("local", SID, "uid 0"))
        assert result.error_code == Code.INVALID_SIGNATURE

    play(tmp_path, scene)


def test_output_of_running_command_can_be_tailed(tmp_path: Path) -> None:
    async def scene(fixture: Fixture) -> None:
        asked = asyncio.create_task(fixture.ask("c-1"))
        await until_begun(fixture, 1)
        text = fixture.pipeline.output("c-1")
        assert text
        assert (await text.after(0, 60)).octets == b"stopping\n"
        fixture.go_on.set()
        await asked
        assert (await text.after(9, 60)).has_ended
        assert fixture.pipeline.output("c-1") is None

    play(tmp_path, scene)


def test_junk_is_rejected_and_audited_without_its_content(tmp_path: Path) -> None:
    async def scene(fixture: Fixture) -> None:
        result = await fixture.pipeline.submit("junk.and.nonsense", Ingress("local", SID, "uid 0"))
        assert (result.error_code, result.corr_id, result.verb) == (Code.INVALID_SIGNATURE, "unknown", "unknown")

    place = play(tmp_path, scene)
    assert place.told() == [("refused", None)]
    assert "junk" not in json.dumps(place.lines())
