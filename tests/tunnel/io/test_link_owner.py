"""Which process an alias names, and whether it runs."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.netns.deadline import until
from warren.tunnel.io.link_owner import home_of, is_left_by, living_owner, own_alias, started_at

pytestmark = pytest.mark.integration


def test_what_is_ones_own_has_no_other_owner() -> None:
    assert own_alias() == f"warren {os.getpid()} {started_at(os.getpid())}"
    assert living_owner(own_alias()) is None


@pytest.mark.parametrize("alias", [None, "", "warren", "warren 1", "the warren 1 1", "warren 1 1 1", "warren x 1"])
def test_what_another_wrote_names_nobody(alias: str | None) -> None:
    assert living_owner(alias) is None


def test_a_process_is_its_owner_until_it_ends() -> None:
    """Also before its parent has asked how it ended."""
    with subprocess.Popen(["sleep", "3600"]) as other:
        started = started_at(other.pid)
        assert started is not None
        assert living_owner(f"warren {other.pid} {started}") == other.pid
        assert living_owner(f"warren {other.pid} {started + 1}") is None
        other.kill()
        until(lambda: living_owner(f"warren {other.pid} {started}") is None, "it has ended")
    assert started_at(other.pid) is None


def test_a_home_is_known_by_its_directory(tmp_path: Path) -> None:
    home = home_of(tmp_path)
    assert home == home_of(tmp_path / ".")
    assert home not in ("", home_of(tmp_path.parent))
    assert home_of(tmp_path / "none") == ""


def test_what_is_left_is_of_that_home_and_of_no_process_that_runs(tmp_path: Path) -> None:
    home = home_of(tmp_path)
    with subprocess.Popen(["true"]) as ended:
        ended.wait()
    left = f"warren {ended.pid} 1 {home}"
    assert is_left_by(home, left)
    assert not is_left_by(home_of(tmp_path.parent), left)
    assert not is_left_by("", f"warren {ended.pid} 1")
    assert not is_left_by(home, f"warren 1 {started_at(1)} {home}")
