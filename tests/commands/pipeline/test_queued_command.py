"""A queued command when its turn comes: by the clocks of that moment, and as it was signed, whatever the disk holds.

What the trust bundle does to it is in `tests/attacks/test_removed_operator.py`.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.commands.pipeline.bundles import trusted_directory
from tests.commands.pipeline.processes import Node, command, install, opened, run_queued, settle, started
from tests.trust.parties import ALICE
from warren.clock import read_clocks, wall_seconds
from warren.commands.pipeline.bundle_cache import BundleCache
from warren.commands.result import Code, Status
from warren.commands.signed_text import SignedToken
from warren.elapsed_clock import ClockReading
from warren.trust.bundle import TrustBundle

pytestmark = [
    pytest.mark.integration,
    pytest.mark.security,
    pytest.mark.skipif(os.geteuid() != 0, reason="the runner is root"),
]
DAY = 86_400
LIFE = 60
ANOTHER = "UPDATE command SET verb = 'list_users', actor = 'bob', args_sha256 = 'ff' WHERE corr_id = 'c-second'"
AS_IF_RUNNING = "UPDATE command SET state = 1, result = NULL WHERE corr_id = 'c-second'"
FORGET = ("DELETE FROM command", "DELETE FROM used", "DELETE FROM forgotten")


@pytest.fixture
def verifications(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The texts whose signatures are verified, in their order."""
    texts: list[str] = []
    verify = SignedToken._verify

    def counted(signed: SignedToken[Any], key: Any) -> bytes:
        texts.append(signed.text)
        return verify(signed, key)

    monkeypatch.setattr(SignedToken, "_verify", counted)
    return texts


@pytest.mark.parametrize("process", ["agent", "runner"])
@pytest.mark.parametrize(
    ("wall", "boottime"),
    [(LIFE, LIFE), (LIFE, 0), (0, LIFE), (-3_600, LIFE), (-3_600, 0)],
    ids=["time passes", "clock ahead", "clock held", "time passes, clock set back", "clock set back"],
)
def test_queued_command_is_denied_by_either_clock(
    process: str, wall: int, boottime: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    clocks = read_clocks()

    def turn(_: Node) -> None:
        nonlocal clocks
        clocks = replace(clocks, wall=clocks.wall + wall, boottime=clocks.boottime + boottime)

    async def scene() -> None:
        async with opened(process, lambda: clocks) as node:
            first, second = await run_queued(node, caplog, turn, now=int(clocks.wall))
            assert first.status is Status.SUCCESS, "it had begun"
            assert (second.status, second.error_code) == (Status.DENIED, Code.EXPIRED_TOKEN)
            assert "second" not in node.users

    asyncio.run(scene())


@pytest.mark.parametrize("process", ["agent", "runner"])
def test_bundle_of_the_turn_raises_the_time_floor_at_once(process: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    issued = int(wall_seconds()) + 2 * DAY

    async def scene() -> None:
        async with opened(process) as node:
            _, second = await run_queued(node, caplog, lambda node: node.install(issued=issued, expires=issued + DAY))
            assert (second.status, second.error_code) == (Status.DENIED, Code.EXPIRED_TOKEN)
            assert "second" not in node.users

    asyncio.run(scene())


@pytest.mark.parametrize("process", ["agent", "runner"])
def test_state_of_the_bundle_is_read_once_for_each_verification(process: str, monkeypatch: pytest.MonkeyPatch) -> None:
    reads = 0
    file_state = BundleCache._file_state

    def counted(bundles: BundleCache) -> tuple[int, ...] | None:
        nonlocal reads
        reads += 1
        return file_state(bundles)

    async def scene() -> None:
        nonlocal reads
        async with opened(process) as node:
            await node.submit(command("c-1", "first", "alice", ALICE))
            reads = 0
            assert (await node.submit(command("c-2", "second", "alice", ALICE))).status is Status.SUCCESS

    monkeypatch.setattr(BundleCache, "_file_state", counted)
    asyncio.run(scene())
    assert reads == 2


@pytest.mark.parametrize("process", ["agent", "runner"])
def test_queued_command_is_read_once(process: str, caplog: pytest.LogCaptureFixture, verifications: list[str]) -> None:
    caplog.set_level(logging.INFO)
    text = command("c-second", "second", "alice", ALICE)

    async def scene() -> None:
        async with opened(process) as node:
            _, second = await run_queued(node, caplog, Node.install, queued=text)
            assert second.status is Status.SUCCESS

    asyncio.run(scene())
    assert verifications.count(text) == 1, "another bundle has the same key"


@pytest.mark.parametrize("process", ["agent", "runner"])
def test_queued_command_runs_as_it_was_signed_whatever_the_store_says(
    process: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)

    async def alter(node: Node) -> None:
        await node.store._do(lambda: node.store._table.connection.execute(ANOTHER).rowcount)

    async def scene() -> None:
        async with opened(process) as node:
            _, second = await run_queued(node, caplog, alter)
            assert (second.status, second.verb) == (Status.SUCCESS, "create_panel_user")
            assert "second" in node.users

    asyncio.run(scene())


def run_statements(directory: Path, *statements: str) -> None:
    connection = sqlite3.connect(directory / "store" / "commands.db", isolation_level=None)
    for statement in statements:
        connection.execute(statement)
    connection.close()


def newer(bundle: TrustBundle) -> TrustBundle:
    return replace(bundle, version=bundle.version + 1)


def without_alice(bundle: TrustBundle) -> TrustBundle:
    return replace(newer(bundle), operators={"bob": bundle.operators["bob"]})


@pytest.mark.parametrize("process", ["agent", "runner"])
@pytest.mark.parametrize(
    ("change", "code"),
    [(newer, Code.NONE), (without_alice, Code.INVALID_SIGNATURE)],
    ids=["operator stays", "operator removed"],
)
def test_command_that_was_queued_before_a_restart_is_verified_anew(
    process: str,
    change: Callable[[TrustBundle], TrustBundle],
    code: Code,
    caplog: pytest.LogCaptureFixture,
    verifications: list[str],
) -> None:
    """Whoever can write the store makes nothing run: it has no command, and what it forgot is read from its octets."""
    caplog.set_level(logging.INFO)
    clocks = read_clocks()
    text = command("c-second", "second", "alice", ALICE)

    async def end(directory: Path, bundle: TrustBundle) -> None:
        async with started(process, directory, bundle, lambda: clocks) as node:
            _, second = await run_queued(node, caplog, expire, queued=text)
            assert second.error_code is Code.EXPIRED_TOKEN
            assert "second" not in node.users

    def expire(_: Node) -> None:
        nonlocal clocks
        clocks = later(clocks, LIFE)

    async def again(directory: Path, bundle: TrustBundle) -> None:
        async with started(process, directory, bundle, lambda: clocks) as node:
            assert "second" not in node.users, "no start runs what the store has"
            assert (await node.submit(text)).error_code is Code.REPLAY_DETECTED
        run_statements(directory, *FORGET)
        install(directory, change(bundle))
        verifications.clear()
        async with started(process, directory, bundle, lambda: clocks) as node:
            result = await node.submit(text)
            assert result.error_code is code
            assert ("second" in node.users) == (code is Code.NONE)
        assert verifications.count(text) == 1

    with trusted_directory() as directory:
        bundle = settle(directory, lambda: clocks)
        asyncio.run(end(directory, bundle))
        run_statements(directory, AS_IF_RUNNING, ANOTHER)
        clocks = later(clocks, -LIFE)
        asyncio.run(again(directory, bundle))


def later(clocks: ClockReading, seconds: float) -> ClockReading:
    return replace(clocks, wall=clocks.wall + seconds, boottime=clocks.boottime + seconds)
