"""Killed or without power at any call, a gateway under load runs nothing twice and loses no result."""

from __future__ import annotations

import asyncio
import json
import shutil
from itertools import islice
from pathlib import Path

import pytest
from hypothesis import settings

from tests.commands.io.gateway import carry_out, check, command_line, place_of, prepare
from tests.faults import Kill, crash_points, is_killed
from tests.powercut import power_cuts
from warren.audit.io.logfiles import log_of
from warren.commands.result import Code

pytestmark = [pytest.mark.integration, pytest.mark.security, pytest.mark.needs("strace")]

IS_SOAK = settings().max_examples > 1000
COUNT, AT_ONCE = (1000, 64) if IS_SOAK else (100, 16)
SAMPLE = 24


def sample(points: list[Kill]) -> list[Kill]:
    """All of them in a soak; else the first and last of each kind, and some between."""
    if IS_SOAK:
        return points
    kinds = {point.call for point in points}
    of_kind = [[point for point in points if point.call == kind] for kind in sorted(kinds)]
    ends = [kind[index] for kind in of_kind for index in (0, -1)]
    return list(dict.fromkeys([*ends, *points[:: max(1, len(points) // SAMPLE)]]))


def killed(place: Path, kill: Kill) -> Path:
    """A gateway after a kill; one that came to its end first is as good."""
    place.mkdir()
    is_killed(command_line(prepare(place), COUNT, AT_ONCE), kill)
    return place


@pytest.mark.timeout(0 if IS_SOAK else 1800)
def test_killed_at_every_call(tmp_path: Path) -> None:
    first = tmp_path / "first"
    first.mkdir()
    points = crash_points(command_line(prepare(first), COUNT, AT_ONCE))
    assert check(first, COUNT) == {Code.NONE: COUNT}
    kinds = {point.call for point in points}
    assert {"write", "pwrite64"} <= kinds
    assert kinds & {"fsync", "fdatasync"}
    interrupted = 0
    for kill in sample(points):
        place = killed(tmp_path / f"{kill.call}-{kill.nth}", kill)
        asyncio.run(carry_out(place, COUNT, AT_ONCE))
        interrupted += check(place, COUNT)[Code.INTERRUPTED]
        shutil.rmtree(place)
    assert interrupted


@pytest.mark.timeout(0 if IS_SOAK else 1800)
def test_killed_again_while_it_recovers(tmp_path: Path) -> None:
    """By an order that comes while nothing else does, so that all calls are those of the recovery."""
    first = tmp_path / "first"
    first.mkdir()
    commits = [point for point in crash_points(command_line(prepare(first), COUNT, AT_ONCE)) if "sync" in point.call]
    left = killed(tmp_path / "left", commits[len(commits) // 2])
    probe = shutil.copytree(left, tmp_path / "probe")
    for kill in sample(crash_points(command_line(probe, 0, 1))):
        place = shutil.copytree(left, tmp_path / f"{kill.call}-{kill.nth}")
        is_killed(command_line(place, 0, 1), kill)
        asyncio.run(carry_out(place, COUNT, AT_ONCE))
        assert check(place, COUNT)[Code.INTERRUPTED]
        shutil.rmtree(place)


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("begun", [True, False])
def test_after_a_power_cut(tmp_path: Path, begun: bool) -> None:
    """One that had not begun is begun anew, and what it was told to do before is refused."""
    count = 6 if begun else 0

    def command(place: Path) -> list[str]:
        return command_line(prepare(place, begun=begun), count, 3)

    cuts = 0
    for _, place in islice(power_cuts(tmp_path, command), None, None, 1 if IS_SOAK else 7):
        cuts += 1
        asyncio.run(carry_out(place, count, 3))
        check(place, count)
        events = [json.loads(line)["event"] for _, line in log_of(place_of(place).log).lines()]
        assert begun or events[0] == "store.begun"
        shutil.rmtree(place)
    assert cuts > 20
