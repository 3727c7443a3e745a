"""What was accepted is known after every end of the process, and is run once."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from tests.commands.sandbox_requests import GATEWAY, NOW, accepted, finished, order, result
from tests.commands.store.stores import Place
from tests.netns.deadline import until
from warren.audit.event import AuditEvent, Origin
from warren.commands.command import VerifiedCommand
from warren.commands.replay import Accepted, InProgress, Stored, Verdict
from warren.commands.result import Code, CommandError
from warren.commands.result_json import acknowledge, decode_result, encode_result
from warren.commands.store.command_store import CommandStore
from warren.commands.store.database import NAME
from warren.errors import HostError

pytestmark = [pytest.mark.integration, pytest.mark.security]

ONE, OTHER = order(1), order(2)
RETRY = replace(ONE, nonce="n-again")


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path).begin()


async def run(store: CommandStore, command: VerifiedCommand) -> Verdict:
    """As an executor does."""
    verdict = await store.accept(command, accepted(command))
    if verdict == Accepted():
        await store.finish(command.corr_id, result(command), finished(command))
    return verdict


async def refusal(store: CommandStore, command: VerifiedCommand) -> Code:
    with pytest.raises(CommandError) as caught:
        await store.accept(command, accepted(command))
    return caught.value.code


def test_accept_finish_and_retries(place: Place) -> None:
    async def day() -> None:
        async with place.opened() as store:
            assert await store.accept(ONE, accepted(ONE)) == Accepted()
            assert await store.accept(replace(ONE, nonce="n-early"), accepted(ONE)) == InProgress()
            assert await store.result_of("c-1") is None
            await store.finish("c-1", result(ONE), finished(ONE))
            assert await refusal(store, ONE) is Code.REPLAY_DETECTED
            assert await store.accept(RETRY, accepted(RETRY)) == Stored(result(ONE))
            assert await refusal(store, RETRY) is Code.REPLAY_DETECTED
            assert await refusal(store, replace(ONE, nonce="n-x", args_sha256="0" * 64)) is Code.REPLAY_DETECTED

    asyncio.run(day())
    assert place.told() == [("accepted", "c-1"), ("repeated", "c-1"), ("finished", "c-1"), ("repeated", "c-1")]


def test_commands_and_results_survive_restart(place: Place) -> None:
    async def before() -> None:
        async with place.opened() as store:
            await run(store, ONE)

    async def after() -> None:
        async with place.opened() as store:
            assert place.interrupted == ()
            assert await refusal(store, ONE) is Code.REPLAY_DETECTED
            assert await store.accept(RETRY) == Stored(result(ONE))

    asyncio.run(before())
    asyncio.run(after())


def test_unfinished_command_is_interrupted_and_never_runs_again(place: Place) -> None:
    async def before() -> None:
        async with place.opened() as store:
            await store.accept(ONE, accepted(ONE))

    async def after() -> None:
        async with place.opened() as store:
            assert [found.error_code for found in place.interrupted] == [Code.INTERRUPTED]
            assert await store.accept(RETRY) == Stored(place.interrupted[0])
            assert await store.unacknowledged() == place.interrupted

    asyncio.run(before())
    asyncio.run(after())
    assert place.told() == [("accepted", "c-1"), ("interrupted", "c-1")]
    asyncio.run(after_again(place))
    assert place.told()[2:] == []


async def after_again(place: Place) -> None:
    async with place.opened():
        assert place.interrupted == ()


def test_results_are_unacknowledged_until_acknowledge(place: Place) -> None:
    async def day() -> None:
        async with place.opened() as store:
            for command in (ONE, OTHER):
                await run(store, command)
            assert await store.unacknowledged() == (result(ONE), result(OTHER))
            assert [await store.acknowledge("c-1"), await store.acknowledge("c-1")] == [True, False]
            assert await store.unacknowledged() == (result(OTHER),)
            assert await store.result_of("c-1") == decode_result(acknowledge(encode_result(result(ONE))))

    asyncio.run(day())


def test_of_concurrent_accepts_one_is_accepted(place: Place) -> None:
    async def day() -> list[Verdict]:
        async with place.opened() as store:
            return await asyncio.gather(*(store.accept(replace(ONE, nonce=f"n-{each}")) for each in range(50)))

    assert sorted(type(verdict).__name__ for verdict in asyncio.run(day())) == ["Accepted"] + ["InProgress"] * 49


def test_full_store_rejects_until_nonces_expire(tmp_path: Path) -> None:
    clock = [float(NOW)]
    place = Place(tmp_path, rows=2, now=lambda: clock[0]).begin()

    async def day() -> None:
        async with place.opened() as store:
            for command in (ONE, OTHER):
                await run(store, command)
            assert await refusal(store, order(3)) is Code.QUEUE_FULL
            assert await run(store, order(3, kid="another key")) == Accepted()
            clock[0] = ONE.exp + 120
            while True:  # it forgets what has expired when it next looks, within seconds
                try:
                    return await _later(store, int(clock[0]))
                except CommandError:
                    await asyncio.sleep(0.1)

    asyncio.run(day())


async def _later(store: CommandStore, now: int) -> None:
    assert await run(store, order(4, iat=now, exp=now + 60)) == Accepted()
    assert await store.accept(replace(RETRY, iat=now, exp=now + 60)) == Stored(result(ONE))


def test_command_is_known_for_thirty_days(tmp_path: Path) -> None:
    """Row V-86; it is not known for less, whatever the configuration says of logs."""
    clock = [float(NOW)]
    place = Place(tmp_path, now=lambda: clock[0]).begin()

    async def month() -> None:
        async with place.opened() as store:
            await run(store, ONE)
            clock[0] = NOW + 30 * 86_400
            await _swept(store)
            assert await store.result_of("c-1") == result(ONE)
            clock[0] += 61
            await _gone(lambda: store.result_of("c-1"))

    asyncio.run(month())


def test_clock_set_back_allows_no_replay(tmp_path: Path) -> None:
    """Whoever moves the clock has the store forget: what it has forgotten it takes no more, also after a restart."""
    clock = [float(NOW)]
    place = Place(tmp_path, now=lambda: clock[0]).begin()

    async def ahead() -> None:
        async with place.opened() as store:
            await run(store, ONE)
            clock[0] = NOW + 31 * 86_400
            await _swept(store)
            await _gone(lambda: store.result_of("c-1"))
            clock[0] = NOW
            assert await refusal(store, ONE) is Code.EXPIRED_TOKEN

    async def after() -> None:
        async with place.opened() as store:
            assert await refusal(store, ONE) is Code.EXPIRED_TOKEN
            assert await run(store, order(7, iat=NOW + 1, exp=ONE.exp + 1)) == Accepted()

    asyncio.run(ahead())
    asyncio.run(after())


async def _swept(store: CommandStore) -> None:
    """A nonce has a shorter life than what it bound."""
    query = "SELECT COUNT(*) FROM used"
    await _gone(lambda: store._do(lambda: store._table.connection.execute(query).fetchone()[0]))


async def _gone(what: Callable[[], Awaitable[object]]) -> None:
    """It forgets by itself what has expired, when it looks next: within seconds."""
    for _ in range(600):
        if not await what():
            return
        await asyncio.sleep(0.1)
    pytest.fail("it was not forgotten")


@pytest.mark.parametrize("ahead", [0, 60])
@pytest.mark.parametrize("damage", ["deleted", "zeroed", "garbage", "torn", "empty"])
def test_lost_or_damaged_database_rejects_older_commands(tmp_path: Path, damage: str, ahead: int) -> None:
    """Also by a signer whose clock is a minute ahead: its commands of a minute from now are already issued."""
    clock = [float(NOW)]
    place = Place(tmp_path, now=lambda: clock[0]).begin()
    old = [ONE, *(order(10 + each, iat=NOW + each) for each in range(ahead + 1))]

    async def before() -> None:
        async with place.opened() as store:
            await run(store, ONE)

    async def after() -> None:
        async with place.opened() as store:
            for command in old:
                assert await refusal(store, command) is Code.EXPIRED_TOKEN
            assert await run(store, order(5, iat=NOW + 61, exp=NOW + 121)) == Accepted()

    asyncio.run(before())
    _damage(tmp_path / "commands.db", damage)
    asyncio.run(after())
    assert [line["n"] for line in place.lines()] == [*range(1, len(place.lines()) + 1)]
    told = place.lines()[2]
    assert (told["event"], told["details"]) == (
        "store.initialized",
        {"why": "missing" if damage == "deleted" else "damaged", "begun": NOW + 60},
    )


def _damage(path: Path, damage: str) -> None:
    octets = path.read_bytes()
    match damage:
        case "deleted":
            path.unlink()
        case "zeroed":
            path.write_bytes(bytes(len(octets)))
        case "garbage":
            path.write_bytes(octets[:4096] + b"\xa5" * (len(octets) - 4096))
        case "torn":
            path.write_bytes(octets[: len(octets) // 2 + 100])
        case "empty":
            path.write_bytes(b"")


def test_restored_older_database_is_detected_by_the_log(place: Place) -> None:
    async def day(command: VerifiedCommand) -> None:
        async with place.opened() as store:
            await run(store, command)

    async def after() -> None:
        async with place.opened() as store:
            assert await refusal(store, OTHER) is Code.EXPIRED_TOKEN

    path = place.directory / "commands.db"
    asyncio.run(day(ONE))
    backup = path.read_bytes()
    asyncio.run(day(OTHER))
    path.write_bytes(backup)
    asyncio.run(after())
    assert place.lines()[-1]["details"] == {"why": "outdated", "begun": NOW + 60}


def test_second_process_cannot_open_the_store(place: Place) -> None:
    async def day() -> None:
        async with place.opened():
            with pytest.raises(HostError, match=r"commands[.]db"):
                await place.store().recover()

    asyncio.run(day())


def test_store_without_journal_writes_no_audit(tmp_path: Path) -> None:
    place = Place(tmp_path).begin()

    async def day() -> None:
        store = CommandStore(tmp_path, Origin(GATEWAY), clocks=place.read_clocks)
        await store.recover()
        assert await run(store, ONE) == Accepted()
        assert await refusal(store, ONE) is Code.REPLAY_DETECTED
        await store.close()

    asyncio.run(day())
    assert not place.log.exists()


def test_cancelled_caller_has_accepted_nothing(place: Place) -> None:
    async def day() -> None:
        async with place.opened() as store:
            waiting = asyncio.ensure_future(store.accept(ONE, accepted(ONE)))
            await asyncio.sleep(0)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
            assert await store.accept(RETRY, accepted(RETRY)) == Accepted()

    asyncio.run(day())


def test_finish_rejects_command_that_is_not_in_progress(place: Place) -> None:
    async def day() -> None:
        async with place.opened() as store:
            with pytest.raises(LookupError):
                await store.finish("c-1", result(ONE))
            await run(store, ONE)
            with pytest.raises(LookupError):
                await store.finish("c-1", result(ONE))

    asyncio.run(day())


def test_write_event_adds_an_audit_line(place: Place) -> None:
    async def day() -> None:
        async with place.opened() as store:
            await store.write_event(AuditEvent("status.read", NOW, source_ip="127.0.0.1"))
            assert store.head.n == 1

    asyncio.run(day())
    assert place.told() == [("status.read", None)]


def test_lines_that_a_killed_agent_left_without_a_checkpoint_get_one_at_the_start(place: Place) -> None:
    checkpoints = place.log / "audit.checkpoints"

    async def leave_lines() -> None:
        async with place.opened() as store:
            await store.write_event(AuditEvent("status.read", NOW))

    async def start_again() -> None:
        async with place.opened():  # whose clock stands still: no interval ends
            await asyncio.to_thread(until, checkpoints.exists, "a checkpoint is signed")

    asyncio.run(leave_lines())
    checkpoints.unlink()
    asyncio.run(start_again())


def test_store_must_be_open(place: Place) -> None:
    with pytest.raises(RuntimeError, match="not open"):
        asyncio.run(place.store().write_event(AuditEvent("status.read", NOW)))


def test_nobody_locks_a_store_that_runs(place: Place) -> None:
    async def day() -> None:
        async with place.opened() as store:
            assert await run(store, ONE) == Accepted()
            with closing(sqlite3.connect(place.directory / NAME, timeout=0)) as other:
                for statement in ("BEGIN EXCLUSIVE", "BEGIN IMMEDIATE", "SELECT * FROM used"):
                    with pytest.raises(sqlite3.OperationalError, match="locked"):
                        other.execute(statement)
            assert await run(store, OTHER) == Accepted()
            assert store.error is None

    asyncio.run(day())
