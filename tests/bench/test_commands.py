"""The parts of the bench of commands measure what they say: each executes, and the answers are looked at."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

import commands
import end_to_end
import in_process
from failure import BenchError
from fixtures import CHANGES, READS
from tests.netns.host import IN_NAMESPACES
from tests.scenario.agent import USER, open_directory

pytestmark = pytest.mark.integration

SECONDS = 0.2
IS_ALONE = pytest.mark.skipif(USER == "root", reason="a user namespace has no other users")
HAS_TUN = pytest.mark.skipif(not Path("/dev/net/tun").exists(), reason="the device /dev/net/tun")


def whole(test: Callable[[], None]) -> Callable[[], None]:
    """Of an agent that root starts and that becomes another user."""
    for mark in (*IN_NAMESPACES, IS_ALONE, HAS_TUN):
        test = mark(test)
    return test


def test_commands_are_executed_in_this_process(tmp_path: Path) -> None:
    async def scene() -> int:
        async with in_process.opened(tmp_path) as here:
            for verb in (READS, CHANGES):
                assert await here.rate(verb, SECONDS, at_once=4) > 0
            times = await here.latencies(CHANGES, 3)
            assert 0 < times.p50_ms <= times.p99_ms
            return here.octets_of_one()

    octets = asyncio.run(scene())
    assert octets > 1000, "two lines of the log and a signed result are more"
    assert in_process.bare(tmp_path, octets, SECONDS) > 0
    assert not (tmp_path / "floor").exists()


def test_one_that_is_refused_is_no_figure(tmp_path: Path) -> None:
    async def scene() -> None:
        async with in_process.opened(tmp_path) as here:
            envelope = here.orders.sign(READS, here.sid)
            await here.execute(envelope)
            with pytest.raises(BenchError, match="REPLAY_DETECTED"):
                await here.execute(envelope)

    asyncio.run(scene())


@whole
def test_a_whole_agent_executes_commands() -> None:
    with open_directory() as directory, end_to_end.started(directory) as agent:
        load = agent.load(CHANGES, SECONDS, clients=2)
        assert load.rate > 0
        assert load.cpu_ms >= 0
        assert agent.resident_bytes() > 1 << 20


@whole
def test_a_round_has_all_contestants() -> None:
    with open_directory() as directory:
        results = commands.measure(directory, 1, SECONDS)
        assert set(results.rates) == {
            commands.HERE_READS,
            commands.HERE_CHANGES,
            commands.ONE_SYNC,
            commands.GROUPED,
            commands.STORE,
            commands.LINES,
            commands.AGENT,
        }
        assert len(results.resident_mib) == 2
        assert [verdict for verdict in commands.verdicts(results) if verdict.is_met is None] == []
        assert not list(directory.iterdir())


def test_where_no_agent_can_be_started_it_says_why(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    with pytest.raises(BenchError, match=f"{tmp_path} is closed to"):
        end_to_end.check_place(tmp_path)
