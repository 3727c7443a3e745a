"""Killed or without power at any call, a gateway under load runs nothing twice and loses no result.

A thousand commands: fifty gateways, one after another on the same disk, each with twenty more of them, each killed at
its nth write, fsync or rename, for every n that there is. That is what a soak does; otherwise there are six gateways
and the sample of `tests/faults.py`.
"""

from __future__ import annotations

import asyncio
import json
import shutil
from pathlib import Path

import pytest

from tests.commands.pipeline.gateway import carry_out, check, command_line, place_of, prepare
from tests.faults import Kill, crash_points, is_killed, is_soak, sampled
from tests.powercut import power_cuts
from warren.audit.io.logfiles import log_of
from warren.commands.result import Code

pytestmark = [pytest.mark.integration, pytest.mark.security, pytest.mark.needs("strace")]

EACH, AT_ONCE = 20, 16
GENERATIONS = 50 if is_soak() else 6
TIMEOUT_SECONDS = 0 if is_soak() else 1800


def kind_of(kill: Kill) -> str:
    """Return the name of the call."""
    return kill.call


def lived(place: Path, generations: int) -> list[str]:
    """A new place, and what lives there."""
    place.mkdir()
    return command_line(prepare(place), EACH, AT_ONCE, generations)


@pytest.mark.timeout(TIMEOUT_SECONDS)
def test_killed_at_every_call(tmp_path: Path) -> None:
    first, count = tmp_path / "first", EACH * GENERATIONS
    # Of three, since only a later one finds what another has left, and a log to turn over.
    points = crash_points(lived(first, 3))
    assert check(first, EACH * 3) == {Code.NONE: EACH * 3}
    kinds = {point.call for point in points}
    assert {"write", "pwrite64"} <= kinds
    assert kinds & {"rename", "renameat", "renameat2"}
    assert kinds & {"fsync", "fdatasync"}
    interrupted = 0
    for kill in sampled(points, kind_of):
        place = tmp_path / f"{kill.call}-{kill.nth}"
        assert not is_killed(lived(place, GENERATIONS), kill)
        asyncio.run(carry_out(place, count, AT_ONCE))
        interrupted += check(place, count)[Code.INTERRUPTED]
        shutil.rmtree(place)
    assert interrupted


@pytest.mark.timeout(TIMEOUT_SECONDS)
def test_killed_again_while_it_recovers(tmp_path: Path) -> None:
    """With no new commands, so that all calls are those of the recovery."""
    left = tmp_path / "left"
    # Sixteen are accepted together, and each writes what it does: at the tenth there are some on their way.
    is_killed(lived(left, 1), Kill("write", 10))
    probe = shutil.copytree(left, tmp_path / "probe")
    for kill in sampled(crash_points(command_line(probe, 0, 1)), kind_of):
        place = shutil.copytree(left, tmp_path / f"{kill.call}-{kill.nth}")
        is_killed(command_line(place, 0, 1), kill)
        asyncio.run(carry_out(place, EACH, AT_ONCE))
        assert check(place, EACH)[Code.INTERRUPTED]
        shutil.rmtree(place)


@pytest.mark.timeout(TIMEOUT_SECONDS)
@pytest.mark.parametrize("begun", [True, False])
def test_power_cut_at_every_call(tmp_path: Path, begun: bool) -> None:
    """One that had not begun is begun anew, and what it was told to do before is refused."""
    count = 6 if begun else 0

    def command(place: Path) -> list[str]:
        return command_line(prepare(place, begun=begun), count, 3)

    cuts = 0
    for _, place in power_cuts(tmp_path, command):
        cuts += 1
        asyncio.run(carry_out(place, count, 3))
        check(place, count)
        events = [json.loads(line)["event"] for _, line in log_of(place_of(place).log).lines()]
        assert begun or events[0] == "store.initialized"
        shutil.rmtree(place)
    assert cuts > 20
